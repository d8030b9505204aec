package dynamostore

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
)

// lock returns the write that takes a job's unique key while it is open, or frees it
// when it is final. Both are updates of one row that names its holder: a freed key
// is a row without one, which the table's TTL removes some day.
//
// Taking fails if another job holds the key. Freeing names the holder, so that a
// late write of an earlier generation cannot free somebody else's.
func (s *Store) lock(j *job.Job) types.TransactWriteItem {
	expr, guard := "SET job = :id REMOVE #ttl", "attribute_not_exists(job) OR job = :id"
	values := item{":id": str(j.ID)}
	names := map[string]string{"#ttl": "ttl"}
	if !j.State.Open() {
		expr, guard = "SET #ttl = :ttl REMOVE job", "job = :id"
		values[":ttl"] = num(j.Finished.Add(time.Hour).Unix())
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: lockKeyOf(j.Owner, j.Unique), UpdateExpression: &expr, ConditionExpression: &guard,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

// lockHolder returns the job that holds the unique key which a transaction wanted:
// the old image of the lock, which is the second item wherever there is one.
func lockHolder(err error) string {
	rs, _ := reasons(err)
	row, _ := refused(rs, 1)
	if reader(row).str("sk") != "LOCK" {
		return ""
	}
	return reader(row).str("job")
}
