package sim_test

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// flowOracle knows every chain, batch and item as it was last written, and what was told
// of them.
type flowOracle struct {
	chains  map[string]*job.Chain
	batches map[string]*batchSeen
	steps   map[string]stepOf     // by the id of the step's job
	jobs    map[job.Flow][]string // of steps, in the order of their acceptance
	events  map[string]*told
	notices map[string]job.Notice

	receivers map[string]*receiver // by owner and host
	inTurn    bool                 // what goes on began after the faults, one process at a time
	ends      map[string]trackEnd  // by the id of the job that ended its track
	started   map[string]bool      // names of executions
	byHand    map[string]bool      // jobs and chains that somebody may have cancelled
}

// batchSeen is a batch with its items.
type batchSeen struct {
	row    job.Batch
	items  map[string]*job.Item
	final  int // items that were final at the last look at this round
	round  int
	rounds []roundEnd // that have ended
}

// roundEnd is how a round of a batch ended.
type roundEnd struct {
	round  int
	counts job.Counts
}

// stepOf says which step of which track a job is.
type stepOf struct {
	flow  job.Flow
	point string // of the item; empty for a chain
	index int
}

// told is an event and who heard of it.
type told struct {
	event   job.Event
	url     string
	times   int
	refused bool // for good
	givenUp bool
	// refusedCalmly: refused since the faults are over.
	refusedCalmly bool
}

// trackEnd is when a step's job last ended its track.
type trackEnd struct{ round, generation int }

func newFlowOracle() flowOracle {
	return flowOracle{
		chains: map[string]*job.Chain{}, batches: map[string]*batchSeen{}, steps: map[string]stepOf{}, jobs: map[job.Flow][]string{},
		events: map[string]*told{}, notices: map[string]job.Notice{}, receivers: map[string]*receiver{}, ends: map[string]trackEnd{}, started: map[string]bool{}, byHand: map[string]bool{},
	}
}

// known reports whether a flow is in the table.
func (f *flowOracle) known(name job.Flow) bool {
	kind, id := name.Parts()
	return kind == "chain" && f.chains[id] != nil || kind == "batch" && f.batches[id] != nil
}

// jobsOf returns the jobs of a flow's steps.
func (f *flowOracle) jobsOf(name job.Flow) []string { return f.jobs[name] }

// has reports whether a point is an item of a batch.
func (f *flowOracle) has(batch, point string) bool {
	b := f.batches[batch]
	return b != nil && b.items[point] != nil
}

// open counts what has not ended.
func (f *flowOracle) open() (n int) {
	f.looks(func(time.Time) { n++ })
	return n
}

// looks says when each flow that goes on is asked after.
func (f *flowOracle) looks(say func(time.Time)) {
	for _, c := range f.chains {
		if !c.Look.IsZero() {
			say(c.Look)
		}
	}
	for _, b := range f.batches {
		if !b.row.Look.IsZero() {
			say(b.row.Look)
		}
	}
}

// overdue counts the flows that a sweep has to ask after, as a number that changes with
// every change of them.
func (f *flowOracle) overdue(now time.Time) (todo int) {
	for _, c := range f.chains {
		if !c.Look.IsZero() && !now.Before(c.Look) {
			todo += 1 + c.Generation + c.At
		}
	}
	for _, b := range f.batches {
		if !b.row.Look.IsZero() && !now.Before(b.row.Look) {
			todo += 1 + b.row.Runs + b.final
		}
	}
	return todo
}

// track returns the track of a step, or nil.
func (f *flowOracle) track(s stepOf) *job.Track {
	kind, id := s.flow.Parts()
	if kind == "chain" {
		return &f.chains[id].Track
	}
	return &f.batches[id].items[s.point].Track
}

// register expects the jobs of a new track.
func (f *flowOracle) register(name job.Flow, point string, t *job.Track) {
	for i, kind := range t.Steps {
		f.steps[job.StepID(t.Key, kind)] = stepOf{name, point, i}
	}
}

// stepped looks at a write of a step's job. It runs for every job: one of a queue has no
// flow and is no step.
func (o *oracle) stepped(e *effect, old, next *job.Job, known bool) {
	if next.Flow == "" {
		return // of a queue, or taken out of its flow to run once more
	}
	s, is := o.flows.steps[next.ID]
	if o.broken(i18, is && s.flow == next.Flow) {
		o.failf(i18, "job %s of %s is no step of it", next.ID, next.Flow)
		return
	}
	t := o.flows.track(s)
	if o.broken(i18, t.Steps[s.index] == next.Kind && t.Point == next.Point && t.Revision == next.Revision) {
		o.failf(i18, "job %s does %s for %s, step %d of %s is %v", next.ID, next.Kind, next.Point, s.index, next.Flow, t)
	}
	if !known {
		o.flows.jobs[next.Flow] = append(o.flows.jobs[next.Flow], next.ID)
		if o.broken(i18, t.At == s.index) {
			o.failf(i18, "step %d of %s began, its track is at %d", s.index, next.Flow, t.At)
		}
	}
	begins := !known || next.State == job.Running && old.State != job.Running
	for i := 0; begins && i < s.index; i++ {
		if before := o.rows[job.StepID(t.Key, t.Steps[i])]; o.broken(i18, passed(before)) {
			o.failf(i18, "%s of step %d of %s, before step %d has ended: %+v", e.op, s.index, next.Flow, i, before)
		}
	}
}

// passed reports whether the steps behind a job may begin. One that was taken out of its
// flow has ended there.
func passed(j *job.Job) bool {
	return j != nil && (j.State == job.Succeeded || j.State == job.Skipped || j.Flow == "")
}

// moved holds a track against what it was.
func (o *oracle) trackMoved(name job.Flow, old, next *job.Track) {
	if reflect.DeepEqual(old, next) {
		return
	}
	o.effects++
	if o.broken(i18, old.Key == next.Key && old.Point == next.Point && old.Revision == next.Revision && slices.Equal(old.Steps, next.Steps)) {
		o.failf(i18, "a track of %s changed what was accepted: %+v, was %+v", name, *next, *old)
	}
	if o.broken(i15, next.At >= old.At && next.At <= old.At+1 && next.Round >= old.Round) {
		o.failf(i15, "a track of %s went from %+v to %+v", name, *old, *next)
	}
	again := next.Round > old.Round
	if o.broken(i15, !old.State.Final() || again && (old.State == job.TrackFailed || old.State == job.TrackCancelled)) {
		o.failf(i15, "a track of %s that had ended changed: %+v, was %+v", name, *next, *old)
	}
	if o.broken(i15, again || old.State == job.TrackPending || next.State != job.TrackPending) {
		o.failf(i15, "a track of %s is pending again", name)
	}
	if next.At > old.At {
		step := o.rows[job.StepID(old.Key, old.Kind())]
		if o.broken(i18, passed(step)) {
			o.failf(i18, "%s went past step %d, whose job is %+v", name, old.At, step)
		}
	}
	o.trackEnded(name, old, next)
}

// trackEnded holds the end of a track against the job that ended it.
func (o *oracle) trackEnded(name job.Flow, old, next *job.Track) {
	step := o.rows[job.StepID(next.Key, next.Kind())]
	switch next.State {
	case job.TrackSucceeded, job.TrackSkipped:
		if o.broken(i18, next.At == len(next.Steps) && next.Code == "" && next.Reason == "") {
			o.failf(i18, "%s %s at step %d with %q %q", name, next.State, next.At, next.Code, next.Reason)
		}
		return
	case job.TrackFailed:
		dead := step != nil && (step.State == job.Dead || step.State == job.Forgotten)
		if o.broken(i18, dead && next.Code == step.Code && next.Code != "" && next.Reason == step.Reason) {
			o.failf(i18, "%s failed at %s with %q %q, whose job is %+v", name, next.Kind(), next.Code, next.Reason, step)
		}
	case job.TrackCancelled:
		if kind, id := name.Parts(); kind == "chain" {
			// As a whole, whatever its step does; or because its step was.
			if o.broken(i18, o.flows.byHand[id] || step != nil && o.flows.byHand[step.ID]) {
				o.failf(i18, "%s was cancelled by nobody", name)
			}
			return
		} else if stopped := o.flows.batches[id].row.Stop != ""; o.broken(i16, stopped || step != nil && o.flows.byHand[step.ID]) {
			o.failf(i16, "an item of %s was cancelled by nobody: %+v", name, *next)
		}
		if o.broken(i18, step != nil && step.State == job.Cancelled) {
			o.failf(i18, "an item of %s was cancelled at %s, whose job is %+v", name, next.Kind(), step)
		}
	case job.TrackPending, job.TrackRunning:
		return
	}
	if step == nil || old.State == next.State && old.Round == next.Round {
		return
	}
	last, ended := o.flows.ends[step.ID]
	fresh := !ended || step.State == job.Forgotten || next.Round == last.round || step.Generation > last.generation
	if o.broken(i18, fresh) {
		o.failf(i18, "%s ended in round %d with generation %d of its job, as in round %d", name, next.Round, step.Generation, last.round)
	}
	o.flows.ends[step.ID] = trackEnd{next.Round, step.Generation}
}

// started looks at a start of an execution.
func (o *oracle) started(m flow.Machine, name string, in *input, existed bool) {
	id, number := in.Chain, -1
	if m == flow.BatchMachine {
		id = in.Batch
	}
	if digits, ok := strings.CutPrefix(name, id+"-"); ok {
		if n, err := strconv.Atoi(digits); err == nil && digits == strconv.Itoa(n) {
			number = n
		}
	}
	newest := -1
	switch c, b := o.flows.chains[id], o.flows.batches[id]; {
	case m == flow.ChainMachine && c != nil:
		newest = c.Generation
	case m == flow.BatchMachine && b != nil:
		newest = b.row.Runs
	}
	if o.broken(i19, 0 <= number && number <= newest) {
		o.failf(i19, "execution %s of %s %q, whose newest is %d", name, m, id, newest)
	}
	if o.broken(i19, existed == o.flows.started[name]) {
		o.failf(i19, "execution %s began twice", name)
	}
	o.flows.started[name] = true
}

// chainAccepted looks at a new chain.
func (o *oracle) chainAccepted(c *job.Chain) {
	o.flows.chains[c.ID] = c
	o.effects++
	o.flows.register(job.ChainFlow(c.ID), "", &c.Track)
	o.mustf(i19, c.Generation == 0 && c.State == job.TrackPending && !c.Look.IsZero(), "a chain began as %+v", *c)
}

// chainAmended holds a chain against what it was.
func (o *oracle) chainAmended(next *job.Chain) {
	old := *o.flows.chains[next.ID]
	*o.flows.chains[next.ID] = *next
	name := job.ChainFlow(next.ID)
	o.trackMoved(name, &old.Track, &next.Track)
	if o.broken(i19, next.Generation == old.Generation || next.Generation == old.Generation+1) {
		o.failf(i19, "chain %s went from generation %d to %d", next.ID, old.Generation, next.Generation)
	}
	// A cancelled chain may still be looked at, because its step may have been running, and a failed one, whose owner
	// may not have been told.
	looked := next.State == job.TrackCancelled || next.State == job.TrackFailed
	if o.broken(i24, next.State.Final() != !next.Look.IsZero() || looked) {
		o.failf(i24, "%s chain %s with look %v", next.State, next.ID, next.Look)
	}
}

// String names a step in reports.
func (s stepOf) String() string { return fmt.Sprintf("%s %s step %d", s.flow, s.point, s.index) }
