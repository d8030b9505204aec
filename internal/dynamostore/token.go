package dynamostore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Token returns the shared provider token; an empty value means none is stored.
func (s *Store) Token(ctx context.Context) (string, time.Time, error) {
	row, err := s.get(ctx, tokenKey())
	r := reader(row)
	return r.str("val"), r.time("exp"), err
}

// LockToken takes the right to fetch a new token until the given time; false
// means that somebody else holds it.
func (s *Store) LockToken(ctx context.Context, now, until time.Time) (bool, error) {
	expr, guard := "SET locked = :until", "attribute_not_exists(locked) OR locked <= :now"
	_, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &s.table, Key: tokenKey(), UpdateExpression: &expr, ConditionExpression: &guard,
		ExpressionAttributeValues: item{":until": num(ms(until)), ":now": num(ms(now))},
	})
	if _, held := oldImage(err); held {
		return false, nil
	}
	if err != nil {
		return false, coded("lock token", err)
	}
	return true, nil
}

// SaveToken stores a new token and gives the lock back.
func (s *Store) SaveToken(ctx context.Context, value string, expires time.Time) error {
	w := writer(tokenKey())
	w.str("val", value)
	w.time("exp", expires)
	_, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: item(w)})
	if err != nil {
		return coded("save token", err)
	}
	return nil
}
