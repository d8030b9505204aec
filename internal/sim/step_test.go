package sim_test

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"orbitq/internal/entry"
	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
)

// stepHandler is the handler of the state machines' tasks.
type stepHandler func(context.Context, entry.StepEvent) (entry.StepAnswer, error)

// smallInline is so few items that both modes of the map occur.
const smallInline = 6

// rows are the rows of steps, which flow reads in one port and the faults keep in two.
type rows struct {
	*faulty.Store

	readings *faulty.Readings
}

// Job implements flow.Jobs.
func (r rows) Job(ctx context.Context, id string) (job.Job, error) { return r.readings.Job(ctx, id) }

// newFlow returns the use case of chains and batches as the functions of the API, the
// relay and the steps have it: they differ in what they may do, not in what they would do.
func (p *process) newFlow() (*flow.Flow, stepHandler) {
	f := flow.New(flow.Config{
		Chains: &p.tracks, Batches: &p.tracks, Items: &p.tracks, Points: &p.tracks, Open: &p.tracks, Jobs: rows{&p.store, &p.readings},
		Runner: p.newWorker(limit.Patience), Executions: &p.states, Policies: kinds.Policies(), Inline: smallInline,
		CheckURL: func(string, string) []job.Violation { return nil },
		Courier: flow.Courier{
			Mail: &p.tracks, Sender: &p.queue,
			Post: faulty.Post(&p.Process, func(_ context.Context, owner, id, url string, _ []byte, _ time.Time) error {
				return p.w.posted(owner, id, url)
			}),
			Topic: faulty.Tell(&p.Process, func(ctx context.Context, e job.Event) error { return p.w.sabotage.tell(ctx, e) }),
			Notices: faulty.Tell(&p.Process, func(_ context.Context, e job.Event) error {
				p.w.oracle.noticed(e)
				return nil
			}),
		},
		Now: p.now, Entropy: p.entropy, Timing: timing(), Tries: tries,
	})
	// The gates of a process belong to its threads; this one has nothing to flush.
	return f, entry.Step(f, gate.New(gate.Config{}), slog.New(slog.DiscardHandler))
}

// takeStep brings a task to a function. Whoever asked hears its answer, or that it ended
// without one.
func (w *world) takeStep(e *entry.StepEvent, answered func(entry.StepAnswer, string)) {
	p := w.process(timeout)
	p.lost = func() { answered(entry.StepAnswer{}, "Runtime.ExitError") }
	if e.Op == "items" {
		w.takeItems(p, e, answered)
		return
	}
	var (
		a   entry.StepAnswer
		err error
	)
	p.spawn(timeout, func(ctx context.Context) { a, err = p.step(ctx, *e) })
	p.end = func() {
		name := ""
		if failed, named := errors.AsType[messages.InvokeResponse_Error](err); named {
			name = failed.Type
		}
		w.notef("task     %s %s: %+v %v", e.Op, (e.Chain + e.Batch)[20:], a, err)
		answered(a, name)
	}
}

// takeItems is the operation on items, whose threads the handler would start as
// goroutines: here each is a coroutine, as the simulation demands.
func (w *world) takeItems(p *process, e *entry.StepEvent, answered func(entry.StepAnswer, string)) {
	waits, errs := make([]time.Duration, len(e.Points)), make([]error, len(e.Points))
	for i, point := range e.Points {
		p.spawn(timeout, func(ctx context.Context) {
			a, err := p.flow.VisitItem(ctx, e.Batch, point, "request")
			waits[i], errs[i] = a.Wait, err
		})
	}
	p.end = func() {
		var out entry.StepAnswer
		for _, wait := range waits {
			if seconds := int(wait / time.Second); seconds > 0 && (out.Seconds == 0 || seconds < out.Seconds) {
				out.Seconds = seconds
			}
		}
		err := errors.Join(errs...)
		w.notef("task     items %s: %+v %v", e.Batch[20:], out, err)
		if err != nil {
			answered(entry.StepAnswer{}, string(job.CodeOf(err)))
			return
		}
		answered(out, "")
	}
}

// notef writes a line into the log of a replay.
func (w *world) notef(format string, args ...any) {
	if w.log != nil {
		w.log(format, args...)
	}
}
