package outbox

import "time"

// Numbers of a breaker.
const (
	// tolerated is how many failures in a row open a breaker.
	tolerated = 5
	// firstBreak and longestBreak bound how long an open breaker lets nothing through; it
	// doubles with each probe that fails.
	firstBreak, longestBreak = time.Minute, time.Hour
	// memory is how long a failure counts.
	memory = 3 * time.Hour
	// maxHosts is the most receivers of one owner that are remembered.
	maxHosts = 20
)

// Breaker is what is known of a receiver that failed. After five failures in a row it is open:
// nothing is delivered for a minute. Then it is half open: one delivery is let through as a
// probe. If that fails, too, it is open for twice as long, up to an hour; an answer closes it.
type Breaker struct {
	Failures int       `json:"n"`              // in a row
	Last     time.Time `json:"last"`           // the latest of them
	Until    time.Time `json:"until,omitzero"` // zero while it is closed
}

// Breakers has the breakers of one owner's receivers by host.
//
// A host may belong to many, such as that of a chat service, so that one breaker for all
// owners would let each of them shut the receivers of the others by posting to a path that
// fails. Each owner finds out alone instead: a host that is down costs each of its owners
// five failures. An owner that names many hosts pushes out only what is known of its own.
type Breakers map[string]Breaker

// admit reports whether a receiver is left alone, and until when. If its time is over it lets
// one delivery through, and no other before that one's answer is due.
func (b Breakers) admit(host string, now time.Time) (next time.Time, open bool) {
	r := b[host]
	switch {
	case r.Failures < tolerated:
		return time.Time{}, false
	case now.Before(r.Until):
		return r.Until, true
	}
	r.Until = now.Add(firstBreak)
	b[host] = r
	return time.Time{}, false
}

// failed counts a failure.
func (b Breakers) failed(host string, now time.Time) {
	r := b[host]
	if now.Sub(r.Last) >= memory {
		r = Breaker{}
	}
	r.Failures++
	r.Last = now
	if over := r.Failures - tolerated; over >= 0 {
		r.Until = now.Add(min(firstBreak<<min(over, 10), longestBreak))
	}
	if _, known := b[host]; !known && len(b) >= maxHosts {
		b.forget()
	}
	b[host] = r
}

// forget drops the receiver whose last failure is the longest ago.
func (b Breakers) forget() {
	oldest := ""
	for host, r := range b {
		if o := b[oldest]; oldest == "" || r.Last.Before(o.Last) || r.Last.Equal(o.Last) && host < oldest {
			oldest = host
		}
	}
	delete(b, oldest)
}

// answered closes a receiver's breaker, and reports whether that changed anything.
func (b Breakers) answered(host string) bool {
	_, known := b[host]
	delete(b, host)
	return known
}
