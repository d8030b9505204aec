package faulty_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
)

// ports calls every method of every decorated port once.
func ports(ctx context.Context, p *faulty.Process) map[string]func() error {
	table := memstore.New(job.DefaultTiming())
	s, c := &faulty.Store{Table: table, Process: p}, &faulty.Cache{Inner: table, Process: p}
	o := &faulty.Operations{Inner: table, Process: p}
	queues := memqueue.New(memqueue.Config{Now: time.Now, Visibility: time.Minute, MaxReceives: 8, Names: []string{"default"}})
	q, d := &faulty.Queue{Inner: queues, Process: p}, &faulty.DeadLetters{Inner: queues.Dead(), Process: p}
	var j job.Job
	now := time.Now()
	all := map[string]func() error{
		"Record":       func() error { _, err := s.Record(ctx, &j, &j, nil, nil); return err },
		"MarkFailed":   func() error { return s.MarkFailed(ctx, "", "", now, now) },
		"Claim":        func() error { _, err := s.Claim(ctx, job.ClaimRequest{}); return err },
		"Settle":       func() error { _, err := s.Settle(ctx, &j, &j, &satellite.Analysis{}); return err },
		"Conclude":     func() error { _, err := s.Conclude(ctx, &j, &j); return err },
		"AcceptPoint":  func() error { _, _, _, err := s.AcceptPoint(ctx, &point.Point{}, &j); return err },
		"NotePlan":     func() error { _, err := s.NotePlan(ctx, "u", job.Plan{}); return err },
		"Remember":     func() error { _, err := s.Remember(ctx, &job.Job{ID: "other"}, &j); return err },
		"Accept":       func() error { _, _, err := s.Accept(ctx, &j); return err },
		"Point":        func() error { _, err := s.Point(ctx, ""); return err },
		"Subject":      func() error { _, _, err := s.Subject(ctx, "", 1); return err },
		"Due":          func() error { _, err := s.Due(ctx, 0, now, 1); return err },
		"Retake":       func() error { _, _, err := s.Retake(ctx, &j, now, job.DefaultTiming(), now); return err },
		"Bury":         func() error { _, err := s.Bury(ctx, job.Message{}, deadletter.Letter{}, now); return err },
		"RecordPoison": func() error { return s.RecordPoison(ctx, deadletter.Letter{}, "", now) },
		"Amend": func() error {
			_, err := s.Amend(ctx, "", func(j job.Job) (job.Job, error) { return j, nil })
			return err
		},
		"Peek":          func() error { _, err := s.Peek(ctx, nil, now); return err },
		"Waiters":       func() error { _, err := s.Waiters(ctx, "", now, 1); return err },
		"InLine":        func() error { _, err := s.InLine(ctx, "", "", 1); return err },
		"Served":        func() error { return s.Served(ctx, "", "", now) },
		"Emptied":       func() error { return s.Emptied(ctx, "", "", now, now) },
		"Units":         func() error { _, _, err := s.Units(ctx, &job.Job{}, now); return err },
		"Pending":       func() error { _, _, err := s.Pending(ctx, 0, now, "", 1); return err },
		"MarkDelivered": func() error { return s.MarkDelivered(ctx, "", now) },
		"Postpone":      func() error { return s.Postpone(ctx, "", now) },
		"Receivers":     func() error { _, err := s.Receivers(ctx, ""); return err },
		"SaveReceivers": func() error { return s.SaveReceivers(ctx, "", nil, now) },
		"Lapsed":        func() error { _, err := s.Lapsed(ctx, now, 1); return err },
		"Door":          func() error { _, err := s.Door(ctx); return err },
		"SaveDoor":      func() error { _, _, err := s.SaveDoor(ctx, limit.Row{}); return err },
		"RecordCalls":   func() error { return s.RecordCalls(ctx, nil) },
		"Cached":        func() error { _, _, err := c.Cached(ctx, "", now); return err },
		"Keep":          func() error { return c.Keep(ctx, "", satellite.Series{}, now) },
		"Tell": func() error {
			return faulty.Tell(p, func(context.Context, job.Event) error { return nil })(ctx, job.Event{})
		},
		"SaveOperation":   func() error { _, err := o.SaveOperation(ctx, &deadletter.Operation{}); return err },
		"Operation":       func() error { _, err := o.Operation(ctx, ""); return err },
		"CountOperations": func() error { _, err := o.CountOperations(ctx, "u", 1); return err },
		"OpenOperations":  func() error { _, err := o.OpenOperations(ctx, 1); return err },
		"Job":             func() error { _, err := o.Job(ctx, ""); return err },
		"Jobs":            func() error { _, _, err := s.Jobs(ctx, "", "", "", 1); return err },
		"Dead":            func() error { _, _, err := s.Dead(ctx, "", "", 1); return err },
		"Send":            func() error { return q.Send(ctx, "default", job.Message{}, 0) },
		"Hide":            func() error { return q.Hide(ctx, "default", "r", 0) },
		"Moving":          func() error { _, err := d.Moving(ctx); return err },
		"Receive":         func() error { _, err := d.Receive(ctx); return err },
		"Delete":          func() error { return d.Delete(ctx, "r") },
		"Return":          func() error { return d.Return(ctx, "r") },
	}
	maps.Copy(all, flows(ctx, table, p))
	maps.Copy(all, steps(ctx, table, p))
	return all
}

// flows calls every method of the ports of chains and batches once. What they ask for is
// there, so that a call without a fault is one without an error.
func flows(ctx context.Context, table *memstore.Store, p *faulty.Process) map[string]func() error {
	f := &faulty.Flows{FlowTable: table, Process: p}
	c, b, n := job.Chain{ID: "c"}, job.Batch{ID: "b"}, job.Notice{ID: "n", Owner: "u"}
	it := b.Item("p", 1)
	_, _, err := table.AcceptChain(ctx, &c)
	_, _, err2 := table.AcceptBatch(ctx, &b, []job.Item{it})
	if err := errors.Join(err, err2, table.PutNotice(ctx, &n)); err != nil {
		panic(err) // the model refuses nothing of this
	}
	return map[string]func() error{
		"AcceptChain": func() error { _, _, err := f.AcceptChain(ctx, &c); return err },
		"Chain":       func() error { _, err := f.Chain(ctx, "c"); return err },
		"AmendChain": func() error {
			_, err := f.AmendChain(ctx, "c", func(c job.Chain) (job.Chain, error) { return c, nil })
			return err
		},
		"OwnChains":   func() error { _, _, err := f.OwnChains(ctx, "", "", 1); return err },
		"AcceptBatch": func() error { _, _, err := f.AcceptBatch(ctx, &b, nil); return err },
		"Batch":       func() error { _, err := f.Batch(ctx, "b"); return err },
		"AmendBatch": func() error {
			_, err := f.AmendBatch(ctx, "b", func(b job.Batch) (job.Batch, flow.Change, error) { return b, flow.Change{}, nil })
			return err
		},
		"OwnBatches": func() error { _, _, err := f.OwnBatches(ctx, "", "", 1); return err },
		"Items":      func() error { _, _, err := f.Items(ctx, &b, "", 1); return err },
		"Item":       func() error { _, err := f.Item(ctx, &b, "p"); return err },
		"AmendItem": func() error {
			_, err := f.AmendItem(ctx, &b, "p", func(it job.Item) (job.Item, error) { return it, nil })
			return err
		},
		"Points":     func() error { _, err := f.Points(ctx, nil); return err },
		"FindPoints": func() error { _, err := f.FindPoints(ctx, "", flow.Filter{}, 1); return err },
		"OpenFlows":  func() error { _, err := f.OpenFlows(ctx, time.Now(), 1); return err },
		"Deliveries": func() error { _, err := f.Deliveries(ctx, nil); return err },
		"Notice":     func() error { _, err := f.Notice(ctx, "u", "n"); return err },
		"PutNotice":  func() error { return f.PutNotice(ctx, &n) },
	}
}

// reads are the methods that change nothing.
func reads() []string {
	return []string{
		"Point", "Subject", "Due", "Dead", "Moving", "Peek", "Waiters", "InLine", "Units", "Pending", "Receivers", "Lapsed", "Door", "Cached", "Operation", "OpenOperations", "CountOperations", "Job", "Jobs",
		"Chain", "OwnChains", "Batch", "OwnBatches", "Items", "Item", "Points", "FindPoints", "OpenFlows", "Deliveries", "Notice",
		"Subject of a step", "Job of a step", "Zones", "Peers", "Preferences", "Quality", "Running",
	}
}

// TestEveryPortSuffersEveryFault: a method that escaped its faults would make
// every simulation blind there.
func TestEveryPortSuffersEveryFault(t *testing.T) {
	t.Parallel()
	for name := range ports(t.Context(), &faulty.Process{Plan: faulty.Calm{}}) {
		for _, c := range []struct {
			fault faulty.Fault
			code  job.Code
			down  bool
			stops int // at the pauses: before and behind an effect, behind a read
		}{
			{faulty.Refuse, job.Throttled, false, 1},
			{faulty.LoseReply, job.Internal, false, 2},
			{faulty.CrashBefore, job.Internal, true, 0},
			{faulty.CrashAfter, job.Internal, true, 2},
		} {
			if slices.Contains(reads(), name) {
				c.stops = min(c.stops, 1)
			}
			stops := 0
			method, _, _ := strings.Cut(name, " ") // what follows tells two ports apart
			p := &faulty.Process{Plan: faulty.Script{method: c.fault}, Pause: func() { stops++ }}
			all := ports(t.Context(), p)
			err := all[name]()
			if job.CodeOf(err) != c.code || p.Down() != c.down || errors.Is(err, faulty.ErrDown) != c.down || stops != c.stops {
				t.Errorf("%s, %v: %v, down %v, %d stops", name, c.fault, err, p.Down(), stops)
			}
			for other, call := range all {
				if err := call(); c.down && !errors.Is(err, faulty.ErrDown) {
					t.Errorf("%s has an effect after the end of its process: %v", other, err)
				}
			}
		}
	}
}

// TestARequestOnItsWayArrives: a process that is killed while it waits for a reply
// has sent its request.
func TestARequestOnItsWayArrives(t *testing.T) {
	t.Parallel()
	table := memstore.New(job.DefaultTiming())
	p := &faulty.Process{Plan: faulty.Calm{}}
	p.Pause = p.Kill
	s := &faulty.Store{Table: table, Process: p}
	j := job.Job{ID: job.DerivedID("x")}
	if _, _, err := s.Accept(t.Context(), &j); !errors.Is(err, faulty.ErrDown) {
		t.Errorf("got %v", err)
	}
	if _, err := table.Job(t.Context(), j.ID); err != nil {
		t.Errorf("the row is not there: %v", err)
	}
}

func TestRandomRepeatsAndCounts(t *testing.T) {
	t.Parallel()
	draw := func() ([]faulty.Fault, *faulty.Random) {
		r := &faulty.Random{Rand: rand.New(rand.NewPCG(7, 7))}
		for _, f := range faulty.Faults() {
			r.Chance[f] = 0.1
		}
		var all []faulty.Fault
		for i := range 10_000 {
			all = append(all, r.Next([]string{"Claim", "Deliver"}[i%2]))
		}
		return all, r
	}
	first, r := draw()
	again, _ := draw()
	if !reflect.DeepEqual(first, again) {
		t.Error("the same seed gave other faults")
	}
	counted := map[faulty.Fault]int{}
	for i, f := range first {
		counted[f]++
		if (f == faulty.Twice) && i%2 == 0 || i%2 == 1 && f != faulty.None && f != faulty.Twice {
			t.Fatalf("fault %v at call %d", f, i)
		}
	}
	for _, f := range faulty.Faults() {
		if counted[f] != r.Injected[f] || counted[f] < 400 || counted[f] > 600 || f.String() == "" {
			t.Errorf("%v: %d drawn, %d counted", f, counted[f], r.Injected[f])
		}
	}
	if faulty.Deliver(faulty.Script{"Deliver": faulty.Twice}) != 2 || faulty.Deliver(faulty.Calm{}) != 1 {
		t.Error("a batch is not delivered as often as planned")
	}
}

// TestEveryMethodOfThePortsIsTried: one that is added later and stands before no fault would
// make every simulation blind there.
func TestEveryMethodOfThePortsIsTried(t *testing.T) {
	t.Parallel()
	tried := ports(t.Context(), &faulty.Process{Plan: faulty.Calm{}})
	for _, port := range []reflect.Type{reflect.TypeFor[faulty.Table](), reflect.TypeFor[faulty.FlowTable](), reflect.TypeFor[deadletter.Operations](), reflect.TypeFor[deadletter.Queue]()} {
		for method := range port.Methods() {
			if tried[method.Name] == nil {
				t.Errorf("%s.%s is not tried", port.Name(), method.Name)
			}
		}
	}
}

// TestAProcessCanEndWithHalfOfABatch, and only if it was alive and the request had not arrived.
func TestAProcessCanEndWithHalfOfABatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault faulty.Fault
		down  bool
		items int
		batch bool
	}{
		{"before", faulty.CrashBefore, false, 2, false},
		{"after", faulty.CrashAfter, false, 5, true},
		{"refused", faulty.Refuse, false, 0, false},
		{"reply lost", faulty.LoseReply, false, 5, true},
		{"down already", faulty.None, true, 0, false},
	} {
		table := memstore.New(job.DefaultTiming())
		p := &faulty.Process{Plan: faulty.Script{"AcceptBatch": c.fault}}
		if c.down {
			p.Kill()
		}
		b := job.Batch{ID: "b", Account: job.Account{Owner: "u"}}
		items := []job.Item{b.Item("p", 1), b.Item("q", 1), b.Item("r", 1), b.Item("s", 1), b.Item("t", 1)}
		if _, _, err := (&faulty.Flows{FlowTable: table, Process: p}).AcceptBatch(t.Context(), &b, items); err == nil {
			t.Errorf("%s: no error", c.name)
		}
		left, _, err := table.Items(t.Context(), &b, "", 10)
		_, missing := table.Batch(t.Context(), "b")
		if err != nil || len(left) != c.items || (missing == nil) != c.batch {
			t.Errorf("%s: %d items, batch: %v; %v", c.name, len(left), missing, err)
		}
		// Whoever asks again gets a whole batch.
		if _, existed, err := table.AcceptBatch(t.Context(), &b, items); err != nil || existed != c.batch {
			t.Errorf("%s: again: existed %v, %v", c.name, existed, err)
		}
	}
}

// TestWithoutFaultsAProcessSeesTheTable as it is: every answer comes through whole.
func TestWithoutFaultsAProcessSeesTheTable(t *testing.T) {
	t.Parallel()
	ctx, table := t.Context(), memstore.New(job.DefaultTiming())
	f := &faulty.Flows{FlowTable: table, Process: &faulty.Process{Plan: faulty.Calm{}}}
	c := job.Chain{ID: "c", Account: job.Account{Owner: "u"}, Look: time.Unix(1, 0).UTC()}
	b := job.Batch{ID: "b", Account: job.Account{Owner: "u"}}
	items := []job.Item{b.Item("p", 1), b.Item("q", 1)}
	for _, existed := range []bool{false, true} {
		_, chain, err := f.AcceptChain(ctx, &c)
		_, batch, err2 := f.AcceptBatch(ctx, &b, items)
		if err != nil || err2 != nil || chain != existed || batch != existed {
			t.Errorf("chain existed %v, %v, batch %v, %v", chain, err, batch, err2)
		}
	}
	chains, _, err := f.OwnChains(ctx, "u", "", 5)
	batches, _, err2 := f.OwnBatches(ctx, "u", "", 5)
	page, next, err3 := f.Items(ctx, &b, "", 1)
	open, err4 := f.OpenFlows(ctx, time.Unix(2, 0), 5)
	if err := errors.Join(err, err2, err3, err4); err != nil || !reflect.DeepEqual(chains, []job.Chain{c}) || len(batches) != 1 || batches[0].ID != "b" ||
		!reflect.DeepEqual(page, items[:1]) || next != "p" || !slices.Equal(open, []job.Flow{job.ChainFlow("c")}) {
		t.Errorf("chains %+v\nbatches %+v\nitems %+v, next %q\nopen %v, %v", chains, batches, page, next, open, err)
	}
	if _, err := f.Chain(ctx, "none"); job.CodeOf(err) != job.NotFound {
		t.Errorf("an error of the table: %v", err)
	}
}
