// Package intake is the use case behind every write of the API: check the
// request, store what it asks for, and send the job's message.
//
// It promises that an accepted job is in the table before its message is sent,
// so that no crash can lose it: the relay repeats a send that never happened.
// A request with an Idempotency-Key has the same ids for ever; the same key with
// the same body answers with the first result, with another body it is refused.
//
// It refuses requests about another owner's points as if they did not exist.
package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/usage"
)

// MaxKeyLength is the longest Idempotency-Key, in bytes.
const MaxKeyLength = 255

// Store keeps points and jobs.
type Store interface {
	// AcceptPoint stores a point and its job, both or neither. If the point
	// exists already, it returns the stored pair and true.
	AcceptPoint(ctx context.Context, p *point.Point, j *job.Job) (point.Point, job.Job, bool, error)
	// Accept stores a job. If it exists already, it returns it and true.
	Accept(ctx context.Context, j *job.Job) (job.Job, bool, error)
	// Point returns a point by id, or a NotFound error.
	Point(ctx context.Context, id string) (point.Point, error)
}

// Sender sends a job's message to its queue.
type Sender interface {
	Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error
}

// Config has the parts of an Intake.
type Config struct {
	Store    Store
	Sender   Sender
	Bulk     BulkSender // for DispatchMany only
	Kinds    []string   // names of the registered kinds
	Now      func() time.Time
	Entropy  func() [10]byte
	Deadline time.Duration // retry_until, from acceptance
	Resend   time.Duration // the relay looks for an unsent job after this
	Tries    int           // attempts per generation
}

// Intake accepts requests.
type Intake struct {
	Config
}

// New returns an Intake.
func New(c Config) *Intake { return &Intake{Config: c} }

// Principal is who asks: from the token only, never from the body.
type Principal struct {
	Owner string
	Tier  usage.Tier
}

// Request is what all writes share.
type Request struct {
	Principal Principal
	Key       string // Idempotency-Key, empty for none
	Body      []byte // as it arrived, for the key's comparison
}

// Accepted is the answer to a write.
type Accepted struct {
	Point    point.Point
	Job      job.Job
	Repeated bool  // the same request was accepted before
	SendErr  error // the message could not be sent now; the relay repeats it
}

// CreatePoint stores a reading and accepts one enrichment job for it, as the
// original's observer did on creation.
func (in *Intake) CreatePoint(ctx context.Context, r Request, reading point.Input, queue string) (Accepted, error) {
	now := in.Now()
	p, broken := point.New(reading, now)
	queue, broken = checkQueue(queue, broken)
	broken = checkKey(r.Key, broken)
	if len(broken) > 0 {
		return Accepted{}, job.Invalid(broken...)
	}
	p.Owner, p.BodyHash = r.Principal.Owner, bodyHash(r.Body)
	p.ID = in.id(now, r, "POST /v1/data-points", "point")
	j := in.job(now, time.Time{}, r, "enrich", p.ID, p.Revision, queue)
	j.ID = in.id(now, r, "POST /v1/data-points", "job")
	stored, accepted, existed, err := in.Store.AcceptPoint(ctx, &p, &j)
	if err != nil {
		return Accepted{}, fmt.Errorf("accept point: %w", err)
	}
	if existed && stored.BodyHash != p.BodyHash {
		return Accepted{}, errKeyReused()
	}
	return in.send(ctx, Accepted{Point: stored, Job: accepted, Repeated: existed}), nil
}

// Dispatch is the wish to run a job.
type Dispatch struct {
	Kind  string
	Point string
	Queue string // empty for default
	// Delay and RunAt say when the job is first due; at most one of them.
	Delay *int // seconds
	RunAt *time.Time
}

// MaxAhead is how far ahead a job may be scheduled.
const MaxAhead = 366 * 24 * time.Hour

// due returns when the job is first due, zero for at once.
func (d Dispatch) due(now time.Time, broken []job.Violation) (time.Time, []job.Violation) {
	field, at := "run_at", time.Time{}
	switch {
	case d.Delay != nil && d.RunAt != nil:
		return at, append(broken, job.Violation{Field: "run_at", Rule: "exclusive", Detail: "cannot be given together with delay"})
	case d.Delay != nil:
		field = "delay"
		// Compared in seconds: a Duration would overflow, and be due in the past.
		if *d.Delay < 0 || int64(*d.Delay) > int64(MaxAhead/time.Second) {
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

// DispatchJob accepts a job for a point that the principal owns.
func (in *Intake) DispatchJob(ctx context.Context, r Request, d Dispatch) (Accepted, error) {
	a, err := in.accept(ctx, r, d)
	if err != nil {
		return Accepted{}, err
	}
	return in.send(ctx, a), nil
}

// accept stores a job that is not sent yet.
func (in *Intake) accept(ctx context.Context, r Request, d Dispatch) (Accepted, error) {
	queue, broken := checkQueue(d.Queue, nil)
	broken = checkKey(r.Key, broken)
	now := in.Now()
	due, broken := d.due(now, broken)
	if !job.ValidID(d.Point) {
		broken = append(broken, job.Violation{Field: "data_point_id", Rule: "id", Detail: "must be an id of 26 characters"})
	}
	if len(broken) > 0 {
		return Accepted{}, job.Invalid(broken...)
	}
	if !slices.Contains(in.Kinds, d.Kind) {
		e := job.Invalid(job.Violation{Field: "kind", Rule: "known", Detail: fmt.Sprintf("%q is not one of %v", d.Kind, in.Kinds)})
		e.Code = job.UnknownKind
		return Accepted{}, e
	}
	p, err := in.Store.Point(ctx, d.Point)
	if err != nil {
		return Accepted{}, fmt.Errorf("read point: %w", err)
	}
	if p.Owner != r.Principal.Owner {
		return Accepted{}, job.Errorf(job.NotFound, "no data point %s", d.Point)
	}
	j := in.job(now, due, r, d.Kind, p.ID, p.Revision, queue)
	j.ID = in.id(now, r, "POST /v1/jobs", "job")
	accepted, existed, err := in.Store.Accept(ctx, &j)
	if err != nil {
		return Accepted{}, fmt.Errorf("accept job: %w", err)
	}
	if existed && accepted.BodyHash != j.BodyHash {
		return Accepted{}, errKeyReused()
	}
	return Accepted{Point: p, Job: accepted, Repeated: existed}, nil
}

// send sends the message of a job that was accepted just now, unless it is due
// later than a message can wait: then the relay sends it. A failed send is
// not a failed request: the job is accepted, and the relay finds it.
func (in *Intake) send(ctx context.Context, a Accepted) Accepted {
	now := in.Now()
	if a.Repeated || a.Job.Parked(now) {
		return a
	}
	if err := in.Sender.Send(ctx, a.Job.Queue, a.Job.Message(), max(a.Job.Due.Sub(now), 0)); err != nil {
		a.SendErr = fmt.Errorf("send job %s: %w", a.Job.ID, err)
	}
	return a
}

// job returns the row of a job to be accepted.
func (in *Intake) job(now, due time.Time, r Request, kind, pointID string, revision int, queue string) job.Job {
	return job.Accepted(job.Job{
		Kind: kind, Owner: r.Principal.Owner, Tier: string(r.Principal.Tier), Limit: r.Principal.Tier.Limit(),
		Queue: queue, Point: pointID, Revision: revision, BodyHash: bodyHash(r.Body), MaxAttempts: in.Tries, Due: due,
	}, now, in.Deadline, in.Resend)
}

// id returns a new id, or the one that belongs to the request's key.
func (in *Intake) id(now time.Time, r Request, route, thing string) string {
	if r.Key == "" {
		return job.NewID(now, in.Entropy())
	}
	return job.DerivedID(r.Principal.Owner, route, r.Key, thing)
}

// errKeyReused says that a key was used for two different requests.
func errKeyReused() error {
	e := job.Errorf(job.KeyReused, "the Idempotency-Key was used before with another body")
	e.Violations = []job.Violation{{Field: "Idempotency-Key", Rule: "same_body", Detail: "use a new key for a new request"}}
	return e
}

// checkQueue returns the queue's name, with the default filled in.
func checkQueue(queue string, broken []job.Violation) (string, []job.Violation) {
	switch queue {
	case "":
		return "default", broken
	case "high", "default", "low":
		return queue, broken
	default:
		return "", append(broken, job.Violation{Field: "queue", Rule: "enum", Detail: "must be high, default or low"})
	}
}

// checkKey refuses keys that cannot be told apart reliably.
func checkKey(key string, broken []job.Violation) []job.Violation {
	if len(key) > MaxKeyLength {
		return append(broken, job.Violation{Field: "Idempotency-Key", Rule: "max_length", Detail: "must have at most 255 bytes"})
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return append(broken, job.Violation{Field: "Idempotency-Key", Rule: "charset", Detail: "must have visible ASCII characters only"})
		}
	}
	return broken
}

// bodyHash returns the SHA-256 of a request body in hex.
func bodyHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
