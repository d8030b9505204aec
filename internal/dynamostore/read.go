package dynamostore

import (
	"context"
	"slices"
	"sort"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
)

// Indexes that list what an owner has: all jobs by acceptance, and those of one group.
const (
	ownerIndex = "owner"
	groupIndex = "group"
)

// Point implements intake.Store and query.Store.
func (s *Store) Point(ctx context.Context, id string) (point.Point, error) {
	row, err := s.get(ctx, pointKey(id))
	if err != nil {
		return point.Point{}, err
	}
	if row == nil {
		return point.Point{}, job.Errorf(job.NotFound, "no data point %s", id)
	}
	return decodePoint(row), nil
}

// Job implements query.Store.
func (s *Store) Job(ctx context.Context, id string) (job.Job, error) {
	row, err := s.getJob(ctx, id)
	if err != nil {
		return job.Job{}, err
	}
	if row == nil {
		return job.Job{}, job.Errorf(job.NotFound, "no job %s", id)
	}
	return decodeJob(row), nil
}

// Meter implements query.Store.
func (s *Store) Meter(ctx context.Context, owner, k string) (job.Meter, error) {
	row, err := s.get(ctx, meterKey(owner, k))
	return decodeMeter(row), err
}

// Subject implements kinds.Points: the point and its newest analysis lie at the
// end of one partition, so one small query reads both.
func (s *Store) Subject(ctx context.Context, id string, revision int) (point.Point, *satellite.Analysis, error) {
	rows, err := s.partition(ctx, pointRows(id), false, 2)
	if err != nil {
		return point.Point{}, nil, err
	}
	if len(rows) == 0 || reader(rows[0]).str("sk") != "POINT" {
		return point.Point{}, nil, job.Errorf(job.NotFound, "no data point %s", id)
	}
	p := decodePoint(rows[0])
	if len(rows) > 1 && reader(rows[1]).str("sk") == analysisSort(revision) {
		a := decodeAnalysis(rows[1])
		return p, &a, nil
	}
	return p, nil, nil
}

// Analyses implements query.Store.
func (s *Store) Analyses(ctx context.Context, pointID string) ([]satellite.Analysis, error) {
	rows, err := s.partition(ctx, pointRows(pointID), true, 0)
	if err != nil {
		return nil, err
	}
	all := []satellite.Analysis{}
	for _, row := range rows {
		if reader(row).str("sk") != "POINT" {
			all = append(all, decodeAnalysis(row))
		}
	}
	return all, nil
}

// partition reads up to n rows of a partition (0: all), consistently: what a job
// decides upon must include what the job before it wrote.
func (s *Store) partition(ctx context.Context, pk string, forward bool, n int32) ([]item, error) {
	expr, consistent := "pk = :pk", true
	in := &dynamodb.QueryInput{
		TableName: &s.table, KeyConditionExpression: &expr, ConsistentRead: &consistent, ScanIndexForward: &forward,
		ExpressionAttributeValues: item{":pk": str(pk)},
	}
	if n > 0 {
		in.Limit = &n
	}
	var rows []item
	for {
		out, err := s.db.Query(ctx, in)
		if err != nil {
			return nil, coded("query partition", err)
		}
		rows = append(rows, out.Items...)
		if out.LastEvaluatedKey == nil || n > 0 {
			return rows, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// Jobs implements query.Store: positions from the index, rows from the table. The
// index holds keys only, so that a job's many writes do not write it again.
func (s *Store) Jobs(ctx context.Context, owner string, group job.Group, after string, n int) ([]job.Job, string, error) {
	index, attribute, partition := ownerIndex, "own", jobsOf(owner)
	if group != job.AllJobs {
		index, attribute, partition = groupIndex, "gk", groupKey(group, owner)
	}
	keys, next, err := s.listed(ctx, index, attribute, partition, after, n)
	if err != nil {
		return nil, "", err
	}
	jobs, err := s.jobs(ctx, keys, (*job.Job).Position)
	// The index is a little behind the rows, and the rows decide.
	return slices.DeleteFunc(jobs, func(j job.Job) bool { return !group.Has(j.State) }), next, err
}

// owned returns the keys of up to n rows of a partition of the owner index after a
// position, the newest first, and the position after the last one.
func (s *Store) owned(ctx context.Context, partition, after string, n int) ([]item, string, error) {
	return s.listed(ctx, ownerIndex, "own", partition, after, n)
}

// listed does what owned does, in the index whose partition key is an attribute.
func (s *Store) listed(ctx context.Context, index, attribute, partition, after string, n int) ([]item, string, error) {
	expr, newestFirst := attribute+" = :own", false
	limit := int32(min(n, 100)) //nolint:gosec // G115: at most 100
	values := item{":own": str(partition)}
	if after != "" {
		expr += " AND os < :after"
		values[":after"] = str(after)
	}
	out, err := s.db.Query(ctx, &dynamodb.QueryInput{
		TableName: &s.table, IndexName: &index, KeyConditionExpression: &expr, Limit: &limit,
		ScanIndexForward: &newestFirst, ExpressionAttributeValues: values,
	})
	if err != nil {
		return nil, "", coded("query "+index+" index", err)
	}
	return keysOf(out.Items), reader(out.LastEvaluatedKey).str("os"), nil
}

// keysOf returns the table's keys of rows of an index.
func keysOf(rows []item) []item {
	keys := make([]item, 0, len(rows))
	for _, row := range rows {
		keys = append(keys, item{"pk": row["pk"], "sk": row["sk"]})
	}
	return keys
}

// jobs reads jobs by their keys and orders them by position, the highest first. A
// job whose row has expired meanwhile is left out.
func (s *Store) jobs(ctx context.Context, keys []item, position func(*job.Job) string) ([]job.Job, error) {
	rows, err := s.rows(ctx, keys)
	if err != nil {
		return nil, err
	}
	var all []job.Job
	for _, row := range rows {
		all = append(all, decodeJob(row))
	}
	sort.Slice(all, func(i, k int) bool { return position(&all[i]) > position(&all[k]) })
	return all, nil
}

// Ledger implements query.Store: an owner's billed analyses, the newest first.
func (s *Store) Ledger(ctx context.Context, owner, after string, n int) ([]satellite.Analysis, string, error) {
	keys, next, err := s.owned(ctx, ledgerKey(owner), after, n)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.rows(ctx, keys)
	if err != nil {
		return nil, "", err
	}
	sort.Slice(rows, func(i, k int) bool { return reader(rows[i]).str("os") > reader(rows[k]).str("os") })
	all := make([]satellite.Analysis, 0, len(rows))
	for _, row := range rows {
		all = append(all, decodeAnalysis(row))
	}
	return all, next, nil
}
