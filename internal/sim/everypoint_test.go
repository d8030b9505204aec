package sim_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/job"
)

// at is the plan in which the n-th call that any process makes suffers a fault.
type at struct {
	n     int
	fault faulty.Fault

	ops []string // that were called
	op  string   // that was struck
}

// Next implements faulty.Plan.
func (a *at) Next(op string) faulty.Fault {
	a.ops = append(a.ops, op)
	if len(a.ops)-1 != a.n || (a.fault == faulty.Twice) != (op == "Deliver") {
		return faulty.None
	}
	a.op = op
	return a.fault
}

// path is one way through the system that a job may take.
type path struct {
	name   string
	limit  int
	answer func(s *scene) func() error
	jobs   int // for one point
	person func(s *scene)
}

// until fails until some time after the start.
func until(d time.Duration, code job.Code) func(s *scene) func() error {
	return func(s *scene) func() error {
		end := s.now.Add(d)
		return func() error {
			if s.now.Before(end) {
				return job.Errorf(code, "told to")
			}
			return nil
		}
	}
}

// paths lists the ways to every state that a job may end in.
func paths() []path {
	never := 10_000 * time.Hour
	return []path{
		{name: "success", limit: 5, jobs: 1},
		{name: "success without a limit", limit: job.Unlimited, jobs: 1},
		{name: "success after failures", limit: 5, jobs: 1, answer: until(30*time.Second, job.ProviderUnavailable)},
		{name: "success after a rate limit", limit: 5, jobs: 1, answer: until(30*time.Second, job.ProviderRateLimit)},
		{name: "dead at once", limit: 5, jobs: 1, answer: until(never, job.InvalidRequest)},
		{name: "dead after its attempts", limit: 5, jobs: 1, answer: until(never, job.ProviderUnavailable)},
		{name: "skipped", limit: 0, jobs: 1},
		{name: "two jobs for one point", limit: 5, jobs: 2},
		{name: "redriven from the console", limit: 5, jobs: 1, answer: until(never, job.InvalidRequest), person: func(s *scene) {
			for s.queues.Depth("dead") == 0 {
				s.rounds(4)
			}
			s.answer = nil
			for s.redrives == 0 { // a letter that a sweep still hides is moved the next time
				s.advance(10 * time.Minute)
				s.redrive()
			}
		}},
		{name: "retried by its owner", limit: 5, jobs: 1, answer: until(never, job.InvalidRequest), person: func(s *scene) {
			for s.oracle.rows[s.first()].State != job.Dead {
				s.rounds(4)
			}
			s.answer = nil
			for s.oracle.rows[s.first()].Generation == 0 { // asked again when there was no answer
				s.retry()
			}
		}},
		{name: "cancelled by its owner", limit: 5, jobs: 1, answer: until(never, job.ProviderRateLimit), person: func(s *scene) {
			for s.oracle.rows[s.first()].State != job.Cancelled {
				s.cancel()
			}
		}},
	}
}

// live takes one path under a plan, and says how it ended.
func (p path) live(t *testing.T, plan faulty.Plan) (*scene, string) {
	t.Helper()
	s := newScene(t, p.limit, plan)
	if p.answer != nil {
		s.answer = p.answer(s)
	}
	first := s.accept("")
	s.again(first) // as an application does that got no answer
	for range p.jobs - 1 {
		second := s.accept(job.DerivedID("user", "POST /v1/data-points", "key", "point"))
		s.again(second)
	}
	s.rounds(10)
	if p.person != nil {
		p.person(s)
		s.rounds(10)
	}
	s.settleDown()
	var end []string
	for _, j := range s.oracle.rows {
		end = append(end, fmt.Sprintf("%s %s", j.State, j.Outcome))
	}
	slices.Sort(end) // which of two jobs is first may change
	return s, fmt.Sprintf("%s; %d billed, %d letters", strings.Join(end, ", "), len(s.oracle.bills), s.queues.Depth("dead"))
}

// first returns the id of the first job.
func (*scene) first() string { return job.DerivedID("user", "POST /v1/data-points", "key", "job") }

// retry and cancel are what the first job's owner asks for.
func (s *scene) retry() {
	s.operate(func(ctx context.Context, o *deadletter.Operator) { _, _ = o.Retry(ctx, "user", s.first()) })
}

func (s *scene) cancel() {
	s.operate(func(ctx context.Context, o *deadletter.Operator) { _, _ = o.Cancel(ctx, "user", s.first()) })
}

// operate lets a person act through a function of the API.
func (s *scene) operate(act func(context.Context, *deadletter.Operator)) {
	p := s.process(requestTime)
	p.spawn(requestTime, func(ctx context.Context) { act(ctx, p.operator) })
	s.finish()
}

// rounds lets everybody act in turn, some minutes each time.
func (s *scene) rounds(n int) {
	for range n {
		s.work()
		s.relay()
		s.finish()
		s.reconcile()
		s.finish()
		s.advance(7 * time.Minute)
	}
}

// TestEveryPointOfEveryPath strikes every single call on every path with every
// fault: before the call, instead of it, after it. Nobody may be able to tell from
// the end that anything happened.
func TestEveryPointOfEveryPath(t *testing.T) {
	t.Parallel()
	for _, p := range paths() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			free := &at{n: -1}
			calm, want := p.live(t, free)
			if len(calm.oracle.wrong) > 0 {
				t.Fatal(strings.Join(calm.oracle.wrong, "\n"))
			}
			struck := map[string]int{}
			met := map[string]int{}
			for n, op := range free.ops {
				// Empty sweeps look the same every time: some of them are enough.
				if met[op]++; met[op] > 20 {
					continue
				}
				for _, f := range faulty.Faults() {
					plan := &at{n: n, fault: f}
					s, got := p.live(t, plan)
					if plan.op == "" {
						continue
					}
					struck[plan.op]++
					if got != want || len(s.oracle.wrong) > 0 {
						t.Errorf("%v at call %d (%s): %s, want %s\n%s", f, n, plan.op, got, want, strings.Join(s.oracle.wrong, "\n"))
					}
					// A crash takes the whole batch with it. How often a job that waits for
					// the provider asks is a matter of time, not of faults.
					if most := calm.calls + p.jobs; p.answer == nil && s.calls > most {
						t.Errorf("%v at call %d (%s): %d provider calls, want at most %d", f, n, plan.op, s.calls, most)
					}
				}
			}
			t.Logf("%s: %d calls, struck %v", want, len(free.ops), struck)
		})
	}
}
