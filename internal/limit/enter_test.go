package limit_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"orbitq/internal/limit"
)

// narrow is a policy of one call per window, and two failures.
func narrow() limit.Policy {
	p := limit.DefaultPolicy()
	p.Shared, p.Reserved, p.Exceptions = 1, 1, 2
	p.Requests, p.Units = 5, 2
	return p
}

// at is a moment some seconds after start.
func at(seconds float64) time.Time { return start().Add(time.Duration(seconds * float64(time.Second))) }

func month() string { return "2026-03" }

// made is a call that was allowed at a moment, of a job and owner that are called other.
func made(seconds float64) limit.Booking {
	return limit.Booking{At: at(seconds), Job: limit.Tag("other"), Owner: limit.Tag("other"), Made: true}
}

// booked is the booking of the job "mine" for a moment.
func booked(seconds float64) limit.Booking {
	return limit.Booking{At: at(seconds), Job: limit.Tag("mine"), Owner: limit.Tag("me")}
}

// april is how long it takes until the next month.
func april() time.Duration { return time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).Sub(start()) }

func TestEnter(t *testing.T) {
	t.Parallel()
	busy := limit.Row{Shared: []limit.Booking{made(0)}}
	mine := func(seconds float64) limit.Row { return limit.Row{Shared: []limit.Booking{booked(seconds)}} }
	open := limit.Breaker{Until: at(60), Failures: []time.Time{at(-240)}}
	over := limit.Breaker{Until: at(0)}
	probing := limit.Breaker{Until: at(0), Probe: at(20)}
	budget := func(b limit.Budget, r limit.Row) limit.Row { r.Budget = b; return r }
	waiting := limit.Row{Waiting: []limit.Waiter{{Owner: limit.Tag("other"), Until: at(5)}}}
	for _, c := range []struct {
		name    string
		row     limit.Row
		pass    limit.Pass
		refusal limit.Refusal
		slot    float64 // seconds, of a granted or kept slot
		wait    time.Duration
		counted int
		probe   bool
	}{
		{"an unused limiter", limit.Row{}, limit.Pass{}, limit.Granted, 0, 0, 1, false},
		{"the next slot is a window away", busy, limit.Pass{}, limit.TooFull, 0, 61500 * time.Millisecond, 0, false},
		{"a patient call waits for it", busy, limit.Pass{Patience: 62 * time.Second}, limit.Granted, 61.5, 61500 * time.Millisecond, 1, false},
		{"the high queue has a lane of its own", busy, limit.Pass{High: true}, limit.Granted, 0, 0, 1, false},
		{"a slot that was booked", mine(0), limit.Pass{Slot: at(0)}, limit.Granted, 0, 0, 1, false},
		{"in its last moment", mine(-5), limit.Pass{Slot: at(-5)}, limit.Granted, 0, 0, 1, false},
		{"too late for it, but another one is free", mine(-5.001), limit.Pass{Slot: at(-5.001)}, limit.Granted, 0, 0, 1, false},
		{"a little early for it", mine(1), limit.Pass{Slot: at(1), Patience: limit.Patience}, limit.Granted, 1, time.Second, 1, false},
		{"long before it", mine(40), limit.Pass{Slot: at(40), Patience: limit.Patience}, limit.Granted, 40, 40 * time.Second, 0, false},
		{"a slot that another job has", busy, limit.Pass{Slot: at(0)}, limit.TooFull, 0, 61500 * time.Millisecond, 0, false},
		{"another owner waits: below an equal share", waiting, limit.Pass{}, limit.Granted, 0, 0, 1, false},
		{"the breaker is open", limit.Row{Breaker: open}, limit.Pass{}, limit.Broken, 0, time.Minute, 0, false},
		{"a slot does not open it", limit.Row{Breaker: open, Shared: mine(0).Shared}, limit.Pass{Slot: at(0)}, limit.Broken, 0, time.Minute, 0, false},
		{"its time is over: a probe", limit.Row{Breaker: over}, limit.Pass{}, limit.Granted, 0, 0, 1, true},
		{"a probe with a slot", limit.Row{Breaker: over, Shared: mine(0).Shared}, limit.Pass{Slot: at(0)}, limit.Granted, 0, 0, 1, true},
		{"a call that comes again later is no probe", limit.Row{Breaker: over, Shared: busy.Shared}, limit.Pass{}, limit.TooFull, 0, 61500 * time.Millisecond, 0, false},
		{"another call is the probe", limit.Row{Breaker: probing}, limit.Pass{}, limit.Broken, 0, 20 * time.Second, 0, false},
		{"the month's requests are used up", budget(limit.Budget{Month: month(), Requests: 5}, limit.Row{}), limit.Pass{}, limit.MonthOver, 0, april(), 0, false},
		{"also for a booked slot", budget(limit.Budget{Month: month(), Requests: 5}, mine(0)), limit.Pass{Slot: at(0)}, limit.MonthOver, 0, april(), 0, false},
		{"the last one is booked for another job", budget(limit.Budget{Month: month(), Requests: 4}, mine(0)), limit.Pass{Job: "x", High: true}, limit.MonthOver, 0, april(), 0, false},
		{"the last one is its own", budget(limit.Budget{Month: month(), Requests: 4}, mine(0)), limit.Pass{Slot: at(0)}, limit.Granted, 0, 0, 1, false},
		{"the month's units are used up", budget(limit.Budget{Month: month(), Units: 2}, limit.Row{}), limit.Pass{}, limit.MonthOver, 0, april(), 0, false},
		{"the provider says so: no slot helps", budget(limit.Budget{Month: month(), Closed: true}, mine(0)), limit.Pass{Slot: at(0)}, limit.MonthOver, 0, april(), 0, false},
		{"it said so last month", budget(limit.Budget{Month: "2026-02", Closed: true, Requests: 9, Units: 9}, limit.Row{}), limit.Pass{}, limit.Granted, 0, 0, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.pass.Job == "" {
				c.pass.Job = "mine"
			}
			c.pass.Owner = "me"
			next, got := narrow().Enter(c.row, &c.pass, start())
			if got.Refusal != c.refusal || got.Wait != c.wait {
				t.Errorf("refusal %d after %v, want %d after %v", got.Refusal, got.Wait, c.refusal, c.wait)
			}
			if c.refusal == limit.Granted && !got.Slot.Equal(at(c.slot)) {
				t.Errorf("slot %v, want %v", got.Slot, at(c.slot))
			}
			if counted := next.Budget.Requests - c.row.Budget.At(start()).Requests; counted != c.counted || got.Booked.Made != (c.counted == 1) {
				t.Errorf("%d requests are counted, want %d; booked %+v", counted, c.counted, got.Booked)
			}
			if next.Breaker.Probe.Equal(at(30)) != c.probe {
				t.Errorf("breaker %+v, want a probe: %v", next.Breaker, c.probe)
			}
		})
	}
}

// TestOthersThatWaitGoFirst: a call that did not stand in line gets a slot as long as its
// owner has less than an equal share.
func TestOthersThatWaitGoFirst(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	for _, c := range []struct {
		name   string
		held   int // slots of the owner in the window
		others int // other owners that wait
		calls  int // that the attempt has made
		want   limit.Refusal
	}{
		{"no other owner waits", 23, 0, 0, limit.Granted},
		{"one other: below half", 11, 1, 0, limit.Granted},
		{"one other: half", 12, 1, 0, limit.TooFull},
		{"three others: below a quarter", 5, 3, 0, limit.Granted},
		{"three others: a quarter", 6, 3, 0, limit.TooFull},
		{"a second call of an attempt, which would repeat the first", 12, 1, 1, limit.Granted},
	} {
		var row limit.Row
		for range c.held {
			row.Shared = append(row.Shared, limit.Booking{At: at(-30), Owner: limit.Tag("me"), Made: true})
		}
		for i := range c.others {
			row.Waiting = append(row.Waiting, limit.Waiter{Owner: limit.Tag(string(rune('a' + i))), Until: at(1)})
		}
		row.Waiting = append(row.Waiting, limit.Waiter{Owner: limit.Tag("me"), Until: at(1)}, limit.Waiter{Owner: limit.Tag("gone"), Until: at(0)})
		pass := limit.Pass{Job: "j", Owner: "me", Calls: c.calls}
		if _, got := p.Enter(row, &pass, start()); got.Refusal != c.want {
			t.Errorf("%s: %+v, want %d", c.name, got, c.want)
		}
		if p.Open(row, false, "me", 0, start()) {
			t.Errorf("%s: a message that is sent now would pass others of its owner", c.name)
		}
		row.Waiting = slices.DeleteFunc(row.Waiting, func(w limit.Waiter) bool { return w.Owner == limit.Tag("me") })
		if open := p.Open(row, false, "me", 0, start()); c.calls == 0 && open != (c.want == limit.Granted) {
			t.Errorf("%s: a message that is sent now finds a slot: %v", c.name, open)
		}
	}
}

// TestStepsComeAgainOneAfterTheOther: steps of a chain or batch do not stand in line; their
// visits are spread at their owner's share of the slots.
func TestStepsComeAgainOneAfterTheOther(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	var row limit.Row
	for range p.Shared {
		row.Shared = append(row.Shared, made(0))
	}
	row.Waiting = []limit.Waiter{{Owner: limit.Tag("other"), Until: at(500)}}
	visits := func(owner string) (waits []time.Duration) {
		for range 40 {
			var g limit.Grant
			row, g = p.Enter(row, &limit.Pass{Job: "j", Owner: owner, Returns: true}, start())
			if g.Refusal != limit.TooFull {
				t.Fatalf("got %+v", g)
			}
			waits = append(waits, g.Wait)
		}
		return waits
	}
	mine := visits("me")
	for i, wait := range mine {
		if want := max(time.Duration(i+1)*2*p.Spacing(), 61500*time.Millisecond); wait != want {
			t.Errorf("visit %d is in %v, want %v", i, wait, want)
		}
	}
	if len(row.Waiting) != 2 {
		t.Errorf("waiting %+v", row.Waiting)
	}
	if _, g := p.Enter(row, &limit.Pass{Job: "j", Owner: "me"}, start()); g.Wait != 61500*time.Millisecond {
		t.Errorf("a job of a queue is told %v", g.Wait)
	}
}

// TestTheRowStaysSmall, however many owners wait.
func TestTheRowStaysSmall(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	owners := make([]string, 100)
	for i := range owners {
		owners[i] = string(rune('a' + i))
	}
	row, _ := p.Reserve(limit.Row{}, nil, owners, start())
	if len(row.Waiting) != 16 {
		t.Errorf("%d owners are noted to wait", len(row.Waiting))
	}
	again, _ := p.Reserve(row, nil, owners[:1], start().Add(time.Second))
	if len(again.Waiting) != 16 || again.Waiting[0].Owner != limit.Tag("a") {
		t.Errorf("waiting %+v", again.Waiting)
	}
}

func TestOpening(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	for _, c := range []struct {
		name             string
		row              limit.Row
		reserved, shared int
		wait             time.Duration
	}{
		{"the next three of each lane", limit.Row{}, 3, 3, p.Gap()},
		{"the breaker is open", limit.Row{Breaker: limit.Breaker{Until: at(1)}}, 0, 0, time.Second},
		{"one while it waits for a probe", limit.Row{Breaker: limit.Breaker{Until: at(0)}}, 1, 1, p.Window},
		{"none while the probe is booked", limit.Row{Breaker: limit.Breaker{Until: at(0)}, Shared: []limit.Booking{booked(0)}}, 0, 0, p.Spacing()},
		{"none while the probe is under way", limit.Row{Breaker: limit.Breaker{Until: at(0), Probe: at(9)}}, 0, 0, p.Spacing()},
		{"what the month has left", limit.Row{Budget: limit.Budget{Month: month(), Requests: 9998}}, 2, 2, p.Window},
		{"without what is booked", limit.Row{Budget: limit.Budget{Month: month(), Requests: 9999}, Reserved: []limit.Booking{booked(0)}}, 0, 0, april()},
	} {
		if got := p.Opening(c.row, start()); got.Reserved != c.reserved || got.Shared != c.shared || got.Wait != c.wait {
			t.Errorf("%s: %d and %d, wait %v; want %d and %d, %v", c.name, got.Reserved, got.Shared, got.Wait, c.reserved, c.shared, c.wait)
		}
	}
}

// TestReserve books in the order of the wants, as far as there are slots.
func TestReserve(t *testing.T) {
	t.Parallel()
	wants := []limit.Want{{Job: "a", Owner: "me"}, {Job: "b", Owner: "me", High: true}, {Job: "c", Owner: "me"}}
	row, slots := narrow().Reserve(limit.Row{}, wants, []string{"me"}, start())
	if !slots[0].Equal(at(1)) || !slots[1].Equal(at(1)) || !slots[2].IsZero() {
		t.Errorf("slots %v", slots)
	}
	if row.Budget.Requests != 0 || row.Pending("me") != 2 || row.Pending("other") != 0 {
		t.Errorf("a booking is no request: %+v", row)
	}
	if again := narrow().Undo(row, row.Shared[0], start()); len(again.Shared) != 0 || again.Budget.Requests != 0 {
		t.Errorf("given back: %+v", again)
	}
	if none, slots := narrow().Reserve(limit.Row{Breaker: limit.Breaker{Until: at(9)}}, wants, nil, start()); !slots[0].IsZero() || len(none.Shared) != 0 {
		t.Errorf("through an open breaker %v", slots)
	}
}

// TestUndo gives back what was taken, once.
func TestUndo(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	row, g := p.Enter(limit.Row{}, &limit.Pass{Job: "j", Owner: "o"}, start())
	undone := p.Undo(row, g.Booked, start())
	if len(undone.Shared) != 0 || undone.Budget.Requests != 0 {
		t.Errorf("undone %+v", undone)
	}
	if twice := p.Undo(undone, g.Booked, start()); !reflect.DeepEqual(twice, undone) {
		t.Errorf("undone twice %+v", twice)
	}
	other, _ := p.Enter(limit.Row{}, &limit.Pass{Job: "other", Owner: "o"}, start())
	if same := p.Undo(other, g.Booked, start()); !reflect.DeepEqual(same, other) {
		t.Errorf("another job's call became %+v", same)
	}
}

func TestWeight(t *testing.T) {
	t.Parallel()
	p := limit.Policy{Weights: map[string]int{"pro": 3}}
	if p.Weight("pro") != 3 || p.Weight("free") != 1 {
		t.Errorf("weights %d and %d", p.Weight("pro"), p.Weight("free"))
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	half := limit.Breaker{Until: at(0), Probe: at(30), Failures: []time.Time{at(-1)}}
	before := limit.Row{Version: 7, Shared: []limit.Booking{made(0)}, Budget: limit.Budget{Month: month(), Requests: 3, Units: 0.5}}
	for _, c := range []struct {
		verdict limit.Verdict
		breaker limit.Breaker
		want    limit.Breaker
		closed  bool
	}{
		{limit.Answered, limit.Breaker{}, limit.Breaker{}, false},
		{limit.Answered, half, limit.Breaker{}, false},
		{limit.Failed, limit.Breaker{}, limit.Breaker{Failures: []time.Time{at(0)}}, false},
		{limit.Failed, half, limit.Breaker{Until: at(300), Failures: []time.Time{at(-1), at(0)}}, false},
		{limit.Rejected, limit.Breaker{}, limit.Breaker{Until: at(300), Failures: []time.Time{at(0)}}, false},
		{limit.UsedUp, half, half, true},
		{limit.Throttled, half, half, false},
	} {
		row := before
		row.Breaker = c.breaker
		want := row
		want.Breaker, want.Budget.Units, want.Budget.Closed = c.want, 0.75, c.closed
		if got := narrow().Report(row, &limit.Call{Verdict: c.verdict, Units: 0.25}, start()); !reflect.DeepEqual(got, want) {
			t.Errorf("verdict %d on %+v: got %+v\nwant %+v", c.verdict, c.breaker, got, want)
		}
	}
}

// TestTheBreaker follows one breaker through an outage in which a probe crashes.
func TestTheBreaker(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	var b limit.Breaker
	for i := range 9 {
		b = p.Failed(b, false, at(float64(i)))
	}
	if b.State(at(9)) != "closed" {
		t.Fatalf("nine failures: %s", b.State(at(9)))
	}
	if late := p.Failed(b, false, at(300)); late.State(at(300)) != "closed" || len(late.Failures) != 9 {
		t.Errorf("the first failure is five minutes old: %s, %d counted", late.State(at(300)), len(late.Failures))
	}
	if b = p.Succeeded(b); len(b.Failures) != 9 {
		t.Errorf("a success among failures forgot %d of them", 9-len(b.Failures))
	}
	b = p.Failed(b, false, at(299.999))
	if b.State(at(300)) != "open" {
		t.Fatalf("ten failures within five minutes: %s", b.State(at(300)))
	}
	step := func(now time.Time, wantProbe bool, wantWait time.Duration, state string) {
		t.Helper()
		next, probe, wait := p.Admit(b, now)
		if probe != wantProbe || wait != wantWait || b.State(now) != state {
			t.Errorf("at %v: probe %v, wait %v, %s", now.Sub(start()), probe, wait, b.State(now))
		}
		b = next
	}
	step(at(300), false, 299_999*time.Millisecond, "open")
	step(at(599.999), true, 0, "half_open")
	step(at(600), false, 29_999*time.Millisecond, "half_open")
	step(at(629.999), true, 0, "half_open") // the first probe never came back
	b = p.Failed(b, false, at(640))
	step(at(640), false, 5*time.Minute, "open")
	step(at(940), true, 0, "half_open")
	b = p.Succeeded(b)
	step(at(941), false, 0, "closed")
	if len(b.Failures) != 0 {
		t.Errorf("a closed breaker remembers %v", b.Failures)
	}
	step(at(942), false, 0, "closed")
	if b = p.Failed(b, true, at(943)); b.State(at(943)) != "open" {
		t.Error("refused credentials leave it closed")
	}
}

func TestTheMonth(t *testing.T) {
	t.Parallel()
	p := narrow()
	free := p
	free.Requests, free.Units = 0, 0
	for _, c := range []struct {
		name   string
		policy limit.Policy
		budget limit.Budget
		now    time.Time
		left   int
		spent  float64
	}{
		{"nothing spent", p, limit.Budget{}, start(), 3, 0},
		{"requests", p, limit.Budget{Month: month(), Requests: 4}, start(), 1, 80},
		{"more requests than there are", p, limit.Budget{Month: month(), Requests: 6}, start(), 0, 120},
		{"units are the larger share", p, limit.Budget{Month: month(), Requests: 1, Units: 1.5}, start(), 3, 75},
		{"units used up", p, limit.Budget{Month: month(), Units: 2}, start(), 0, 100},
		{"closed by the provider", p, limit.Budget{Month: month(), Closed: true, Requests: 1}, start(), 0, 100},
		{"closed, and more than used up", p, limit.Budget{Month: month(), Closed: true, Requests: 10}, start(), 0, 200},
		{"the last moment of the month", p, limit.Budget{Month: month(), Requests: 5}, time.Date(2026, 3, 31, 23, 59, 59, 999, time.UTC), 0, 100},
		{"the first of the next", p, limit.Budget{Month: month(), Requests: 5, Closed: true}, time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), 3, 0},
		{"the month is UTC's", p, limit.Budget{Month: month(), Requests: 5}, time.Date(2026, 4, 1, 1, 0, 0, 0, time.FixedZone("", 2*60*60)), 0, 100},
		{"no limits", free, limit.Budget{Month: month(), Requests: 1e6, Units: 1e6}, start(), 3, 0},
	} {
		if got := c.policy.Left(c.budget, 3, c.now); got != c.left {
			t.Errorf("%s: %d left, want %d", c.name, got, c.left)
		}
		if got := c.policy.Spent(c.budget, c.now); got != c.spent {
			t.Errorf("%s: %v %% spent, want %v", c.name, got, c.spent)
		}
	}
	for in, want := range map[string]string{"2026-12-31T23:59:59Z": "2027-01-01T00:00:00Z", "2026-01-31T00:00:00Z": "2026-02-01T00:00:00Z", "2026-04-01T01:00:00+02:00": "2026-04-01T00:00:00Z"} {
		now, err := time.Parse(time.RFC3339, in)
		if got := limit.NextMonth(now).Format(time.RFC3339); err != nil || got != want {
			t.Errorf("after %s: %s, want %s", in, got, want)
		}
	}
}

// TestCredits is the table of the domain brief, 3.2.
func TestCredits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		call limit.Call
		want float64
	}{
		{limit.Call{Type: limit.Enrichment}, 1},
		{limit.Call{Type: limit.Overlay}, 0.5},
		{limit.Call{Type: limit.Analysis}, 0.75},
		{limit.Call{Type: limit.Search}, 0},
		{limit.Call{Type: limit.TokenFetch}, 0},
		{limit.Call{Type: limit.Enrichment, Cached: true}, 0},
		{limit.Call{Type: limit.Enrichment, Code: "PROVIDER_UNAVAILABLE"}, 0},
	} {
		if got := c.call.Credits(); got != c.want {
			t.Errorf("%+v: %v credits, want %v", c.call, got, c.want)
		}
	}
}
