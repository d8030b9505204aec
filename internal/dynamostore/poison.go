package dynamostore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orbitq/internal/deadletter"
)

// maxPayload is how much of a poisoned message's body a row keeps, in bytes; SQS
// allows more than an item may hold.
const maxPayload = 300 << 10

// RecordPoison implements deadletter.Store.
func (s *Store) RecordPoison(ctx context.Context, l deadletter.Letter, reason string, now time.Time) error {
	sum := sha256.Sum256([]byte(l.Body))
	w := writer(poisonKey(hex.EncodeToString(sum[:])))
	w.str("body", strings.ToValidUTF8(l.Body[:min(len(l.Body), maxPayload)], "\uFFFD"))
	w.str("why", reason)
	w.str("mid", l.MessageID)
	w.str("src", l.Source)
	w.str("rc", strconv.Itoa(l.Receives))
	w.time("sent", l.Sent)
	w.time("cr", now)
	w["ok"], w["look"] = str(poisonsKey), num(ms(now))
	guard := absent
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: item(w), ConditionExpression: &guard})
	if _, recorded := oldImage(err); err == nil || recorded {
		return nil
	}
	return coded("record poison", err)
}

// Poisoned implements deadletter.Poisons.
func (s *Store) Poisoned(ctx context.Context, n int) ([]deadletter.Poison, error) {
	out, err := s.db.Query(ctx, s.openQuery(poisonsKey, min(n, 100), false))
	if err != nil {
		return nil, coded("query open index", err)
	}
	rows, err := s.rows(ctx, keysOf(out.Items))
	all := make([]deadletter.Poison, 0, len(rows))
	for _, row := range rows {
		r := reader(row)
		receives, _ := strconv.Atoi(r.str("rc")) // written by RecordPoison
		all = append(all, deadletter.Poison{
			Letter: deadletter.Letter{MessageID: r.str("mid"), Body: r.str("body"), Source: r.str("src"), Sent: r.time("sent"), Receives: receives},
			Reason: r.str("why"), At: r.time("cr"),
		})
	}
	slices.SortFunc(all, func(a, b deadletter.Poison) int { return b.At.Compare(a.At) })
	return all, err
}
