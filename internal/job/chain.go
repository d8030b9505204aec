package job

import (
	"fmt"
	"time"
)

// Flow names who drives a job that no queue does: "chain/<id>" or "batch/<id>", empty
// for a job that messages carry. A job has one driver at a time; the relay sends no
// message for one that has a flow.
type Flow string

// ChainFlow returns the flow of a chain's steps.
func ChainFlow(id string) Flow { return Flow("chain/" + id) }

// BatchFlow returns the flow of the steps of a batch's items.
func BatchFlow(id string) Flow { return Flow("batch/" + id) }

// Parts returns the kind of the flow (chain or batch) and its id.
func (f Flow) Parts() (kind, id string) {
	for i := range len(f) {
		if f[i] == '/' {
			return string(f[:i]), string(f[i+1:])
		}
	}
	return "", ""
}

// Account is who a piece of work belongs to and what the owner may use: what every job,
// chain and batch has from its request's token.
type Account struct {
	Owner  string    `json:"owner"`
	Tier   string    `json:"tier"`
	Anchor time.Time `json:"anchor,omitzero"`
	Limit  int       `json:"limit"`
	// Issued: of the token that named the plan; zero for one that does not say.
	Issued time.Time `json:"issued,omitzero"`
}

// ExecutionName returns the name of the n-th execution of a chain or batch. Step
// Functions starts a name once (for 90 days), which is what makes a start that is
// repeated harmless; at most 80 characters.
func ExecutionName(id string, n int) string { return fmt.Sprintf("%s-%d", id, n) }

// Chain is one row: a data point and the steps that it goes through one after the other.
type Chain struct {
	Account
	Track

	ID       string   `json:"id"`
	Queue    string   `json:"queue"` // lane of the provider's limiter, as for jobs
	Tags     []string `json:"tags,omitempty"`
	BodyHash string   `json:"hash"`
	// Generation: of the newest execution; grows with each restart.
	Generation int       `json:"gen"`
	Created    time.Time `json:"created"`
	// Look: the relay asks after the execution then; zero for a chain that has ended, and
	// has no step open either.
	Look time.Time `json:"look,omitzero"`
}

// NewChain returns the row of a chain at the moment of its acceptance.
func NewChain(c Chain, now time.Time, resend time.Duration) Chain {
	c.Key = c.ID
	c.State, c.At, c.Generation = TrackPending, 0, 0
	c.Created, c.Look = now, now.Add(resend)
	return c
}

// Job returns the row of the job that does the chain's next step, not accepted yet.
func (c Chain) Job() Job {
	return stepJob(&c.Account, &c.Track, ChainFlow(c.ID), c.Queue, c.Tags)
}

// stepJob returns the row of the job that does a track's next step.
func stepJob(a *Account, t *Track, f Flow, queue string, tags []string) Job {
	return Job{
		ID: StepID(t.Key, t.Kind()), Kind: t.Kind(), Owner: a.Owner, Tier: a.Tier, Anchor: a.Anchor, Limit: a.Limit, Issued: a.Issued,
		Queue: queue, Point: t.Point, Revision: t.Revision, Flow: f, Tags: tags,
	}
}

// On returns the chain with its track as it is now. One that has failed keeps its look:
// somebody must see to it that its owner is told, whoever dies meanwhile.
func (c Chain) On(t Track) Chain {
	c.Track = t
	if t.State.Final() && t.State != TrackFailed {
		c.Look = time.Time{}
	}
	return c
}

// CancelChain returns the row of a chain that its owner took back. Cancelling twice is
// once; a chain that ended cannot be cancelled. It keeps its look: somebody must see to it
// that its step ends as well.
func CancelChain(c Chain, now time.Time) (Chain, error) {
	if c.State == TrackCancelled {
		return c, nil
	}
	if c.State.Final() {
		return c, Errorf(StateConflict, "the chain has %s already; only one that goes on can be cancelled", c.State)
	}
	c.Track = c.Stopped(now)
	return c, nil
}

// RedriveChain returns the row of a failed chain that goes on from the step that failed,
// in an execution of its own.
func RedriveChain(c Chain, now time.Time, resend time.Duration) (Chain, error) {
	if c.State != TrackFailed {
		return c, Errorf(StateConflict, "the chain is %s; only a failed chain can be redriven", c.State)
	}
	c.Generation++
	c.Track = c.Restarted(c.Generation)
	c.Look = now.Add(resend)
	return c, nil
}

// ResumeChain returns the row of a chain whose execution ended without bringing it to an
// end: another one goes on where it stands.
func ResumeChain(c Chain, now time.Time, resend time.Duration) Chain {
	if c.State.Final() {
		return c
	}
	c.Generation++
	c.Look = now.Add(resend)
	return c
}
