package limit_test

import (
	"reflect"
	"testing"
	"time"

	"orbitq/internal/limit"
)

// narrow is a policy of one call per window, and two failures.
func narrow() limit.Policy {
	p := limit.DefaultPolicy()
	p.Shared, p.Reserved, p.Exceptions, p.Horizon = 1, 1, 2, 2*time.Minute
	p.Requests, p.Units = 5, 2
	return p
}

// at is a moment some seconds after start.
func at(seconds float64) time.Time { return start().Add(time.Duration(seconds * float64(time.Second))) }

func month() string { return "2026-03" }

func TestEnter(t *testing.T) {
	t.Parallel()
	busy := limit.Row{Shared: []time.Time{at(0)}}
	jammed := limit.Row{Shared: []time.Time{at(118)}, Reserved: []time.Time{at(118)}}
	open := limit.Breaker{Until: at(60), Failures: []time.Time{at(-240)}}
	over := limit.Breaker{Until: at(0)}
	probing := limit.Breaker{Until: at(0), Probe: at(20)}
	for _, c := range []struct {
		name     string
		row      limit.Row
		pass     limit.Pass
		want     limit.Grant
		requests int  // counted by this one
		probe    bool // this one is the probe
	}{
		{"nobody was here", limit.Row{}, limit.Pass{}, limit.Grant{Slot: at(0)}, 1, false},
		{"the next slot is later", busy, limit.Pass{}, limit.Grant{Slot: at(66), Wait: 66 * time.Second}, 1, false},
		{"the high queue has another", busy, limit.Pass{High: true}, limit.Grant{Slot: at(0)}, 1, false},
		{"no slot within the horizon", jammed, limit.Pass{}, limit.Grant{Refusal: limit.TooFull, Wait: 184 * time.Second}, 0, false},
		{"nor for the high queue", jammed, limit.Pass{High: true}, limit.Grant{Refusal: limit.TooFull, Wait: 184 * time.Second}, 0, false},
		{"a slot that was booked", jammed, limit.Pass{Slot: at(0)}, limit.Grant{Slot: at(0)}, 0, false},
		{"in its last moment", jammed, limit.Pass{Slot: at(-5)}, limit.Grant{Slot: at(-5)}, 0, false},
		{"behind it: it is lost", busy, limit.Pass{Slot: at(-5.001)}, limit.Grant{Slot: at(66), Wait: 66 * time.Second}, 1, false},
		{"behind it, and all is full", jammed, limit.Pass{Slot: at(-5.001)}, limit.Grant{Refusal: limit.TooFull, Wait: 184 * time.Second}, 0, false},
		{"before it: it is kept", jammed, limit.Pass{Slot: at(40)}, limit.Grant{Slot: at(40), Wait: 40 * time.Second}, 0, false},
		{"the breaker is open", limit.Row{Breaker: open}, limit.Pass{}, limit.Grant{Refusal: limit.Broken, Wait: time.Minute}, 0, false},
		{"a slot does not open it", limit.Row{Breaker: open}, limit.Pass{Slot: at(0)}, limit.Grant{Refusal: limit.Broken, Wait: time.Minute}, 0, false},
		{"its time is over: a probe", limit.Row{Breaker: over}, limit.Pass{}, limit.Grant{Slot: at(0)}, 1, true},
		{"a probe with a slot", limit.Row{Breaker: over}, limit.Pass{Slot: at(0)}, limit.Grant{Slot: at(0)}, 0, true},
		{"who comes again later is no probe", limit.Row{Breaker: over, Shared: busy.Shared}, limit.Pass{Patience: limit.Patience}, limit.Grant{Slot: at(66), Wait: 66 * time.Second}, 1, false},
		{"who waits for its slot is", limit.Row{Breaker: over, Shared: []time.Time{at(-65)}}, limit.Pass{Patience: limit.Patience}, limit.Grant{Slot: at(1), Wait: time.Second}, 1, true},
		{"another one is the probe", limit.Row{Breaker: probing}, limit.Pass{}, limit.Grant{Refusal: limit.Broken, Wait: 20 * time.Second}, 0, false},
		{"the month's requests are used up", limit.Row{Budget: limit.Budget{Month: month(), Requests: 5}}, limit.Pass{}, limit.Grant{Refusal: limit.MonthOver, Wait: april()}, 0, false},
		{"but a booked slot is one of them", limit.Row{Budget: limit.Budget{Month: month(), Requests: 5}}, limit.Pass{Slot: at(0)}, limit.Grant{Slot: at(0)}, 0, false},
		{"the month's units are used up", limit.Row{Budget: limit.Budget{Month: month(), Units: 2}}, limit.Pass{}, limit.Grant{Refusal: limit.MonthOver, Wait: april()}, 0, false},
		{"the provider says so: no slot helps", limit.Row{Budget: limit.Budget{Month: month(), Closed: true}}, limit.Pass{Slot: at(0)}, limit.Grant{Refusal: limit.MonthOver, Wait: april()}, 0, false},
		{"it said so last month", limit.Row{Budget: limit.Budget{Month: "2026-02", Closed: true, Requests: 9, Units: 9}}, limit.Pass{}, limit.Grant{Slot: at(0)}, 1, false},
	} {
		next, got := narrow().Enter(c.row, &c.pass, start())
		if got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
		counted := next.Budget.Requests - c.row.Budget.At(start()).Requests
		if counted != c.requests || next.Breaker.Probe.Equal(at(30)) != c.probe || next.Version != c.row.Version {
			t.Errorf("%s: %d requests counted, row %+v", c.name, counted, next)
		}
		if booked := len(next.Shared)+len(next.Reserved) > 0 && !reflect.DeepEqual([2][]time.Time{next.Shared, next.Reserved}, [2][]time.Time{c.row.Shared, c.row.Reserved}); booked != (c.requests > 0) {
			t.Errorf("%s: booked %v, row %+v", c.name, booked, next)
		}
	}
}

// april is how long it takes until the next month.
func april() time.Duration { return time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC).Sub(start()) }

func TestReserve(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		row  limit.Row
		high bool
		n    int
		want []time.Time
	}{
		{"as far as the horizon", limit.Row{}, false, 9, []time.Time{at(0), at(66)}},
		{"both lanes, the reserved one first", limit.Row{}, true, 9, []time.Time{at(0), at(0), at(66), at(66)}},
		{"no more than asked for", limit.Row{}, true, 1, []time.Time{at(0)}},
		{"nothing", limit.Row{}, true, 0, nil},
		{"none while the breaker is open", limit.Row{Breaker: limit.Breaker{Until: at(1)}}, true, 9, nil},
		{"one while it waits for a probe", limit.Row{Breaker: limit.Breaker{Until: at(0)}}, true, 9, []time.Time{at(0)}},
		{"what the month has left", limit.Row{Budget: limit.Budget{Month: month(), Requests: 3}}, true, 9, []time.Time{at(0), at(0)}},
		{"nothing left", limit.Row{Budget: limit.Budget{Month: month(), Requests: 5}}, true, 9, nil},
		{"a new month", limit.Row{Budget: limit.Budget{Month: "2025-03", Requests: 5}}, false, 1, []time.Time{at(0)}},
	} {
		next, got := narrow().Reserve(c.row, c.high, c.n, start())
		if !reflect.DeepEqual(got, c.want) || next.Budget.Requests != c.row.Budget.At(start()).Requests+len(got) {
			t.Errorf("%s: got %v, want %v; row %+v", c.name, got, c.want, next)
		}
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	half := limit.Breaker{Until: at(0), Probe: at(30), Failures: []time.Time{at(-1)}}
	before := limit.Row{Version: 7, Shared: []time.Time{at(0)}, Budget: limit.Budget{Month: month(), Requests: 3, Units: 0.5}}
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
