package cdse

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// plan is the list of rules with their counters.
type plan struct {
	mu    sync.Mutex
	rules []Fault
	seen  []int // matching calls so far, by rule
}

// SetFaults replaces the rules and starts their counters anew; without rules the server behaves.
func (s *Server) SetFaults(rules ...Fault) error {
	for i, rule := range rules {
		if err := rule.check(); err != nil {
			return fmt.Errorf("check fault %d: %w", i, err)
		}
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.rules, s.faults.seen = slices.Clone(rules), make([]int, len(rules))
	return nil
}

// next counts a call and returns the fault it has to suffer, or the zero Fault.
func (p *plan) next(endpoint string, body []byte) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Every rule sees every matching call, also when an earlier rule decides, so that nth counts calls and not leftovers.
	chosen := Fault{}
	for i, rule := range p.rules {
		if !rule.matches(endpoint, body) {
			continue
		}
		p.seen[i]++
		first := max(rule.Nth, 1)
		due := p.seen[i] >= first && (rule.Count == 0 || p.seen[i] < first+rule.Count)
		if due && chosen.Kind == "" {
			chosen = rule
		}
	}
	return chosen
}

// matches looks at the endpoint and, if the rule has a box, at the place that the request asks about.
func (f Fault) matches(endpoint string, body []byte) bool {
	if f.Endpoint != "" && f.Endpoint != endpoint {
		return false
	}
	if f.BBox == nil {
		return true
	}
	lon, lat, ok := centre(body)
	return ok && lon >= f.BBox[0] && lat >= f.BBox[1] && lon <= f.BBox[2] && lat <= f.BBox[3]
}

// questionBody is what both services' requests say of where and when.
type questionBody struct {
	Input struct {
		Bounds boundsBody `json:"bounds"`
	} `json:"input"`
	Aggregation struct {
		TimeRange struct {
			From string `json:"from"`
			To   string `json:"to"`
		} `json:"timeRange"`
	} `json:"aggregation"`
	// The Statistical API keeps its box deep inside, the Catalog at the top and always in degrees.
	BBox     []float64 `json:"bbox"`
	Datetime string    `json:"datetime"`
}

// box is the one of the two that is there.
func (q *questionBody) box() []float64 {
	if q.Input.Bounds.BBox != nil {
		return q.Input.Bounds.BBox
	}
	return q.BBox
}

// centre is the middle of a request's box, of the Statistical API or the Catalog.
func centre(body []byte) (lon, lat float64, ok bool) {
	var q questionBody
	// A body that cannot be read has no place; the endpoint will say what is wrong with it.
	if json.Unmarshal(body, &q) != nil {
		return 0, 0, false
	}
	values := q.box()
	system, known := parseCRS(q.Input.Bounds.Properties.CRS)
	if !known || len(values) != 4 {
		return 0, 0, false
	}
	lon, lat = system.lonLat((values[0]+values[2])/2, (values[1]+values[3])/2)
	return lon, lat, true
}

// asked is what the call log keeps of a question; what cannot be read is left out.
func asked(body []byte) (box []float64, from, to time.Time) {
	var q questionBody
	if json.Unmarshal(body, &q) != nil {
		return nil, from, to
	}
	first, last := q.Aggregation.TimeRange.From, q.Aggregation.TimeRange.To
	if q.Datetime != "" {
		first, last, _ = strings.Cut(q.Datetime, "/")
	}
	return q.box(), instant(first), instant(last)
}

// instant is a time, or the zero time.
func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// serveFaults is the control endpoint: GET shows the rules, POST replaces them, DELETE removes them.
func (s *Server) serveFaults(w http.ResponseWriter, r *http.Request) {
	rules := []Fault{}
	switch r.Method {
	case http.MethodGet:
		s.faults.mu.Lock()
		rules = append(rules, s.faults.rules...)
		s.faults.mu.Unlock()
		writeJSON(w, http.StatusOK, rules)
		return
	case http.MethodPost:
		// Strict, because a misspelt rule that does nothing would let a test pass.
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&rules); err != nil {
			writeError(w, newError(http.StatusBadRequest, codeBadPayload, err.Error()), false)
			return
		}
	case http.MethodDelete:
	default:
		writeError(w, newError(http.StatusMethodNotAllowed, codeBadMethod, "Method "+r.Method+" is not allowed"), false)
		return
	}
	if err := s.SetFaults(rules...); err != nil {
		writeError(w, newError(http.StatusBadRequest, codeBadPayload, err.Error()), false)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
