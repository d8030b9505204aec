package dynamostore

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/satellite"
)

// Cached implements kinds.Cache. The end is compared here: the table's TTL may be
// days late.
func (s *Store) Cached(ctx context.Context, hash string, now time.Time) (satellite.Series, bool, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: cacheKey(hash)})
	if err != nil {
		return satellite.Series{}, false, coded("read cache", err)
	}
	packed, ok := out.Item["series"].(*types.AttributeValueMemberB)
	if !ok || !now.Before(reader(out.Item).time("until")) {
		return satellite.Series{}, false, nil
	}
	var series satellite.Series
	unpacked, err := gzip.NewReader(bytes.NewReader(packed.Value))
	if err == nil {
		err = json.NewDecoder(io.LimitReader(unpacked, maxCached)).Decode(&series) //nolint:musttag // only Keep writes it
	}
	if err != nil {
		return satellite.Series{}, false, fmt.Errorf("unpack cached series: %w", err)
	}
	return series, true, nil
}

// maxCached is the longest series that is read from the cache, in bytes.
const maxCached = 1 << 20

// Keep implements kinds.Cache. Packed, two weeks of days fit into two write units.
func (s *Store) Keep(ctx context.Context, hash string, series satellite.Series, until time.Time) error {
	var packed bytes.Buffer
	pack := gzip.NewWriter(&packed)
	if err := json.NewEncoder(pack).Encode(series); err != nil { //nolint:musttag // only Cached reads it
		return fmt.Errorf("pack series: %w", err)
	}
	if err := pack.Close(); err != nil {
		return fmt.Errorf("pack series: %w", err)
	}
	w := writer(cacheKey(hash))
	w["series"] = &types.AttributeValueMemberB{Value: packed.Bytes()}
	w.time("until", until)
	w["ttl"] = num(until.Unix())
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: item(w)})
	if err != nil {
		return coded("keep series", err)
	}
	return nil
}
