package sim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"orbitq/internal/entry"
	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// What the two definitions say about every task, as definition_test.go compares.
const (
	taskTimeout  = 75 * time.Second
	taskRetries  = 3
	retryFirst   = 10 * time.Second
	retryGrowth  = 3
	retryLongest = 60 * time.Second
)

// machines is Step Functions: executions that wait in virtual time and call the function of
// the steps. They are data, not coroutines, because nothing in them can be interrupted:
// whatever an execution knows is persisted between two states.
type machines struct {
	w       *world
	all     map[string]*execution
	running int
	timers  []*timer
	lists   map[string][]byte
	inline  int // executions whose items are worked on one by one
	chunked int // and in chunks
	died    int
}

// execution is one execution of a state machine.
type execution struct {
	w       *world
	name    string
	running bool
	input   input
	left    int // branches of its map that go on
	summary entry.StepAnswer
}

// input is what an execution is started with.
type input struct {
	Chain  string   `json:"chain"`
	Next   string   `json:"next"`
	Batch  string   `json:"batch"`
	Run    int      `json:"run"`
	Mode   string   `json:"mode"`
	Points []string `json:"points"`
	Bucket string   `json:"bucket"`
	Key    string   `json:"key"`
}

// timer is something that an execution does later.
type timer struct {
	x   *execution
	at  time.Time
	run func()
}

// Start implements flow.Executions: a name is started once, however often it is asked for.
func (s *machines) Start(_ context.Context, m flow.Machine, name string, raw []byte) error {
	var in input
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("read input: %w", err)
	}
	s.w.oracle.started(m, name, &in, s.all[name] != nil)
	if s.all[name] != nil {
		return nil
	}
	if s.all == nil {
		s.all = map[string]*execution{}
	}
	x := &execution{w: s.w, name: name, running: true, input: in}
	s.all[name] = x
	s.running++
	s.w.notef("start    %s %s", name[20:], in.Mode)
	x.later(0, x.begin)
	return nil
}

// Running implements flow.Executions.
func (s *machines) Running(_ context.Context, _ flow.Machine, name string) (bool, error) {
	x := s.all[name]
	return x != nil && x.running, nil
}

// PutList implements flow.Executions.
func (s *machines) PutList(_ context.Context, key string, list []byte) (string, error) {
	if s.lists == nil {
		s.lists = map[string][]byte{}
	}
	s.lists[key] = list
	return "bucket", nil
}

// fire lets one timer whose time has come go off, and reports whether there was one.
func (s *machines) fire() bool {
	var due []int
	for i, t := range s.timers {
		if !s.w.now.Before(t.at) {
			due = append(due, i)
		}
	}
	if len(due) == 0 {
		return false
	}
	i := due[s.w.rand.IntN(len(due))]
	t := s.timers[i]
	s.timers = slices.Delete(s.timers, i, i+1)
	t.run()
	return true
}

// soonest says when the next timers go off.
func (s *machines) soonest(say func(time.Time)) {
	for _, t := range s.timers {
		say(t.at)
	}
}

// abort ends a running execution for good, wherever it is: what its tasks have begun goes
// on, but nobody hears of it.
func (s *machines) abort() {
	var running []string
	for name, x := range s.all {
		if x.running {
			running = append(running, name)
		}
	}
	if len(running) == 0 {
		return
	}
	slices.Sort(running)
	s.all[running[s.w.rand.IntN(len(running))]].end("aborted")
	s.died++
}

// end ends an execution.
func (x *execution) end(how string) {
	if !x.running {
		return
	}
	x.running = false
	s := &x.w.machines
	s.running--
	s.timers = slices.DeleteFunc(s.timers, func(t *timer) bool { return t.x == x })
	x.w.notef("end      %s %s", x.name[20:], how)
}

// later runs something after a while, if the execution still goes on then.
func (x *execution) later(d time.Duration, run func()) *timer {
	t := &timer{x, x.w.now.Add(d), run}
	x.w.machines.timers = append(x.w.machines.timers, t)
	return t
}

// begin is the first state of both definitions.
func (x *execution) begin() {
	if x.input.Chain != "" {
		x.visit()
		return
	}
	x.fanOut()
}

// visit is the task of a chain's step, and what follows on its answer.
func (x *execution) visit() {
	x.task(entry.StepEvent{Op: "chain", Chain: x.input.Chain}, func(a entry.StepAnswer, code string) {
		switch {
		case code != "":
			x.recordFailure(code)
		case a.Seconds > 0:
			x.later(time.Duration(a.Seconds)*time.Second, x.visit)
		case a.State == string(job.TrackSucceeded), a.State == string(job.TrackSkipped), a.State == string(job.TrackCancelled):
			x.end(a.State)
		default:
			x.visit()
		}
	})
}

// recordFailure is the task behind a step's Catch.
func (x *execution) recordFailure(code string) {
	e := entry.StepEvent{Op: "chain-failed", Chain: x.input.Chain, Error: entry.StepError{Error: code, Cause: "told to"}}
	x.task(e, func(entry.StepAnswer, string) { x.end("failed with " + code) })
}

// fanOut is the map of a batch: items one by one, or chunks of a list.
func (x *execution) fanOut() {
	var groups [][]string
	if x.input.Mode == "distributed" {
		x.w.machines.chunked++
		err := json.Unmarshal(x.w.machines.lists[x.input.Key], &groups)
		x.w.oracle.mustf(i19, err == nil, "execution %s reads its list: %v", x.name, err)
	} else {
		x.w.machines.inline++
		for _, p := range x.input.Points {
			groups = append(groups, []string{p})
		}
	}
	x.left = len(groups)
	if x.left == 0 {
		x.summarise()
		return
	}
	for _, points := range groups {
		x.later(0, func() { x.work(points) })
	}
}

// work is one branch of the map. Its Catch leaves the items to the next execution.
func (x *execution) work(points []string) {
	x.task(entry.StepEvent{Op: "items", Batch: x.input.Batch, Points: points}, func(a entry.StepAnswer, code string) {
		if code == "" && a.Seconds > 0 {
			x.later(time.Duration(a.Seconds)*time.Second, func() { x.work(points) })
			return
		}
		if x.left--; x.left == 0 {
			x.summarise()
		}
	})
}

// summarise is the task behind the map, and the choices behind it.
func (x *execution) summarise() {
	x.task(entry.StepEvent{Op: "summarise", Batch: x.input.Batch}, func(a entry.StepAnswer, code string) {
		x.summary = a
		switch {
		case code != "":
			x.end("not summarised")
		case !a.Closed:
			x.end("others go on")
		case a.Then:
			x.call(job.CallThen, x.finally)
		default:
			x.finally()
		}
	})
}

func (x *execution) finally() {
	if !x.summary.Finally {
		x.end("closed")
		return
	}
	x.call(job.CallFinally, func() { x.end("closed") })
}

// call is the task of a callback; its Catch goes on as if it had been delivered.
func (x *execution) call(name string, then func()) {
	x.task(entry.StepEvent{Op: "callback", Batch: x.input.Batch, Name: name}, func(entry.StepAnswer, string) { then() })
}

// task calls the function, again after what Retry knows, and hands on what came of it.
func (x *execution) task(e entry.StepEvent, then func(entry.StepAnswer, string)) {
	e.Request = "arn:aws:states:eu-central-1:123456789012:execution:orbitq:" + x.name
	x.attempt(&e, 0, then)
}

// attempt is one attempt at a task. Its time may be over while the function still runs.
func (x *execution) attempt(e *entry.StepEvent, n int, then func(entry.StepAnswer, string)) {
	var limit *timer
	answered := func(a entry.StepAnswer, code string) {
		if limit == nil || !x.running {
			return // too late
		}
		timers := &x.w.machines.timers
		if i := slices.Index(*timers, limit); i >= 0 {
			*timers = slices.Delete(*timers, i, i+1)
		}
		limit = nil
		if !again(code) || n == taskRetries {
			then(a, code)
			return
		}
		wait := retryFirst
		for range n {
			wait = min(wait*retryGrowth, retryLongest)
		}
		x.later(time.Duration(x.w.rand.Float64()*float64(wait)), func() { x.attempt(e, n+1, then) })
	}
	limit = x.later(taskTimeout, func() { answered(entry.StepAnswer{}, "States.Timeout") })
	for range faulty.Deliver(x.w) {
		x.w.takeStep(e, answered)
	}
}

// again reports whether Retry knows an error.
func again(code string) bool {
	return strings.Contains(code, ".") || code == string(job.Throttled) || code == string(job.Internal)
}
