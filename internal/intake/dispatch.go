package intake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"orbitq/internal/job"
)

// Limits of one dispatch.
const (
	// MaxAhead is how far ahead a job may be scheduled.
	MaxAhead = 366 * 24 * time.Hour
	// ahead is MaxAhead in seconds.
	ahead = int64(MaxAhead / time.Second)
)

// Dispatch is the wish to run a job. The forms that users of other queues know:
//
//	dispatch          nothing but Kind and Point
//	dispatch later    Delay or RunAt, of any length up to a year
//	dispatch now      Now: in the caller's process, with the result in the answer
//	on a queue        Queue
//	unique            Unique: held until the job is final
//	in time or never  MaxWait
type Dispatch struct {
	Kind  string
	Point string
	Queue string // empty for default
	// Delay and RunAt say when the job is first due; at most one of them.
	Delay *int // seconds
	RunAt *time.Time
	// MaxWait is the promise that the first attempt starts within so many seconds
	// of being due; a job that could not be started by then dies instead.
	MaxWait *int
	Unique  string   // only one open job of the owner may have it
	Tags    []string // to find the job by
	Now     bool     // run in the caller's process
}

// check fills in what a wish leaves out, and returns when the job is first due, zero
// for at once, or everything that is wrong with it.
func (in *Intake) check(d *Dispatch, key string, now time.Time) (time.Time, error) {
	var broken []job.Violation
	d.Queue, broken = checkQueue(d.Queue, broken)
	broken = append(broken, job.CheckKey(key)...)
	due, broken := d.due(now, broken)
	if d.MaxWait != nil && (*d.MaxWait < 1 || int64(*d.MaxWait) > ahead) {
		broken = append(broken, job.Violation{Field: "max_wait", Rule: "range", Detail: "must be from 1 to 31622400 seconds, which are 366 days"})
	}
	if d.Unique != "" {
		broken = append(broken, job.CheckTag("unique_key", d.Unique)...)
	}
	broken = append(broken, job.CheckTags(d.Tags)...)
	d.Tags = sorted(d.Tags)
	if d.Now && (d.Delay != nil || d.RunAt != nil) {
		broken = append(broken, job.Violation{Field: "mode", Rule: "exclusive", Detail: "sync cannot be given together with delay or run_at"})
	}
	if !job.ValidID(d.Point) {
		broken = append(broken, job.Violation{Field: "data_point_id", Rule: "id", Detail: "must be an id of 26 characters"})
	}
	if len(broken) > 0 {
		return time.Time{}, job.Invalid(broken...)
	}
	if _, known := in.Policies[d.Kind]; !known {
		names := slices.Sorted(maps.Keys(in.Policies))
		e := job.Invalid(job.Violation{Field: "kind", Rule: "known", Detail: fmt.Sprintf("%q is not one of %v", d.Kind, names)})
		e.Code = job.UnknownKind
		return time.Time{}, e
	}
	return due, nil
}

// due returns when the job is first due, zero for at once.
func (d *Dispatch) due(now time.Time, broken []job.Violation) (time.Time, []job.Violation) {
	field, at := "run_at", time.Time{}
	switch {
	case d.Delay != nil && d.RunAt != nil:
		return at, append(broken, job.Violation{Field: "run_at", Rule: "exclusive", Detail: "cannot be given together with delay"})
	case d.Delay != nil:
		field = "delay"
		// Compared in seconds: a Duration would overflow, and be due in the past.
		if *d.Delay < 0 || int64(*d.Delay) > ahead {
			return at, append(broken, job.Violation{Field: field, Rule: "range", Detail: "must be from 0 to 31622400 seconds, which are 366 days"})
		}
		at = now.Add(time.Duration(*d.Delay) * time.Second)
	case d.RunAt != nil:
		at = *d.RunAt
	}
	if at.Sub(now) > MaxAhead {
		return at, append(broken, job.Violation{Field: field, Rule: "range", Detail: "must be at most 366 days ahead"})
	}
	return at, broken
}

// sorted returns the tags in order, each once.
func sorted(tags []string) []string {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	return slices.Compact(tags)
}

// DispatchNow accepts a job and runs it here, so that the answer has its result. A
// job that does not end in time goes on in its queue. A repeated request runs
// nothing: it answers with the job as it is.
func (in *Intake) DispatchNow(ctx context.Context, r Request, d Dispatch) (Accepted, error) {
	d.Now = true
	a, err := in.accept(ctx, r, dispatchRoute, d)
	if err != nil || a.Repeated {
		return a, err
	}
	a.Job, a.RunErr = in.Runner.RunNow(ctx, &a.Job)
	return a, nil
}
