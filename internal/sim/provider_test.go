package sim_test

import (
	"context"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/gate"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/satellite"
)

// door is the gate as one thread of a process uses it. A thread has a gate of its
// own: those who share one wait for each other on channels, which nobody would
// wake in a simulation of one thread.
type door struct {
	p    *process
	gate *gate.Gate // of this invocation; nil until it is used
	turn time.Time  // when the running decision began, by the world's clock
	owed int        // calls that were allowed or may have been, since the last flush
	owes time.Time  // since when
}

// doorKey finds the door of a thread in its context.
type doorKey struct{}

// deadline is a context that says when the function ends, in virtual time, and
// whose thread it is.
type deadline struct {
	context.Context
	at   time.Time
	door *door
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

func (d deadline) Value(key any) any {
	if key == (doorKey{}) {
		return d.door
	}
	return d.Context.Value(key)
}

// doorOf returns the door of a thread.
func doorOf(ctx context.Context) *door { return ctx.Value(doorKey{}).(*door) }

// begin returns the gate for a decision that begins now.
func (d *door) begin() *gate.Gate {
	w := d.p.w
	if d.gate == nil {
		d.gate = gate.New(gate.Config{Store: hasty{d}, Policy: w.sabotage.policy(), Now: d.p.now, Jitter: w.rand.Float64, Sleep: d.sleep})
	}
	d.turn = w.now
	return d.gate
}

// sleep waits by the world's clock; it is no part of a decision's time.
func (d *door) sleep(_ context.Context, t time.Duration) error {
	if t <= 0 {
		return nil
	}
	d.turn = d.turn.Add(t)
	d.p.w.sleep(t)
	if d.p.Down() {
		return faulty.ErrDown
	}
	return nil
}

// pacer is the door of whoever asks.
type pacer struct{}

// Room implements intake.Pacer.
func (pacer) Room(ctx context.Context, high bool, owner string) bool {
	return doorOf(ctx).begin().Room(ctx, high, owner)
}

// Opening implements relay.Pacer.
func (pacer) Opening(ctx context.Context) (limit.Opening, error) {
	return doorOf(ctx).begin().Opening(ctx)
}

// Reserve implements relay.Pacer.
func (pacer) Reserve(ctx context.Context, wants []limit.Want, waiting []string) ([]time.Time, error) {
	return doorOf(ctx).begin().Reserve(ctx, wants, waiting)
}

// Free implements relay.Pacer. The context of the thread is not at hand.
func (pacer) Free(limit.Want, time.Time) {}

// flush writes what is left to say at the end of a thread. What it cannot write, or writes
// when the window has passed, is owed for ever: calls that were counted and not made.
func (d *door) flush(ctx context.Context) {
	if err := d.begin().Flush(ctx); err != nil || d.p.Down() || d.p.w.now.Sub(d.owes) > d.p.w.policy.Window {
		d.p.w.oracle.traffic.cut += d.owed
	}
	d.owed = 0
}

// hasty is the table of a gate whose patience for one decision ends: the gate says
// so in a context, which knows only the real time.
type hasty struct{ *door }

// maxTurn is the longest that a gate takes for a decision.
const maxTurn = 5 * time.Second

func (h hasty) late(err error) error {
	if err == nil && h.p.w.now.Sub(h.turn) > maxTurn {
		return context.DeadlineExceeded
	}
	return err
}

// Door implements gate.Store.
func (h hasty) Door(ctx context.Context) (limit.Row, error) {
	row, err := h.p.store.Door(ctx)
	return row, h.late(err)
}

// SaveDoor implements gate.Store.
func (h hasty) SaveDoor(ctx context.Context, next limit.Row) (limit.Row, bool, error) {
	row, ok, err := h.p.store.SaveDoor(ctx, next)
	if log := h.p.w.log; log != nil {
		log("door     v%d %v %v: shared %s reserved %s, breaker %v, %d requests", next.Version, ok, err, slots(next.Shared), slots(next.Reserved), next.Breaker, next.Budget.Requests)
	}
	return row, ok, h.late(err)
}

// RecordCalls implements gate.Store.
func (h hasty) RecordCalls(ctx context.Context, calls []limit.Call) error {
	return h.p.store.RecordCalls(ctx, calls)
}

// provider is Copernicus with moods.
type provider struct{ p *process }

// call makes one call, through the gate.
func (v *provider) call(ctx context.Context, pass *limit.Pass, kind string, do func() error) error {
	w, d := v.p.w, doorOf(ctx)
	if !w.sabotage.neverAsks && (!w.sabotage.twice || pass.Calls == 0) {
		if d.owed == 0 {
			d.owes = w.now
		}
		d.owed += 4 // as many as Enter may take and give back
		err := d.begin().Enter(ctx, pass)
		if err != nil && w.sabotage.deafWorker && job.CodeOf(err) == job.BreakerOpen {
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if v.p.Down() {
		return faulty.ErrDown
	}
	w.calls++
	w.oracle.called(w.now, pass)
	if w.log != nil {
		w.log("call     %s %s, high %v", pass.Job[20:], kind, pass.High)
	}
	began := v.p.now()
	w.pause()
	err := do()
	note := limit.Call{
		At: began, Took: v.p.now().Sub(began), Type: kind, Status: 200, Verdict: verdict(err), Units: 0.05,
		Job: pass.Job, Owner: pass.Owner, Point: pass.Point, Attempt: pass.Attempt,
	}
	if err != nil {
		note.Code, note.Units = string(job.CodeOf(err)), 0
	}
	d.begin().Left(note)
	return err
}

// verdict is what an answer says about the provider.
func verdict(err error) limit.Verdict {
	switch job.CodeOf(err) {
	case job.ProviderUnavailable:
		return limit.Failed
	case job.ProviderDenied:
		return limit.Rejected
	case job.ProviderQuota:
		return limit.UsedUp
	case job.ProviderRateLimit:
		return limit.Throttled
	default:
		return limit.Answered
	}
}

// trouble is what the provider has against a call.
func (v *provider) trouble(point string) error {
	w := v.p.w
	if !w.calm && w.script == nil {
		switch x := w.rand.Float64(); {
		case x < w.throttled:
			return &job.Error{Code: job.ProviderRateLimit, Message: "429", RetryAfter: time.Duration(w.rand.IntN(120)) * time.Second}
		case x < w.throttled+w.failing:
			return job.Errorf(job.ProviderUnavailable, "503")
		case x < w.throttled+w.failing+w.hopeless:
			return job.Errorf(job.InvalidRequest, "400")
		case w.chance(w.denied):
			return job.Errorf(job.ProviderDenied, "401")
		case w.chance(w.drained):
			e := job.Errorf(job.ProviderQuota, "403")
			e.RetryAfter = limit.NextMonth(w.now).Sub(w.now)
			return e
		case w.chance(0.01):
			panic("the provider's client has a defect")
		}
	}
	if w.doomed != "" && w.doomed == point {
		return job.Errorf(job.InvalidRequest, "400")
	}
	if w.answer != nil {
		return w.answer()
	}
	return nil
}

// Statistics implements kinds.Imagery.
func (v *provider) Statistics(ctx context.Context, pass *limit.Pass, _ satellite.Area, win satellite.Window) (satellite.Series, error) {
	var s satellite.Series
	err := v.call(ctx, pass, limit.Enrichment, func() error {
		if err := v.trouble(pass.Point); err != nil {
			return err
		}
		s = v.series(win)
		return nil
	})
	return s, err
}

// series is an answer.
func (v *provider) series(win satellite.Window) satellite.Series {
	w := v.p.w
	day := satellite.Day{Date: win.From, ValidFraction: 0.9}
	for i := range day.Indices {
		if i == 0 || w.script != nil || !w.chance(0.05) {
			day.Indices[i] = &satellite.Stats{Mean: 0.5, SampleCount: 144}
		}
	}
	switch {
	case !w.chance(w.cloudy):
	case w.chance(0.5):
		day.ValidFraction = 0.1
	default:
		return satellite.Series{}
	}
	return satellite.Series{Days: []satellite.Day{day}, PUSpent: 0.05, RequestID: "r"}
}

// Seen implements kinds.Imagery.
func (v *provider) Seen(ctx context.Context, pass *limit.Pass, _ satellite.Area, _ satellite.Window) (seen bool, err error) {
	err = v.call(ctx, pass, limit.Search, func() error {
		seen = v.p.w.chance(0.5)
		return nil
	})
	return seen, err
}

// slots are the slots of a lane for the log, those of allowed calls with a mark.
func slots(lane []limit.Booking) (all []string) {
	for _, b := range lane {
		mark := ""
		if b.Made {
			mark = "!"
		}
		all = append(all, b.At.Format("15:04:05.000")+mark)
	}
	return all
}
