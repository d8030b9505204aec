// Package flow is the use case of chains and batches: work that Step Functions drives
// instead of messages.
//
// A chain is one data point that goes through several steps one after the other; a batch
// is many data points that go through the same steps side by side. Each step is a job with
// a row of its own, run by the same worker core as a job of a queue, so that attempts,
// leases, limits and billing are one protocol. What is here only decides which step is
// next, and it decides from rows:
//
//	visit        runs the step that is next, or says when to come again
//	summarise    counts a batch's items from their rows, and closes it when all are final
//	catch        the first failure of a round: an event, and a stop unless failures are allowed
//	sweep        finds chains and batches whose execution ended before they did
//
// It promises that every call may be repeated, by a retry of Step Functions, by an
// execution that somebody starts again, or beside itself: a step's job has an id derived
// from its track, a track is written only when that job's row is final, and a batch
// closes by one conditional write that also writes its callbacks' events. An execution is
// named after the row and a number that is in the row, so that it starts once however often
// it is asked for.
//
// What an execution remembers does not matter. If it dies, the sweep starts another one,
// which walks over what is final and goes on with the rest.
//
// It refuses to wait: whoever is not due yet is told to come again, and the waiting is
// done by a Wait state, which costs nothing while it lasts.
package flow

import (
	"context"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
)

// Limits of a batch.
const (
	// MaxItems is the most items of a batch: whoever looks at it reads them all.
	MaxItems = 5000
	// MaxAdded is the most items that are added at once: they are written in one
	// transaction with the batch.
	MaxAdded = 99
	// InlineItems is the most items of an Inline Map: with a few waits each, more would
	// exceed the 25,000 events of an execution.
	InlineItems = 200
	// Chunk is how many items one child of a Distributed Map works on.
	Chunk = 10
)

// Chains keeps chains.
type Chains interface {
	// AcceptChain stores a chain. If it exists already, it returns it and true.
	AcceptChain(ctx context.Context, c *job.Chain) (job.Chain, bool, error)
	// Chain returns a chain by id, or a NotFound error.
	Chain(ctx context.Context, id string) (job.Chain, error)
	// AmendChain replaces a chain's row by what decide says about it.
	AmendChain(ctx context.Context, id string, decide func(job.Chain) (job.Chain, error)) (job.Chain, error)
	// OwnChains returns a page of an owner's chains, the newest first.
	OwnChains(ctx context.Context, owner, after string, n int) ([]job.Chain, string, error)
}

// Change is what is written together with a batch's row.
type Change struct {
	Events []job.Event
	Items  []job.Item // that must not exist yet; at most MaxAdded
}

// Batches keeps batches.
type Batches interface {
	// AcceptBatch stores a batch and its items; the items come first, so that a batch
	// that is there has all of them. If it exists already, it returns it and true.
	AcceptBatch(ctx context.Context, b *job.Batch, items []job.Item) (job.Batch, bool, error)
	// Batch returns a batch by id, or a NotFound error.
	Batch(ctx context.Context, id string) (job.Batch, error)
	// AmendBatch replaces a batch's row by what decide says about it, in one transaction
	// with what goes with it.
	AmendBatch(ctx context.Context, id string, decide func(job.Batch) (job.Batch, Change, error)) (job.Batch, error)
	// OwnBatches returns a page of an owner's batches, the newest first.
	OwnBatches(ctx context.Context, owner, after string, n int) ([]job.Batch, string, error)
}

// Items keeps the items of batches.
type Items interface {
	// Items returns a page of a batch's items after a data point, in the order of their
	// points' ids, as they are now; the last page has no next.
	Items(ctx context.Context, b *job.Batch, after string, n int) (page []job.Item, next string, err error)
	// Item returns the item of a data point, or a NotFound error.
	Item(ctx context.Context, b *job.Batch, point string) (job.Item, error)
	// AmendItem replaces an item's row by what decide says about it.
	AmendItem(ctx context.Context, b *job.Batch, point string, decide func(job.Item) (job.Item, error)) (job.Item, error)
}

// Jobs keeps the rows of steps.
type Jobs interface {
	// Accept stores a job. If it exists already, it returns it and true.
	Accept(ctx context.Context, j *job.Job) (job.Job, bool, error)
	// Job returns a job by id, or a NotFound error.
	Job(ctx context.Context, id string) (job.Job, error)
	// Amend replaces a job's row by what decide says about it.
	Amend(ctx context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error)
}

// Filter chooses an owner's data points of one campaign.
type Filter struct {
	Campaign string
	Metric   string // empty for all
	// From and Until bound the time of the reading, both inclusive; zero for none.
	From, Until time.Time
}

// Chooses reports whether the filter chooses a point.
func (f *Filter) Chooses(p *point.Point) bool {
	return p.CampaignID == f.Campaign && (f.Metric == "" || p.MetricID == f.Metric) &&
		(f.From.IsZero() || !p.CollectedAt.Before(f.From)) && (f.Until.IsZero() || !p.CollectedAt.After(f.Until))
}

// check returns what is wrong with the names of a filter: one that no point can have finds none,
// and says nothing about why.
func (f *Filter) check() []job.Violation {
	return append(job.CheckName("filter.campaign_id", f.Campaign), job.CheckName("filter.metric_id", f.Metric)...)
}

// Points finds data points.
type Points interface {
	// Points returns those of the points that exist, in no order.
	Points(ctx context.Context, ids []string) ([]point.Point, error)
	// FindPoints returns up to n points of an owner that a filter chooses.
	FindPoints(ctx context.Context, owner string, f Filter, n int) ([]point.Point, error)
}

// Open finds what has not ended.
type Open interface {
	// OpenFlows returns up to n chains and batches whose look passed, the oldest first.
	OpenFlows(ctx context.Context, now time.Time, n int) ([]job.Flow, error)
}

// Runner runs the job of a step.
type Runner interface {
	// RunStep returns the job's row as it stands after the run, and what went wrong; a row
	// without a state says that nobody knows.
	RunStep(ctx context.Context, j *job.Job, requestID string) (job.Job, error)
}

// Machine says which state machine an execution belongs to.
type Machine string

// The state machines.
const (
	ChainMachine Machine = "chain"
	BatchMachine Machine = "batch"
)

// Executions starts executions of state machines and asks after them.
type Executions interface {
	// Start starts an execution. One of that name that exists already is a success.
	Start(ctx context.Context, m Machine, name string, input []byte) error
	// Running reports whether an execution goes on; one that does not exist does not.
	Running(ctx context.Context, m Machine, name string) (bool, error)
	// PutList stores the list of items that an execution reads, and returns where.
	PutList(ctx context.Context, key string, list []byte) (bucket string, err error)
}

// Config has the parts of a Flow.
type Config struct {
	Chains     Chains
	Batches    Batches
	Items      Items
	Jobs       Jobs
	Points     Points
	Open       Open
	Runner     Runner // for visits only
	Executions Executions
	Courier    Courier               // for callbacks only
	Policies   map[string]job.Policy // of the registered kinds, by name
	CheckURL   func(field, url string) []job.Violation
	Now        func() time.Time
	Entropy    func() [10]byte
	Timing     job.Timing
	Tries      int // attempts per generation, where the kind says nothing
	// Inline is the most items that an Inline Map works on; default InlineItems.
	Inline int
	// Beside is how many items are stopped side by side; default 1.
	Beside int
	// Lookback is how long the row of an execution is left alone before the sweep asks after it.
	Lookback time.Duration
}

// Flow runs chains and batches.
type Flow struct {
	Config
}

// New returns a Flow.
func New(c Config) *Flow {
	if c.Lookback == 0 {
		c.Lookback = c.Timing.Resend
	}
	if c.Inline == 0 {
		c.Inline = InlineItems
	}
	c.Beside = max(c.Beside, 1)
	return &Flow{Config: c}
}

// Request is what all writes share: who asks, from the token only.
type Request struct {
	job.Account

	// Key: Idempotency-Key, empty for none.
	Key string
	// Body: as it arrived, for the key's comparison.
	Body []byte
}

// Answer is what a visit tells whoever drives the flow.
type Answer struct {
	// State: of the chain, or of the items together: running until the last is final.
	State job.TrackState
	// Next: kind of the step that is next or goes on; empty when none is.
	Next string
	// Wait: how long to wait before the next visit; zero for not at all.
	Wait time.Duration
	// Job: row of the step that was visited.
	Job job.Job
	// Err: what went wrong in the step, for the log; the row regards it already.
	Err error
}
