package dynamostore

import (
	"context"
	"reflect"
	"strconv"
	"strings"

	"orbitq/internal/job"
)

// Amend implements deadletter.Rows: the decision is written on the condition that
// the row is still the one that was decided upon, else it is decided again.
func (s *Store) Amend(ctx context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error) {
	row, err := s.getJob(ctx, id)
	for range maxTries {
		if err != nil {
			return job.Job{}, err
		}
		if row == nil {
			return job.Job{}, job.Errorf(job.NotFound, "no job %s", id)
		}
		j := decodeJob(row)
		next, err := decide(j)
		if err != nil {
			return job.Job{}, err
		}
		// Cancelling twice is once: there is nothing to write.
		if reflect.DeepEqual(j, next) {
			return next, nil
		}
		w, err := s.replace(ctx, &j, &next, unchanged(row))
		if w.holder != "" {
			return job.Job{}, job.Errorf(job.UniqueHeld, "job %s holds the unique key %q", w.holder, next.Unique)
		}
		if err != nil || w.ok {
			return next, err
		}
		row = w.row
	}
	return job.Job{}, job.Errorf(job.Throttled, "job %s changed %d times while it was amended", id, maxTries)
}

// Dead implements deadletter.Rows: an owner's dead jobs, the latest death first.
func (s *Store) Dead(ctx context.Context, owner, after string, n int) ([]job.Job, string, error) {
	in := s.openQuery(graveKey(owner), min(n, 100), false)
	if died, id, ok := strings.Cut(after, "#"); ok {
		at, err := strconv.ParseInt(died, 10, 64)
		if err != nil {
			return nil, "", job.Errorf(job.InvalidCursor, "position %q has no time", after)
		}
		in.ExclusiveStartKey = jobKey(id)
		in.ExclusiveStartKey["ok"], in.ExclusiveStartKey["look"] = str(graveKey(owner)), num(at)
	}
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return nil, "", coded("query dead jobs", err)
	}
	jobs, err := s.jobs(ctx, keysOf(out.Items), (*job.Job).Grave)
	next := ""
	if last := out.LastEvaluatedKey; last != nil {
		r := reader(last)
		next = (&job.Job{ID: nameIn(r.str("pk")), Finished: r.time("look")}).Grave()
	}
	return jobs, next, err
}
