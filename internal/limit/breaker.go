package limit

import (
	"slices"
	"time"
)

// Breaker is closed while calls may be made, open while none may, and half open
// while one probe is under way.
type Breaker struct {
	Failures []time.Time // within the period, oldest first
	Until    time.Time   // open until then; zero while closed
	Probe    time.Time   // end of the running probe's lease; zero for none
}

// State is the breaker's state at now, for people.
func (b *Breaker) State(now time.Time) string {
	switch {
	case b.Until.IsZero():
		return "closed"
	case now.Before(b.Until):
		return "open"
	default:
		return "half_open"
	}
}

// Admit decides whether a call may be made at now: the wait is zero when it may.
// After the open time one caller gets the probe; the others wait for its result,
// at most as long as a probe may take.
func (p Policy) Admit(b Breaker, now time.Time) (next Breaker, probe bool, wait time.Duration) {
	switch {
	case b.Until.IsZero():
		return b, false, 0
	case now.Before(b.Until):
		return b, false, b.Until.Sub(now)
	case now.Before(b.Probe):
		return b, false, b.Probe.Sub(now)
	}
	b.Probe = now.Add(p.Probe)
	return b, true, 0
}

// Failed returns the breaker after a failure of the provider. The failure that
// makes the number full opens it; so does a failed probe, and at once one that
// says that no call can succeed (fatal: our credentials are refused).
func (p Policy) Failed(b Breaker, fatal bool, now time.Time) Breaker {
	kept := slices.DeleteFunc(slices.Clone(b.Failures), func(at time.Time) bool { return now.Sub(at) >= p.Period })
	kept = append(kept, now)
	b.Failures = kept[max(0, len(kept)-p.Exceptions):]
	if fatal || !b.Until.IsZero() || len(b.Failures) >= p.Exceptions {
		b.Until, b.Probe = now.Add(p.Period), time.Time{}
	}
	return b
}

// Succeeded returns the breaker after a call that was answered: an open one closes
// and forgets, a closed one stays as it is. Failures among successes still count:
// ten in five minutes are an outage for somebody.
func (p Policy) Succeeded(b Breaker) Breaker {
	if b.Until.IsZero() {
		return b
	}
	return Breaker{}
}
