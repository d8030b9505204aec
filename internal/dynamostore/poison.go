package dynamostore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	guard := absent
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: item(w), ConditionExpression: &guard})
	if _, recorded := oldImage(err); err == nil || recorded {
		return nil
	}
	return coded("record poison", err)
}
