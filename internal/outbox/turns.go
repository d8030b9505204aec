package outbox

import (
	"slices"
	"sync"

	"orbitq/internal/job"
)

// turns are the events of a sweep in the turns of their owners: each owner has one delivery
// before any has a second one.
type turns struct {
	mu     sync.Mutex
	owners []string // with events left, who is next first
	events map[string][]job.Event
	flying map[string]int // deliveries under way
	size   int
}

func newTurns() *turns { return &turns{events: map[string][]job.Event{}, flying: map[string]int{}} }

// add adds an event behind those of its owner; false means that the owner has its share.
func (q *turns) add(e job.Event) bool {
	own := q.events[e.Owner]
	if len(own) >= PerOwner {
		return false
	}
	if len(own) == 0 {
		q.owners = append(q.owners, e.Owner)
	}
	q.events[e.Owner] = append(own, e)
	q.size++
	return true
}

// order lets those owners go first whose first event has not failed yet: who waits for the
// first time should not wait for receivers that were down a minute ago.
func (q *turns) order() {
	slices.SortStableFunc(q.owners, func(a, b string) int {
		return min(q.events[a][0].Tries, 1) - min(q.events[b][0].Tries, 1)
	})
}

// len returns how many events there are.
func (q *turns) len() int { return q.size }

// take returns the next event, unless every owner with events left has its share under way:
// then those workers take them.
func (q *turns) take() (job.Event, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, owner := range q.owners {
		if q.flying[owner] >= inFlight {
			continue
		}
		own := q.events[owner]
		q.owners = slices.Delete(q.owners, i, i+1)
		if q.events[owner] = own[1:]; len(own) > 1 {
			q.owners = append(q.owners, owner)
		}
		q.flying[owner]++
		return own[0], true
	}
	return job.Event{}, false
}

// done notes that a delivery is no more under way.
func (q *turns) done(e job.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flying[e.Owner]--
}
