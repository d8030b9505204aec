package sim_test

import (
	"slices"
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// dispatch lets an application ask for another job, in its own way.
func (s *scene) dispatch(pointID string, how func(*client)) *client {
	c := newClient(s.world, len(s.clients), "user")
	c.delay, c.maxWait, c.unique, c.now, c.queue, c.point = nil, nil, "", false, "default", pointID
	c.request.Key = "promise-" + string(rune('a'+len(s.clients)))
	how(c)
	s.clients = append(s.clients, c)
	s.again(c)
	return c
}

// TestTheNextLookIsNotBroughtForward: a job that looks for an image again has
// started, so the end of its max_wait says nothing any more.
func TestTheNextLookIsNotBroughtForward(t *testing.T) {
	t.Parallel()
	s := newScene(t, 5, faulty.Script{})
	first := newClient(s.world, 0, "user")
	first.age, first.request.Key, first.point, first.queue = 0, "today", "", "low" // a reading of today has no image yet
	s.clients = append(s.clients, first)
	s.again(first)
	c := s.dispatch(s.row(first).Point, func(c *client) { c.maxWait = new(600) })
	s.work()
	j := s.row(c)
	if j.State != job.Waiting || j.Due.Sub(s.now) < 23*time.Hour {
		t.Fatalf("it does not look again: %+v", j)
	}
	if j.Look.Before(j.Due) {
		t.Errorf("the relay sends it at %v, it is due at %v", j.Look, j.Due)
	}
}

// TestAMaxWaitIsKept: a job that nobody could start in time dies of it, in time.
func TestAMaxWaitIsKept(t *testing.T) {
	t.Parallel()
	s := newScene(t, 5, faulty.Script{})
	first := s.accept("")
	c := s.dispatch(s.row(first).Point, func(c *client) { c.maxWait = new(600) })
	s.advance(10 * time.Minute)
	s.work()
	if j := s.row(c); j.State != job.Dead || j.Code != job.MaxWaitExceeded || j.Attempts != 0 {
		t.Errorf("got %+v", j)
	}
}

// TestASlotIsBookedBeforeItIsUsed: a relay whose write of the door is refused has
// booked nothing.
func TestASlotIsBookedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	for _, f := range []faulty.Fault{faulty.Refuse, faulty.LoseReply, faulty.CrashBefore} {
		script := faulty.Script{"Send": faulty.CrashBefore}
		s := newScene(t, 5, script)
		s.accept("")
		s.advance(20 * time.Minute)
		script["SaveDoor"] = f
		s.relay()
		s.finish()
		door, err := s.table.Door(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		j := s.oracle.rows[job.DerivedID("user", "POST /v1/data-points", "key", "job")]
		if !j.Slot.IsZero() && !slices.ContainsFunc(door.Shared, func(b limit.Booking) bool { return b.At.Equal(j.Slot) }) {
			t.Errorf("%v: the job has slot %v, booked are %v", f, j.Slot, door.Shared)
		}
	}
}

// TestASynchronousJobSendsOnlyTicketsOfItsRow: a ticket that was to be given out by
// a write that failed is given out again later, to another message.
func TestASynchronousJobSendsOnlyTicketsOfItsRow(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"Settle", "Conclude"} {
		for _, f := range []faulty.Fault{faulty.Refuse, faulty.LoseReply} {
			s := newScene(t, 5, faulty.Script{op: f})
			first := s.accept("")
			if op == "Conclude" {
				s.answer = once(&job.Error{Code: job.ProviderRateLimit, Message: "429", RetryAfter: time.Minute})
			}
			c := s.dispatch(s.row(first).Point, func(c *client) { c.now = true })
			j := s.row(c)
			s.advance(2 * time.Minute)
			for _, d := range s.queues.Receive("default", 10) {
				if m, ours := read(d.Body); ours && m.Job == j.ID && m.Ticket > j.Ticket {
					t.Errorf("%s %v: ticket %d was sent, the row has given out %d", op, f, m.Ticket, j.Ticket)
				}
			}
		}
	}
}
