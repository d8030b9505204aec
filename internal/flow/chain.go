package flow

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"orbitq/internal/job"
)

// ChainWish is what a request wants done with one data point.
type ChainWish struct {
	Point string
	Steps []string // kinds in their order; none for DefaultSteps
	Queue string   // empty for default
	Tags  []string
}

// DefaultSteps are the steps of a chain that names none: the statistics, what they say
// about the reading, and a message about both.
func DefaultSteps() []string { return []string{"enrich", "analyze", "notify"} }

// MaxSteps is the most steps of a chain or of a batch's items.
const MaxSteps = 10

// StartChain accepts a chain and starts its execution. A start that fails now is made up
// by the sweep: the chain is accepted.
func (f *Flow) StartChain(ctx context.Context, r Request, w ChainWish) (c job.Chain, startErr, err error) {
	now := f.Now()
	if len(w.Steps) == 0 {
		w.Steps = DefaultSteps()
	}
	if w.Queue == "" {
		w.Queue = "default"
	}
	broken := append(job.CheckKey(r.Key), job.CheckQueue(w.Queue)...)
	broken = append(append(broken, f.checkSteps(w.Steps)...), job.CheckTags(w.Tags)...)
	if !job.ValidID(w.Point) {
		broken = append(broken, job.Violation{Field: "data_point_id", Rule: "id", Detail: "must be an id of 26 characters"})
	}
	if len(broken) > 0 {
		return c, nil, job.Invalid(broken...)
	}
	// The revision is taken now: a reading that changes later is another revision, and gets a
	// chain of its own.
	points, err := f.owned(ctx, r.Owner, "data_point_id", []string{w.Point})
	if err != nil {
		return c, nil, err
	}
	c = job.NewChain(job.Chain{
		ID: f.id(now, r, "POST /v1/chains"), Account: r.Account, Queue: w.Queue, Tags: w.Tags, BodyHash: job.BodyHash(r.Body),
		Track: job.Track{Point: w.Point, Revision: points[0].Revision, Steps: w.Steps},
	}, now, f.Lookback)
	// The row comes before the execution. The other way round a crash in between would leave
	// an execution that looks for a chain which nobody knows.
	stored, existed, err := f.Chains.AcceptChain(ctx, &c)
	if err != nil {
		return c, nil, fmt.Errorf("accept chain: %w", err)
	}
	if existed && stored.BodyHash != c.BodyHash {
		return c, nil, job.ErrKeyReused() //nolint:wrapcheck // it has a code
	}
	// A repeated request starts the execution again, too: its name makes that harmless, and
	// the first one may have died between its two writes.
	return stored, f.execute(ctx, &stored), nil
}

// checkSteps returns what is wrong with the steps of a request.
func (f *Flow) checkSteps(steps []string) []job.Violation {
	if len(steps) > MaxSteps {
		return []job.Violation{{Field: "steps", Rule: "max_items", Detail: "must be at most 10"}}
	}
	return job.OrderSteps("steps", steps, f.Policies)
}

// id returns a new id, or the one that belongs to the request's key.
func (f *Flow) id(now time.Time, r Request, route string) string {
	if r.Key == "" {
		return job.NewID(now, f.Entropy())
	}
	return job.DerivedID(r.Owner, route, r.Key)
}

// execute starts the newest execution of a chain that goes on.
func (f *Flow) execute(ctx context.Context, c *job.Chain) error {
	if c.State.Final() {
		return nil
	}
	// The input says where the first Choice goes, so that a redrive needs no call to find out.
	input, err := json.Marshal(map[string]any{"chain": c.ID, "next": c.Kind()})
	if err != nil {
		return fmt.Errorf("encode input: %w", err)
	}
	if err := f.Executions.Start(ctx, ChainMachine, job.ExecutionName(c.ID, c.Generation), input); err != nil {
		return fmt.Errorf("start chain %s: %w", c.ID, err)
	}
	return nil
}

// VisitChain does what can be done now for a chain's next step.
func (f *Flow) VisitChain(ctx context.Context, id, requestID string) (Answer, error) {
	c, err := f.Chains.Chain(ctx, id)
	if err != nil {
		return Answer{}, fmt.Errorf("read chain: %w", err)
	}
	if c.State.Final() {
		return f.leave(ctx, &c)
	}
	row, note, err := f.run(ctx, &c.Track, c.Job(), requestID)
	if err != nil {
		return Answer{Job: row}, err
	}
	next := c.After(&row, f.Now())
	// An open job means a step that has begun: a chain whose first step waits for a slot is
	// running, not pending.
	if row.State.Open() {
		next = next.Begun()
	}
	seen := c
	// The job was run on what was read before it. The row is written only if it still stands
	// at that step and round; else what the other visit wrote is newer and stays.
	c, err = f.Chains.AmendChain(ctx, id, func(now job.Chain) (job.Chain, error) {
		if now.State.Final() || now.At != seen.At || now.Round != seen.Round {
			return now, nil // cancelled meanwhile, or another visit was quicker
		}
		return now.On(next), nil
	})
	if err != nil {
		return Answer{Job: row}, fmt.Errorf("write chain: %w", err)
	}
	if c.State == job.TrackCancelled && row.State.Open() {
		return f.leave(ctx, &c) // while the step ran: it may not go on
	}
	if err := f.tellFailure(ctx, &c); err != nil {
		return Answer{Job: row}, err
	}
	a := Answer{State: c.State, Next: c.Kind(), Job: row, Err: note}
	// A step that has ended needs no wait: its answer leads straight to the next one.
	if !c.State.Final() && row.State.Open() {
		a.Wait = again(&row, f.Now())
	}
	return a, nil
}

// leave answers for a chain that has ended. If it was cancelled, so is a step of it that
// was about to begin. One that runs is asked after again: if its worker is lost, nobody
// else would end its job and give its unit back.
func (f *Flow) leave(ctx context.Context, c *job.Chain) (Answer, error) {
	row := job.Job{ID: job.StepID(c.Key, c.Kind()), Kind: c.Kind(), State: job.Dead, Code: c.Code, Reason: c.Reason}
	a := Answer{State: c.State, Next: c.Kind(), Job: row}
	if err := f.tellFailure(ctx, c); err != nil {
		return a, err // whoever saw the failure may have died before it could tell
	}
	if c.State != job.TrackCancelled || c.Kind() == "" {
		return a, nil
	}
	row, err := f.stop(ctx, &c.Track, c.Job())
	if err != nil {
		return Answer{}, err
	}
	if row.State.Open() {
		a.Wait = again(&row, f.Now())
	}
	return a, nil
}

// TroubleChain takes note that an execution gave up on a step that is not at its end:
// the sweep goes on with it soon.
func (f *Flow) TroubleChain(ctx context.Context, id string, code job.Code, reason string) (job.Chain, error) {
	c, err := f.Chains.AmendChain(ctx, id, func(c job.Chain) (job.Chain, error) {
		if !c.State.Final() {
			// The look of now, and not of a quarter of an hour: the execution is known to be over,
			// so the next sweep need not wait to find out.
			c.Code, c.Reason, c.Look = code, reason, f.Now()
		}
		return c, nil
	})
	if err != nil {
		return c, fmt.Errorf("write chain: %w", err)
	}
	return c, nil
}
