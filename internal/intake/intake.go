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
	"fmt"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/usage"
)

// Store keeps points and jobs.
type Store interface {
	// AcceptPoint stores a point and its job, both or neither; a job without an id is
	// none, and only says whose plan counts. If the point exists already, it returns the
	// stored pair and true.
	AcceptPoint(ctx context.Context, p *point.Point, j *job.Job) (point.Point, job.Job, bool, error)
	// Accept stores a job. If it exists already, or an open job holds its unique key, it returns
	// that one and true.
	Accept(ctx context.Context, j *job.Job) (job.Job, bool, error)
	// Remember stores that the request whose job would have been j was answered with holder, for
	// job.KeyLife. If a job or an answer is stored under j's id already, that is the answer; one to
	// another body is a KeyReused error. Accept answers the same way from then on.
	Remember(ctx context.Context, j, holder *job.Job) (job.Job, error)
	// Point returns a point by id, or a NotFound error.
	Point(ctx context.Context, id string) (point.Point, error)
}

// Sender sends a job's message to its queue.
type Sender interface {
	Send(ctx context.Context, queue string, m job.Message, delay time.Duration) error
}

// Config has the parts of an Intake.
type Config struct {
	Store  Store
	Sender Sender
	// Plans: for Entitled only.
	Plans Plans
	// Bulk: for DispatchMany only.
	Bulk  BulkSender
	Pacer Pacer
	// AsksProvider reports whether a job of a kind will call the provider for a point, as far as is known.
	AsksProvider func(ctx context.Context, kind string, p *point.Point) bool
	// Runner: for DispatchNow only.
	Runner Runner
	// Feeds: for SetQueue only.
	Feeds Feeds
	// Reviews and CheckURL: for what people say only.
	Reviews  Reviews
	CheckURL func(field, url string) []job.Violation
	// Policies: of the registered kinds, by name.
	Policies map[string]job.Policy
	Now      func() time.Time
	Entropy  func() [10]byte
	// Deadline: retry_until, from acceptance.
	Deadline time.Duration
	// Resend: the relay looks for an unsent job after this.
	Resend time.Duration
	// Tries: attempts per generation, where the kind says nothing.
	Tries int
}

// Pacer knows whether the provider's limiter is full.
type Pacer interface {
	// Room reports whether a message of an owner that is sent now would find a slot.
	Room(ctx context.Context, high bool, owner string) bool
}

// Runner runs an accepted job in this process.
type Runner interface {
	// RunNow returns the job's row as it stands after the run, and what went wrong; a
	// job that did not end has a message, or will get one from the relay.
	RunNow(ctx context.Context, j *job.Job) (job.Job, error)
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
	// Anchor is the day from which the owner's billing cycles count.
	Anchor time.Time
	// Issued is when the token was; zero for one that does not say.
	Issued time.Time
}

// Plan returns what the token says.
func (p Principal) Plan() job.Plan {
	return job.Plan{Tier: string(p.Tier), Limit: p.Tier.Limit(), Anchor: p.Anchor, Issued: p.Issued}
}

// Plans keeps what owners are entitled to.
type Plans interface {
	// NotePlan keeps the newer of the known plan of an owner and p, as job.NotePlan says, and
	// returns the one that is in force.
	NotePlan(ctx context.Context, owner string, p job.Plan) (job.Plan, error)
}

// Entitled returns who asks with the plan that is in force: the token's, or one that a newer token
// named. What the token says is noted for jobs that are claimed later.
func (in *Intake) Entitled(ctx context.Context, p Principal) (Principal, error) {
	said := p.Plan()
	if now := in.Now(); said.Issued.After(now) {
		said.Issued = now // an issuer whose clock is ahead must not make its first token the newest for ever
	}
	inForce, err := in.Plans.NotePlan(ctx, p.Owner, said)
	if err != nil {
		return p, fmt.Errorf("note plan: %w", err)
	}
	p.Tier, p.Anchor, p.Issued = usage.Tier(inForce.Tier), inForce.Anchor, inForce.Issued
	return p, nil
}

// Request is what all writes share.
type Request struct {
	Principal Principal
	// Key: Idempotency-Key, empty for none.
	Key string
	// Body: as it arrived, for the key's comparison.
	Body []byte
}

// Accepted is the answer to a write.
type Accepted struct {
	Point point.Point
	Job   job.Job
	// Repeated: the same request was accepted before, or an open job holds its unique key.
	Repeated bool
	// Duplicate: Job is another one, which holds the unique key; nothing was accepted.
	Duplicate bool
	// SendErr: the message could not be sent now; the relay repeats it.
	SendErr error
	// RunErr: what went wrong when the job ran at once; its row regards it.
	RunErr error
}

// CreatePoint stores a reading and accepts one enrichment job for it, as the
// original's observer did on creation. Alone, the reading waits for a job, chain or batch
// that somebody asks for: an import of thousands should not flood the queue.
func (in *Intake) CreatePoint(ctx context.Context, r Request, reading point.Input, queue string, alone bool) (Accepted, error) {
	now := in.Now()
	p, broken := point.New(reading, now)
	queue, broken = checkQueue(queue, broken)
	broken = append(broken, job.CheckKey(r.Key)...)
	if len(broken) > 0 {
		return Accepted{}, job.Invalid(broken...)
	}
	p.Owner, p.BodyHash = r.Principal.Owner, job.BodyHash(r.Body)
	p.ID = in.id(now, r, "POST /v1/data-points", "point")
	j := in.job(ctx, now, r, Dispatch{Kind: "enrich", Point: p.ID, Queue: queue}, time.Time{}, &p)
	if !alone {
		j.ID = in.id(now, r, "POST /v1/data-points", "job")
	}
	stored, accepted, existed, err := in.Store.AcceptPoint(ctx, &p, &j)
	if err != nil {
		return Accepted{}, fmt.Errorf("accept point: %w", err)
	}
	if existed && stored.BodyHash != p.BodyHash {
		return Accepted{}, job.ErrKeyReused() //nolint:wrapcheck // it has a code and says all
	}
	a := Accepted{Point: stored, Job: accepted, Repeated: existed}
	if alone {
		a.Job = job.Job{}
		return a, nil
	}
	return in.send(ctx, a), nil
}

// DispatchJob accepts a job for a point that the principal owns.
func (in *Intake) DispatchJob(ctx context.Context, r Request, d Dispatch) (Accepted, error) {
	a, err := in.accept(ctx, r, dispatchRoute, d)
	if err != nil {
		return Accepted{}, err
	}
	return in.send(ctx, a), nil
}

// dispatchRoute is what the ids of single dispatches are made of, besides their keys.
const dispatchRoute = "POST /v1/jobs"

// accept stores a job that is not sent yet.
func (in *Intake) accept(ctx context.Context, r Request, route string, d Dispatch) (Accepted, error) {
	now := in.Now()
	due, err := in.check(&d, r.Key, now)
	if err != nil {
		return Accepted{}, err
	}
	p, err := in.Store.Point(ctx, d.Point)
	if err != nil {
		return Accepted{}, fmt.Errorf("read point: %w", err)
	}
	if p.Owner != r.Principal.Owner {
		return Accepted{}, job.Errorf(job.NotFound, "no data point %s", d.Point)
	}
	j := in.job(ctx, now, r, d, due, &p)
	j.ID = in.id(now, r, route, "job")
	accepted, existed, err := in.Store.Accept(ctx, &j)
	if err == nil && existed && accepted.ID != j.ID && r.Key != "" {
		// The holder may end before the request is repeated: the key still has its answer then.
		accepted, err = in.Store.Remember(ctx, &j, &accepted)
	}
	if err != nil {
		return Accepted{}, fmt.Errorf("accept job: %w", err)
	}
	if existed && accepted.ID == j.ID && accepted.BodyHash != j.BodyHash {
		return Accepted{}, job.ErrKeyReused() //nolint:wrapcheck // it has a code and says all
	}
	return Accepted{Point: p, Job: accepted, Repeated: existed, Duplicate: existed && accepted.ID != j.ID}, nil
}

// send sends the message of a job that was accepted just now, unless it is due
// later than a message can wait: then the relay sends it. A failed send is
// not a failed request: the job is accepted, and the relay finds it.
func (in *Intake) send(ctx context.Context, a Accepted) Accepted {
	now := in.Now()
	if a.Repeated || a.Job.Parked() {
		return a
	}
	if err := in.Sender.Send(ctx, a.Job.Queue, a.Job.Message(), max(a.Job.Due.Sub(now), 0)); err != nil {
		a.SendErr = fmt.Errorf("send job %s: %w", a.Job.ID, err)
	}
	return a
}

// job returns the row of a job to be accepted. If it will call the provider and the
// limiter has no slot for it, it stands in line: its message would only be received to
// be sent away.
func (in *Intake) job(ctx context.Context, now time.Time, r Request, d Dispatch, due time.Time, p *point.Point) job.Job {
	policy := in.Policies[d.Kind]
	tries := policy.Tries
	if tries == 0 {
		tries = in.Tries
	}
	j := job.Job{
		Kind: d.Kind, Owner: r.Principal.Owner, Tier: string(r.Principal.Tier), Anchor: r.Principal.Anchor, Limit: r.Principal.Tier.Limit(), Issued: r.Principal.Issued,
		Queue: d.Queue, Point: d.Point, Revision: p.Revision, Unique: d.Unique, Tags: d.Tags,
		BodyHash: job.BodyHash(r.Body), MaxAttempts: tries, Due: due,
	}
	if policy.Free {
		j.Free, j.Limit = true, job.Unlimited
	}
	if d.MaxWait != nil {
		first := now
		if due.After(now) {
			first = due
		}
		j.StartBy = first.Add(time.Duration(*d.MaxWait) * time.Second)
	}
	j = job.Accepted(j, now, in.Deadline, in.Resend)
	if policy.Paced && j.Due.IsZero() && !d.Now && !in.Pacer.Room(ctx, j.Queue == "high", j.Owner) && in.AsksProvider(ctx, j.Kind, p) {
		return job.InLine(j, now)
	}
	return j
}

// id returns a new id, or the one that belongs to the request's key.
func (in *Intake) id(now time.Time, r Request, route, thing string) string {
	if r.Key == "" {
		return job.NewID(now, in.Entropy())
	}
	return job.DerivedID(r.Principal.Owner, route, r.Key, thing)
}

// checkQueue returns the queue's name, with the default filled in.
func checkQueue(queue string, broken []job.Violation) (string, []job.Violation) {
	if queue == "" {
		return "default", broken
	}
	return queue, append(broken, job.CheckQueue(queue)...)
}
