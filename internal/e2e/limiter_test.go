package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
	"orbitq/internal/local/stack"
)

// limited starts a stack under the template's own allowance: 24 + 6 calls in a minute, which is a second here.
func limited(t *testing.T, parameters map[string]string) *world {
	t.Helper()
	return own(t, func(o *stack.Options) {
		o.Parameters = map[string]string{"ProviderCalls": "24", "ProviderCallsHigh": "6"}
		maps.Copy(o.Parameters, parameters)
	})
}

// busiest is the largest number of provider calls that began within any window.
func (w *world) busiest(window time.Duration) int {
	var times []time.Time
	for _, c := range w.Provider().Calls().List {
		if c.Endpoint != cdse.EndpointToken { // another host, which counts for itself
			times = append(times, c.At)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	most, from := 0, 0
	for to := range times {
		for times[to].Sub(times[from]) >= window {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// logOf is what a function has logged so far.
func (w *world) logOf(t *testing.T, function string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(stack.LogFolder(w.data), function+".log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// deliveries counts the worker's log lines by what became of the delivery.
func (w *world) deliveries(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for text := range strings.Lines(w.logOf(t, "enrich")) {
		var line struct{ Msg, Action, Code string }
		if json.Unmarshal([]byte(text), &line) == nil && line.Msg == "delivery" {
			counts[line.Action+line.Code]++
		}
	}
	return counts
}

// TestABacklogUnderTheLimiter accepts 2,000 jobs at once, which the limiter lets through in an hour and a half. Nearly
// all of them wait in the table, not in the queue: each is received about once, and the provider is never asked more
// often than it grants.
func TestABacklogUnderTheLimiter(t *testing.T) {
	t.Parallel()
	const jobs = 2000
	w := limited(t, nil)
	c := w.as(t, "backlog", "enterprise")
	readings := make(chan int)
	points := w.clear(jobs)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range readings {
				if i%5 == 0 {
					points[i].Queue = "high"
				}
				if _, err := c.CreatePoint(t.Context(), points[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	began := time.Now()
	for i := range jobs {
		readings <- i
	}
	close(readings)
	all.Wait()
	accepted := time.Since(began)
	eventually(t, func() error {
		u, err := c.Usage(t.Context())
		if err != nil || u.Used < jobs {
			return errors.Join(fmt.Errorf("used %d", u.Used), err)
		}
		return nil
	})
	took, got, received := time.Since(began), w.deliveries(t), 0
	for _, n := range got {
		received += n
	}
	calls := len(w.Provider().Calls().List)
	busiest := w.busiest(time.Minute / speed)
	t.Logf("%d jobs accepted in %v, done in %v: %d receives (%.3f each) %v, %d provider calls, at most %d in a window of 60 s",
		jobs, accepted.Round(time.Millisecond), took.Round(time.Millisecond), received, float64(received)/jobs, got, calls, busiest)
	if float64(received) > 1.2*jobs {
		t.Errorf("%d receives for %d jobs, at most 1.2 each", received, jobs)
	}
	if busiest > 30 {
		t.Errorf("%d provider calls in one window", busiest)
	}
	if rows := w.rows(t); rows["ANALYSIS"] != jobs {
		t.Errorf("%d analyses", rows["ANALYSIS"])
	}
}
