package cdse

import (
	"maps"
	"sync"
	"time"
)

// The names of the endpoints in the call log and in fault rules.
const (
	EndpointToken      = "token"
	EndpointStatistics = "statistics"
	EndpointCatalog    = "catalog"
)

// Call is one call. The status of a connection that was reset, or whose client went away, is 0.
type Call struct {
	// At is the server's clock when the call had arrived.
	At       time.Time `json:"at"`
	Endpoint string    `json:"endpoint"`
	Status   int       `json:"status"`
	// Fault is the kind of the rule that applied.
	Fault FaultKind `json:"fault,omitempty"`
	// DurationMS is real time, whatever the clock says.
	DurationMS float64 `json:"duration_ms"`
	// Units is what the answer cost; failed calls cost nothing.
	Units float64 `json:"pu"`
	// BBox, From and To are what the call asked about, unset when it does not say (the token endpoint).
	BBox []float64 `json:"bbox,omitempty"`
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// Calls is what the server has answered so far.
type Calls struct {
	Counts map[string]int `json:"counts"` // by endpoint
	List   []Call         `json:"calls"`  // in order of arrival in the log, the last 100,000
}

// Busiest is the largest number of calls to an endpoint that began within any window of the given length.
func (c Calls) Busiest(endpoint string, window time.Duration) int {
	var times []time.Time
	for _, call := range c.List {
		if call.Endpoint == endpoint {
			times = append(times, call.At)
		}
	}
	most := 0
	// A busiest window can always be moved until it starts with a call.
	for _, from := range times {
		n := 0
		for _, t := range times {
			if !t.Before(from) && t.Before(from.Add(window)) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// keepCalls bounds the memory of the log.
const keepCalls = 100_000

// journal is the call log.
type journal struct {
	mu     sync.Mutex
	counts map[string]int
	list   []Call
}

// newJournal starts an empty log.
func newJournal() *journal { return &journal{counts: map[string]int{}} }

// add appends a call; a full log forgets its oldest tenth.
func (j *journal) add(c Call) {
	j.mu.Lock()
	defer j.mu.Unlock()
	// The counters know every call, the list may forget.
	j.counts[c.Endpoint]++
	if len(j.list) >= keepCalls {
		j.list = append(j.list[:0], j.list[keepCalls/10:]...)
	}
	j.list = append(j.list, c)
}

// Calls is a copy of the call log.
func (s *Server) Calls() Calls {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return Calls{Counts: maps.Clone(s.calls.counts), List: append([]Call{}, s.calls.list...)}
}

// ResetCalls empties the call log, for example between the phases of a test. Tokens and fault rules stay.
func (s *Server) ResetCalls() {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	s.calls.list, s.calls.counts = nil, map[string]int{}
}
