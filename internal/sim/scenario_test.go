package sim_test

import (
	"strings"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
)

// scene is a world whose faults are written down instead of drawn.
type scene struct {
	*world
	t *testing.T
}

func newScene(t *testing.T, units int, script faulty.Plan) *scene {
	t.Helper()
	l := newLab()
	t.Cleanup(l.close)
	w := newWorld(l, 1, memstore.Protocol())
	w.clients, w.mood, w.skewed, w.script = nil, mood{}, 0, script
	w.policy = limit.DefaultPolicy()
	w.oracle.traffic.policy, w.oracle.traffic.exact = w.policy, true
	w.table.limit = func(string) int { return units }
	return &scene{world: w, t: t}
}

// accept lets an application create a point, or dispatch another job for one.
func (s *scene) accept(pointID string) *client {
	c := newClient(s.world, len(s.clients), "user")
	c.delay, c.maxWait, c.unique, c.now = nil, nil, "", false
	c.age = time.Duration(20+2*len(s.clients)) * 24 * time.Hour // no two of one day: the cache would answer
	c.request.Key, c.point, c.queue = "key"+strings.Repeat("+", len(s.clients)), pointID, "default"
	s.clients = append(s.clients, c)
	s.again(c)
	return c
}

// again sends a client's request once more.
func (s *scene) again(c *client) {
	s.ask(c)
	s.finish()
}

// once fails the first time.
func once(err error) func() error {
	return func() error {
		first := err
		err = nil
		return first
	}
}

// finish runs all threads in turn, one effect each, until all have ended.
func (s *scene) finish() {
	for i := 0; len(s.tasks) > 0; i++ {
		s.turn(i % len(s.tasks))
	}
}

// work delivers what is visible and runs it to its end.
func (s *scene) work() {
	s.deliver("default", 10)
	s.finish()
}

// row returns the job of a client.
func (s *scene) row(c *client) job.Job { return *s.oracle.rows[c.job] }

// end lets everything come to rest and demands how the jobs ended, what the user
// was billed, how often the provider was asked, and how many letters are dead.
func (s *scene) end(billed, calls, dead int, want ...job.Outcome) {
	s.t.Helper()
	s.settleDown()
	if len(s.oracle.wrong) > 0 {
		s.t.Fatal(strings.Join(s.oracle.wrong, "\n"))
	}
	got := map[job.Outcome]int{}
	for id := range s.oracle.rows {
		got[s.oracle.rows[id].Outcome]++
	}
	for _, o := range want {
		got[o]--
	}
	for o, n := range got {
		if n != 0 {
			s.t.Errorf("outcome %q: %+d", o, n)
		}
	}
	if len(s.oracle.bills) != billed || s.calls != calls || s.queues.Depth("dead") != dead {
		s.t.Errorf("%d billed, want %d; %d calls, want %d; %d dead letters, want %d", len(s.oracle.bills), billed, s.calls, calls, s.queues.Depth("dead"), dead)
	}
}

func TestDuplicateDelivery(t *testing.T) {
	t.Parallel()
	t.Run("at the same moment", func(t *testing.T) {
		t.Parallel()
		s := newScene(t, 5, faulty.Script{"Deliver": faulty.Twice})
		s.accept("")
		s.work()
		s.end(1, 1, 0, job.Success)
	})
	t.Run("after the end", func(t *testing.T) {
		t.Parallel()
		s := newScene(t, 5, faulty.Script{"Acknowledge": faulty.LoseReply})
		c := s.accept("")
		s.work()
		if j := s.row(c); j.State != job.Succeeded || s.queues.Depth("default") != 1 {
			t.Fatalf("state %s, depth %d", j.State, s.queues.Depth("default"))
		}
		s.end(1, 1, 0, job.Success)
	})
}

func TestLostReplyAfterCommit(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"AcceptPoint", "Send", "Claim", "Subject", "Settle"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, 5, faulty.Script{op: faulty.LoseReply})
			c := s.accept("")
			s.again(c)
			s.work()
			calls := 1
			s.end(1, calls, 0, job.Success)
		})
	}
}

func TestCrashBeforeCommit(t *testing.T) {
	t.Parallel()
	s := newScene(t, 5, faulty.Script{"Settle": faulty.CrashBefore})
	c := s.accept("")
	s.work()
	if j := s.row(c); j.State != job.Running || len(s.oracle.bills) != 0 {
		t.Fatalf("after the crash: %+v", j)
	}
	s.end(1, 1, 0, job.Success) // the second attempt finds the answer in the cache
	if j := s.row(c); j.Attempts != 2 || j.History[0].Code != job.AttemptLost {
		t.Errorf("after the second attempt: %+v", j)
	}
}

func TestCrashAfterCommit(t *testing.T) {
	t.Parallel()
	s := newScene(t, 5, faulty.Script{"Settle": faulty.CrashAfter})
	c := s.accept("")
	s.work()
	if j := s.row(c); j.State != job.Succeeded || s.queues.Depth("default") != 1 {
		t.Fatalf("state %s, depth %d", j.State, s.queues.Depth("default"))
	}
	s.end(1, 1, 0, job.Success)
}

func TestCrashBetweenAcceptAndSend(t *testing.T) {
	t.Parallel()
	s := newScene(t, 5, faulty.Script{"Send": faulty.CrashBefore})
	c := s.accept("")
	if c.job != "" || s.queues.Depth("default") != 0 || len(s.oracle.rows) != 1 {
		t.Fatalf("job %q, depth %d, %d rows", c.job, s.queues.Depth("default"), len(s.oracle.rows))
	}
	s.again(c) // the application asks again, with the same key
	if c.job == "" || len(s.oracle.rows) != 1 {
		t.Errorf("job %q, %d rows", c.job, len(s.oracle.rows))
	}
	s.end(1, 1, 0, job.Success) // the relay sent what nobody had
	if j := s.row(c); j.Resends != 1 {
		t.Errorf("resends %d", j.Resends)
	}
}

func TestTwoJobsForOnePoint(t *testing.T) {
	t.Parallel()
	t.Run("one after the other", func(t *testing.T) {
		t.Parallel()
		s := newScene(t, 5, faulty.Script{})
		first := s.accept("")
		s.work()
		s.accept(s.row(first).Point)
		s.work()
		s.end(1, 1, 0, job.Success, job.AlreadyDone)
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		s := newScene(t, 5, faulty.Script{})
		first := s.accept("")
		s.accept(s.row(first).Point)
		s.work()
		s.end(1, 2, 0, job.Success, job.AlreadyDone) // both asked, one was billed
	})
}

func TestTenJobsAtLimitMinusOne(t *testing.T) {
	t.Parallel()
	const limit = 3
	s := newScene(t, limit, faulty.Script{})
	for range limit - 1 {
		s.accept("")
		s.work()
	}
	for range 10 {
		s.accept("")
	}
	s.work()
	want := make([]job.Outcome, 0, limit+9)
	for range limit {
		want = append(want, job.Success)
	}
	for range 9 {
		want = append(want, job.UserQuotaExceeded)
	}
	s.end(limit, limit, 0, want...)
}

func TestUnitComesBackForTheWaiting(t *testing.T) {
	t.Parallel()
	s := newScene(t, 1, faulty.Script{})
	s.answer = once(job.Errorf(job.InvalidRequest, "400"))
	s.accept("")
	s.accept("")
	s.work() // the first takes the unit and dies; the second waits for it
	s.end(1, 2, 1, "", job.Success)
}

func TestRedriveRunsOnceMore(t *testing.T) {
	t.Parallel()
	s := newScene(t, 5, faulty.Script{})
	s.answer = once(job.Errorf(job.InvalidRequest, "400"))
	c := s.accept("")
	s.end(0, 1, 1, "")
	s.advance(time.Hour)
	for range 2 { // the second finds nothing to move
		s.redrive()
	}
	s.end(1, 2, 0, job.Success)
	if j := s.row(c); j.Generation != 1 || j.Attempts != 1 || s.redrives != 1 {
		t.Errorf("%d redriven: %+v", s.redrives, j)
	}
}

func TestCrashInEveryAttemptIsBuriedOnce(t *testing.T) {
	t.Parallel()
	script := faulty.Script{}
	s := newScene(t, 5, script)
	c := s.accept("")
	for range tries {
		script["Settle"] = faulty.CrashBefore
		s.work()
		s.advance(visibility)
	}
	s.end(0, 1, 1, "")
	if j := s.row(c); j.State != job.Dead || j.Code != job.AttemptsSpent || len(j.History) != tries {
		t.Errorf("got %+v", j)
	}
}
