package sim_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
)

// gap is one guard of chains and batches, taken out. The guards are in pure functions that
// the use case calls by name; a port between it and the table shows it rows as if the guard
// were not there.
type gap struct {
	faulty.Table // of the jobs

	tracks   faulty.FlowTable
	readings faulty.Knowledge
	states   flow.Executions
	w        *world

	unversioned  bool // a batch is written whoever was quicker
	countsOpen   bool // items that go on count as ended
	uncaught     bool // nobody remembers that catch has fired
	anyStep      bool // each acceptance of a step makes a job of its own
	hasty        bool // a step that runs counts as ended
	stopsNothing bool // who stops a step only says so
	unrenewed    bool // a step that ended in an earlier round counts in this one
	anyName      bool // each start has a name of its own
	oneName      bool // all starts of a flow have one name
	deafSweep    bool // nobody asks after executions
	mute         bool // callbacks are not written with the row that fires them
	anyNotice    bool // each try writes a notice of its own
	anyCall      bool // each try makes a callback's job of its own
}

// tracksGap is the gap between the use case and the rows of chains, batches and items.
type tracksGap struct {
	faulty.FlowTable
	*gap
}

// readingsGap is the gap before what is read of jobs.
type readingsGap struct {
	faulty.Knowledge
	*gap
}

// open lets a world fall into the gap.
func (g *gap) open(w *world) {
	g.w, g.Table, g.tracks, g.readings, g.states = w, w.table, w.table, w.table, &w.machines
	w.view, w.tracks, w.rows, w.starter = g, tracksGap{w.table, g}, readingsGap{w.table, g}, g
}

// any returns an id that nobody can derive.
func (g *gap) any(id string) string {
	return job.DerivedID(id, strconv.FormatUint(g.w.rand.Uint64(), 16))
}

func (g *gap) Accept(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	switch {
	case g.stopsNothing && j.Flow != "" && j.State == job.Cancelled:
		return *j, false, nil
	case g.anyStep && j.Flow != "", g.anyCall && len(j.Tags) > 0:
		other := *j
		other.ID = g.any(j.ID)
		return g.Table.Accept(ctx, &other)
	}
	return g.Table.Accept(ctx, j)
}

func (g readingsGap) Job(ctx context.Context, id string) (job.Job, error) {
	j, err := g.Knowledge.Job(ctx, id)
	if g.hasty && j.Flow != "" && j.State == job.Running {
		j.State, j.Outcome = job.Succeeded, job.Success
	}
	return j, err
}

func (g tracksGap) Items(ctx context.Context, b *job.Batch, after string, n int) ([]job.Item, string, error) {
	page, next, err := g.FlowTable.Items(ctx, b, after, n)
	for i := range page {
		if it := b.Now(page[i]); g.countsOpen && !it.State.Final() {
			it.State = job.TrackSucceeded
			page[i] = it
		}
		page[i].Least *= bit(!g.unrenewed)
	}
	return page, next, err
}

func (g tracksGap) Item(ctx context.Context, b *job.Batch, point string) (job.Item, error) {
	it, err := g.FlowTable.Item(ctx, b, point)
	it.Least *= bit(!g.unrenewed)
	return it, err
}

func (g tracksGap) Chain(ctx context.Context, id string) (job.Chain, error) {
	c, err := g.FlowTable.Chain(ctx, id)
	c.Least *= bit(!g.unrenewed)
	return c, err
}

func (g tracksGap) AmendBatch(ctx context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	if g.unversioned {
		return g.overwrite(ctx, id, decide)
	}
	return g.FlowTable.AmendBatch(ctx, id, func(b job.Batch) (job.Batch, flow.Change, error) {
		if g.uncaught && b.Caught && !b.Closed {
			forgetful := b
			forgetful.Caught = false
			if next, c, err := decide(forgetful); err == nil && next.Caught {
				return next, c, nil
			}
		}
		next, c, err := decide(b)
		if g.mute {
			c.Events = nil
		}
		return next, c, err
	})
}

// overwrite decides upon one row and writes over another.
func (g tracksGap) overwrite(ctx context.Context, id string, decide func(job.Batch) (job.Batch, flow.Change, error)) (job.Batch, error) {
	b, err := g.Batch(ctx, id)
	if err != nil {
		return b, err
	}
	next, change, err := decide(b)
	if err != nil {
		return next, err
	}
	for range 5 {
		g.w.pause()
	}
	return g.FlowTable.AmendBatch(ctx, id, func(job.Batch) (job.Batch, flow.Change, error) { return next, change, nil })
}

func (g tracksGap) OpenFlows(ctx context.Context, now time.Time, n int) ([]job.Flow, error) {
	if g.deafSweep {
		return nil, nil
	}
	return g.FlowTable.OpenFlows(ctx, now, n)
}

func (g tracksGap) PutNotice(ctx context.Context, n *job.Notice) error {
	if g.anyNotice {
		other := *n
		other.ID = g.any(n.ID)
		n = &other
	}
	return g.FlowTable.PutNotice(ctx, n)
}

// Start implements flow.Executions.
func (g *gap) Start(ctx context.Context, m flow.Machine, name string, input []byte) error {
	switch {
	case g.anyName:
		name += "-" + strconv.Itoa(g.w.rand.IntN(1000))
	case g.oneName:
		name = name[:strings.LastIndexByte(name, '-')] + "-0"
	}
	return g.states.Start(ctx, m, name, input)
}

// Running implements flow.Executions.
func (g *gap) Running(ctx context.Context, m flow.Machine, name string) (bool, error) {
	return g.states.Running(ctx, m, name)
}

// PutList implements flow.Executions.
func (g *gap) PutList(ctx context.Context, key string, list []byte) (string, error) {
	return g.states.PutList(ctx, key, list)
}

// TestEveryGuardOfFlowsIsMissed takes one guard after another out and demands that some
// run notices.
func TestEveryGuardOfFlowsIsMissed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		gap
		want invariant
	}{
		{"a batch is written whoever was quicker", gap{unversioned: true}, i15},
		{"a batch fires again whoever was quicker", gap{unversioned: true}, i16},
		{"a batch closes before its items have ended", gap{countsOpen: true}, i15},
		{"catch forgets that it has fired", gap{uncaught: true}, i16},
		{"the job of a step has any id", gap{anyStep: true}, i18},
		{"a step that runs counts as ended", gap{hasty: true}, i18},
		{"a step is stopped without a word in its row", gap{stopsNothing: true}, i18},
		{"an earlier round's end counts in this one", gap{unrenewed: true}, i18},
		{"an execution has any name", gap{anyName: true}, i19},
		{"an execution has one name for ever", gap{oneName: true}, i24},
		{"nobody asks after executions", gap{deafSweep: true}, i24},
		{"a callback is not written with its row", gap{mute: true}, i16},
		{"a callback writes any number of notices", gap{anyNotice: true}, i17},
		{"a callback makes any number of jobs", gap{anyCall: true}, i16},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab()
			defer l.close()
			first := ""
			for seed := range uint64(600) {
				w := newFlowWorld(l, seed, memstore.Protocol())
				g := c.gap
				g.open(w)
				for _, text := range w.run() {
					if strings.HasPrefix(text, c.want.String()+":") {
						t.Logf("seed %d: %.150s", seed, text)
						return
					}
					first = text
				}
			}
			t.Errorf("no run broke %v, but %q", c.want, first)
		})
	}
}
