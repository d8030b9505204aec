package sim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/memstore"
	"orbitq/internal/outbox"
	"orbitq/internal/point"
)

// sabotage is a part of the system that does not do its work, where no guard of
// the table would be in its way.
type sabotage struct {
	faulty.Table
	w *world

	deafRelay   bool // sweeps nothing
	neverAsks   bool // workers call the provider without the gate
	twice       bool // workers use a slot for every call of a job
	deafWorker  bool // workers call although the breaker is open
	shortWindow bool // the limiter counts a quarter of the window
	spends      bool // the month's budget is not asked
	blindDoor   bool // the door's row is written whoever was quicker
	hoards      bool // requests that were counted and not made are not given back
	silent      bool // events are removed untold
	liar        bool // events are told with another reason each time
	acksAll     bool // the platform deletes what the worker wants to keep
	forgets     bool // a job is accepted, but not stored
	anyBody     bool // the body of a repeated request is not compared
	anybody     bool // the owner of a job is not compared
	losesPoison bool // poison is not recorded
	behind      bool // another row than its own is written by a claim
	inTurn      bool // events are delivered one after the other
	forgetful   bool // nothing is known of receivers that failed
	insistent   bool // nobody takes note that a receiver has refused
	frozen      bool // sweeps look at the first operation alone, whose place never moves
}

func (s *sabotage) Accept(ctx context.Context, j *job.Job) (job.Job, bool, error) {
	if s.forgets {
		return *j, false, nil
	}
	got, existed, err := s.Table.Accept(ctx, j)
	return s.accepted(j, got), existed, err
}

func (s *sabotage) AcceptPoint(ctx context.Context, p *point.Point, j *job.Job) (point.Point, job.Job, bool, error) {
	stored, got, existed, err := s.Table.AcceptPoint(ctx, p, j)
	if s.anyBody {
		stored.BodyHash = p.BodyHash
	}
	return stored, s.accepted(j, got), existed, err
}

func (s *sabotage) accepted(asked *job.Job, got job.Job) job.Job {
	if s.anyBody {
		got.BodyHash = asked.BodyHash
	}
	return got
}

func (s *sabotage) Amend(ctx context.Context, id string, decide func(job.Job) (job.Job, error)) (job.Job, error) {
	return s.Table.Amend(ctx, id, func(j job.Job) (job.Job, error) {
		owner := j.Owner
		if s.anybody {
			j.Owner = "stranger"
		}
		next, err := decide(j)
		next.Owner = owner
		return next, err
	})
}

func (s *sabotage) SaveDoor(ctx context.Context, next limit.Row) (limit.Row, bool, error) {
	if row, err := s.Door(ctx); err == nil && s.blindDoor {
		next.Version = row.Version + 1
	}
	if row, err := s.Door(ctx); err == nil && s.hoards && row.Budget.Month == next.Budget.Month {
		next.Budget.Requests = max(next.Budget.Requests, row.Budget.Requests)
	}
	return s.Table.SaveDoor(ctx, next)
}

// tell is how an event reaches its listener.
func (s *sabotage) tell(ctx context.Context, e job.Event) error {
	if s.silent {
		return nil
	}
	if s.liar {
		e.Attempts += s.w.rand.IntN(2)
	}
	return s.w.oracle.tell(ctx, e)
}

// policy is what the gate believes.
func (s *sabotage) policy() limit.Policy {
	p := s.w.policy
	if s.shortWindow {
		p.Window /= 4
	}
	if s.spends {
		p.Requests = 0
	}
	return p
}

func (s *sabotage) Receivers(ctx context.Context, owner string) (outbox.Breakers, error) {
	if s.forgetful {
		return outbox.Breakers{}, nil
	}
	return s.Table.Receivers(ctx, owner)
}

func (s *sabotage) MarkFailed(ctx context.Context, id, reason string, next, now time.Time) error {
	if s.insistent && next.IsZero() {
		next = now.Add(time.Minute)
	}
	return s.Table.MarkFailed(ctx, id, reason, next, now)
}

func (s *sabotage) RecordPoison(ctx context.Context, l deadletter.Letter, why string, now time.Time) error {
	if s.losesPoison {
		return nil
	}
	return s.Table.RecordPoison(ctx, l, why, now)
}

func (s *sabotage) Claim(ctx context.Context, r job.ClaimRequest) (job.Claim, error) {
	if s.behind {
		for id := range s.w.oracle.rows {
			_, _ = s.w.table.Store.Amend(ctx, id, func(j job.Job) (job.Job, error) {
				j.Reason += "!"
				return j, nil
			})
			break
		}
	}
	return s.Table.Claim(ctx, r)
}

// TestEverySabotageIsNoticed: an invariant that cannot be broken by anything says
// nothing.
func TestEverySabotageIsNoticed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sabotage
		want invariant
	}{
		{"a relay that delivers one after the other", sabotage{inTurn: true}, receiversKept},
		{"a relay that forgets who failed", sabotage{forgetful: true}, receiversKept},
		{"a relay that does not hear a refusal", sabotage{insistent: true}, receiversKept},
		{"a relay that looks at the first operation alone", sabotage{frozen: true}, stepsKept},
		{"a relay without ears", sabotage{deafRelay: true}, i24},
		{"a platform that deletes all", sabotage{acksAll: true}, i4},
		{"an API that forgets", sabotage{forgets: true}, i6},
		{"an API that does not compare bodies", sabotage{anyBody: true}, i7},
		{"an API that does not compare owners", sabotage{anybody: true}, i25},
		{"a reconciler that keeps no records", sabotage{losesPoison: true}, i12},
		{"workers who ask nobody", sabotage{neverAsks: true}, budgetKept},
		{"workers who use a slot twice", sabotage{twice: true}, budgetKept},
		{"a limiter with a short window", sabotage{shortWindow: true}, i21},
		{"a limiter that overwrites others", sabotage{blindDoor: true}, i21},
		{"a limiter that counts calls which were not made", sabotage{hoards: true}, budgetKept},
		{"workers who do not mind the breaker", sabotage{deafWorker: true}, breakerKept},
		{"a spender", sabotage{spends: true}, budgetKept},
		{"a relay that keeps the news to itself", sabotage{silent: true}, i17},
		{"a relay that tells it differently", sabotage{liar: true}, i17},
		{"somebody who writes past the protocol", sabotage{behind: true}, rowKept},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab()
			defer l.close()
			for seed := range uint64(600) {
				born := newWorld
				if c.want == receiversKept {
					born = newFlowWorld
				}
				w := born(l, seed, memstore.Protocol())
				s := c.sabotage
				s.w, s.Table = w, w.table
				w.sabotage, w.view = &s, &s
				for _, text := range w.run() {
					if strings.HasPrefix(text, c.want.String()+":") {
						t.Logf("seed %d: %.150s", seed, text)
						return
					}
				}
			}
			t.Errorf("no run broke %v", c.want)
		})
	}
}

// TestTheOracleNotices shows single rows to the oracle that no run of ours brings
// about any more.
func TestTheOracleNotices(t *testing.T) {
	t.Parallel()
	now := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	good := job.Accepted(job.Job{ID: job.DerivedID("x"), Owner: "user", MaxAttempts: 3}, now, time.Hour, time.Minute)
	for _, c := range []struct {
		name string
		op   string
		edit func(j *job.Job)
		want invariant
	}{
		{"an unknown state", "claim", func(j *job.Job) { j.State = "lost" }, rowKept},
		{"another owner", "claim", func(j *job.Job) { j.Owner = "other" }, rowKept},
		{"a ticket that goes back", "claim", func(j *job.Job) { j.Ticket = 0 }, ticketsGrow},
		{"a run before it is due", "claim", func(j *job.Job) { *j = job.Claimed(*j, job.Lease{Token: "t"}, now.Add(-time.Hour)) }, notBeforeDue},
		{"a final job with a look", "amend", func(j *job.Job) { j.State, j.Finished = job.Cancelled, now }, i24},
		{"an open job without a look", "relay", func(j *job.Job) { j.Look = time.Time{} }, i24},
		{"a final job without an end", "amend", func(j *job.Job) { j.State, j.Look = job.Cancelled, time.Time{} }, i4},
		{"a reservation after the end", "amend", func(j *job.Job) { *j = must(job.Cancel(*j, now)); j.UsageKey = "u" }, i1},
		{"a death without a reason", "bury", func(j *job.Job) { *j = job.Buried(*j, "", "", job.Carried{Ticket: 1}, now) }, i11},
		{"a generation out of turn", "relay", func(j *job.Job) { j.Generation++ }, i5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := memstore.New(timing())
			o := newOracle(s, transitions())
			j := good
			j.Due = now // so that a run may be too early
			if _, _, err := s.Accept(t.Context(), &j); err != nil {
				t.Fatal(err)
			}
			o.see(t.Context(), &effect{op: "accept", id: j.ID})
			if len(o.wrong) > 0 {
				t.Fatalf("a good row: %v", o.wrong)
			}
			next, err := s.Amend(t.Context(), j.ID, func(j job.Job) (job.Job, error) {
				c.edit(&j)
				return j, nil
			})
			o.see(t.Context(), &effect{op: c.op, id: j.ID, at: next.Started, message: j.Message()})
			if err != nil || !strings.Contains(strings.Join(o.wrong, "\n"), c.want.String()+":") {
				t.Errorf("%v, want %v: %v", err, c.want, o.wrong)
			}
		})
	}
}

func must(j job.Job, err error) job.Job {
	if err != nil {
		panic(err)
	}
	return j
}
