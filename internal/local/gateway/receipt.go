package gateway

import "slices"

// keepNamed bounds the memory of the receipts: the last calls that named an id.
const keepNamed = 200_000

// named is a call with the ids of jobs and points in its request.
type named struct {
	principal, operation string
	ids                  []string
}

// receipts are the calls that named an id, oldest first. The counter's lock guards them.
type receipts struct{ list []named }

// add appends a call; a full list forgets its oldest tenth.
func (r *receipts) add(n named) {
	if len(n.ids) == 0 {
		return
	}
	if len(r.list) >= keepNamed {
		r.list = append(r.list[:0], r.list[keepNamed/10:]...)
	}
	r.list = append(r.list, n)
}

// Naming returns the calls whose request names any of the ids, per principal and "service:Operation". A call that
// names several of them counts once, so that this is what a job and its point cost together.
func (g *Gateway) Naming(ids ...string) map[string]map[string]int {
	g.counter.mu.Lock()
	defer g.counter.mu.Unlock()
	out := map[string]map[string]int{}
	for _, n := range g.counter.named.list {
		if !slices.ContainsFunc(n.ids, func(id string) bool { return slices.Contains(ids, id) }) {
			continue
		}
		if out[n.principal] == nil {
			out[n.principal] = map[string]int{}
		}
		out[n.principal][n.operation]++
	}
	return out
}
