package storetest

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/relay"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// lineRules: jobs that wait for a slot of the limiter are found by queue and owner, and only
// as long as they wait.
func lineRules() []rule {
	return []rule{
		{"jobs in line are found by queue and owner, the oldest first, and their owners with them", jobsInLine},
		{"whatever takes a job out of the line does so at once", leavesTheLine},
		{"a job joins the line when it is released, lined up or made up", joinsTheLine},
		{"owners have their turns, and leave when their line was empty for long", turnsInLine},
		{"a job in line is sent before its look", sentFromTheLine},
		{"units are counted under the plan of now", unitsInLine},
	}
}

// queueOf names a queue that no other rule uses: lines are shared by all owners of a queue.
func queueOf(t *testing.T) string { return "q-" + id(t) }

// lined stores a job that stands in line since some minutes after start.
func lined(t *testing.T, s Store, owner, queue string, minutes int) job.Job {
	t.Helper()
	at := start().Add(time.Duration(minutes) * time.Minute)
	j := newJob(t, func(j *job.Job) { j.Owner, j.Queue = owner, queue })
	j.Created = at
	j = job.InLine(j, at)
	if _, existed, err := s.Accept(context.Background(), &j); err != nil || existed {
		t.Fatalf("accept: %v, %v", existed, err)
	}
	return j
}

// line demands the jobs of an owner in line.
func line(t *testing.T, s Store, owner, queue string, want ...job.Job) {
	t.Helper()
	got, err := s.InLine(context.Background(), queue, owner, 10)
	if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("in line %+v, %v\nwant %+v", got, err, want)
	}
}

// owners demands the owners in line at a queue, in this order.
func owners(t *testing.T, s Store, queue string, now time.Time, want ...string) {
	t.Helper()
	found, err := s.Waiters(context.Background(), queue, now, 10)
	var got []string
	for _, w := range found {
		got = append(got, w.Owner)
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("owners in line %v, %v, want %v", got, err, want)
	}
}

func jobsInLine(t *testing.T, s Store) {
	queue, other := queueOf(t), queueOf(t)
	a, b := "a#"+id(t), "b-"+id(t)
	second, first := lined(t, s, a, queue, 2), lined(t, s, a, queue, 1)
	elsewhere, foreign := lined(t, s, a, other, 0), lined(t, s, b, queue, 3)
	line(t, s, a, queue, first, second)
	line(t, s, a, other, elsewhere)
	line(t, s, b, queue, foreign)
	line(t, s, b, other)
	if got, err := s.InLine(context.Background(), queue, a, 1); err != nil || len(got) != 1 || got[0].ID != first.ID {
		t.Errorf("one of two: %+v, %v", got, err)
	}
	found, err := s.Waiters(context.Background(), queue, start(), 10)
	if err != nil || len(found) != 2 || !found[0].Turn.IsZero() || !found[1].Turn.IsZero() {
		t.Errorf("owners %+v, %v: neither has had a turn", found, err)
	}
	if found, err = s.Waiters(context.Background(), queue, start(), 1); err != nil || len(found) != 1 {
		t.Errorf("one of two owners: %+v, %v", found, err)
	}
	p := newPoint(t)
	p.Owner = b
	j := job.InLine(newJob(t, func(j *job.Job) { j.Owner, j.Queue, j.Point = b, other, p.ID }), start())
	if _, _, existed, err := s.AcceptPoint(context.Background(), &p, &j); err != nil || existed {
		t.Fatalf("accept with a point: %v, %v", existed, err)
	}
	line(t, s, b, other, j)
}

func leavesTheLine(t *testing.T, s Store) {
	ctx, queue := context.Background(), queueOf(t)
	for name, leave := range map[string]func(j job.Job) error{
		"claim": func(j job.Job) error {
			claim(t, s, request(j.Message(), "x", start()), job.Run)
			return nil
		},
		"cancel": func(j job.Job) error {
			_, err := s.Amend(ctx, j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, start()) })
			return err //nolint:wrapcheck // shown as it is
		},
		"snooze": func(j job.Job) error {
			_, err := s.Amend(ctx, j.ID, func(j job.Job) (job.Job, error) { return job.Snooze(j, time.Minute, Timing(), start()) })
			return err //nolint:wrapcheck // shown as it is
		},
		"send": func(j job.Job) error {
			_, _, err := s.Retake(ctx, &j, start(), Timing(), start())
			return err //nolint:wrapcheck // shown as it is
		},
	} {
		owner := name + "-" + id(t)
		j := lined(t, s, owner, queue, 0)
		if err := leave(j); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		line(t, s, owner, queue)
		if got := row(t, s, j.ID); got.AwaitsSlot {
			t.Errorf("%s: still in line: %+v", name, got)
		}
	}
}

func joinsTheLine(t *testing.T, s Store) {
	ctx, queue := context.Background(), queueOf(t)
	mine := func(j *job.Job) { j.Queue = queue }
	held := running(t, s, mine)
	next := job.GivenBack(held, &job.Error{Code: job.Limited, Message: "full"}, Timing(), start())
	conclude(t, s, &held, next, worker.Written)
	line(t, s, held.Owner, queue, next)

	due := accepted(t, s, mine)
	now := due.Look
	got, err := s.Amend(ctx, due.ID, func(j job.Job) (job.Job, error) { return job.InLine(j, now), nil })
	if err != nil {
		t.Fatal(err)
	}
	line(t, s, due.Owner, queue, got)
	if h, ok := hint(t, s, due.ID, now); ok {
		t.Errorf("the sweep finds it still: %+v", h)
	}
	owned, err := s.Waiters(ctx, queue, start(), 10)
	if err != nil || len(owned) != 2 {
		t.Errorf("owners %+v, %v", owned, err)
	}
}

func turnsInLine(t *testing.T, s Store) {
	ctx, queue := context.Background(), queueOf(t)
	a, b := "a-"+id(t), "b-"+id(t)
	for i := range 3 {
		lined(t, s, a, queue, i)
	}
	lined(t, s, b, queue, 0)
	at := start().Add(time.Second)
	turn := func(owner string, next time.Time) {
		t.Helper()
		if err := s.Served(ctx, queue, owner, next); err != nil {
			t.Error(err)
		}
	}
	turn(a, at)
	owners(t, s, queue, at, b, a)
	turn(b, at.Add(time.Second))
	owners(t, s, queue, at, a) // the turn of b is later
	owners(t, s, queue, at.Add(time.Second), a, b)
	lined(t, s, a, queue, 9) // does not change its turn
	owners(t, s, queue, at.Add(time.Second), a, b)
	empty := func(now time.Time) {
		t.Helper()
		if err := s.Emptied(ctx, queue, b, now, now); err != nil {
			t.Error(err)
		}
	}
	empty(at.Add(time.Minute))
	lined(t, s, b, queue, 1) // joined again: it was not empty for long
	empty(at.Add(time.Minute + relay.KeepEmpty))
	owners(t, s, queue, later(), a, b)
	empty(at.Add(time.Minute + 2*relay.KeepEmpty - time.Millisecond))
	owners(t, s, queue, later(), a, b)
	empty(at.Add(time.Minute + 2*relay.KeepEmpty))
	owners(t, s, queue, later(), a)
	turn(b, at) // too late: it has left
	owners(t, s, queue, later(), a)
	lined(t, s, b, queue, 2)
	owners(t, s, queue, later(), b, a)
}

func sentFromTheLine(t *testing.T, s Store) {
	j := lined(t, s, "u-"+id(t), queueOf(t), 0)
	slot := start().Add(3 * time.Second)
	sent, ok, err := s.Retake(context.Background(), &j, slot, Timing(), start())
	if err != nil || !ok || sent.Ticket != 2 || !sent.Slot.Equal(slot) || sent.AwaitsSlot {
		t.Fatalf("sent %v, %v, %+v", ok, err, sent)
	}
	if got := row(t, s, j.ID); !reflect.DeepEqual(got, sent) {
		t.Errorf("row %+v\nwant %+v", got, sent)
	}
	// Another relay that saw it in line, too.
	if _, ok, err := s.Retake(context.Background(), &j, slot, Timing(), start()); ok || err != nil {
		t.Errorf("sent twice: %v, %v", ok, err)
	}
}

func unitsInLine(t *testing.T, s Store) {
	ctx := context.Background()
	j := running(t, s, limited("u-"+id(t), 3))
	waiting := newJob(t, func(n *job.Job) { n.Owner, n.Tier, n.Limit = j.Owner, j.Tier, 3 })
	units := func(j *job.Job, limit, taken int) {
		t.Helper()
		m, got, err := s.Units(ctx, j, start())
		if err != nil || got != limit || m.Taken != taken {
			t.Errorf("%d of %d taken, %v; want %d of %d", m.Taken, got, err, taken, limit)
		}
	}
	units(&waiting, 3, 1)
	units(&j, job.Unlimited, 0) // it has its unit
	free := newJob(t, nil)
	units(&free, job.Unlimited, 0)
	if _, err := s.NotePlan(ctx, j.Owner, job.Plan{Tier: string(usage.Enterprise), Limit: job.Unlimited, Issued: start()}); err != nil {
		t.Fatal(err)
	}
	units(&waiting, job.Unlimited, 0)
}
