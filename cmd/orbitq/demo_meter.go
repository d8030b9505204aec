package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"orbitq/internal/client"
	"orbitq/internal/local/stack"
)

// reader is the function that only answers questions; what the demo asks is not part of what the work costs.
const reader = "orbitq-query"

// meter reads what the local stack counts: calls to AWS and to the provider, and what the user was billed. It asks over
// HTTP, as anybody may; that the stack runs in this very process is no advantage.
type meter struct {
	state stack.State
	api   *client.Client
	http  *http.Client
}

// bill is what was counted at one moment, or between two. Polling for messages is in it, as it is on a bill of AWS, so
// the sum depends a little on how long the run took; the requests of one job do not.
type bill struct {
	AWS      map[string]int `json:"aws_requests"`   // by service, without the reading side
	Provider map[string]int `json:"provider_calls"` // by endpoint
	Billed   int            `json:"billed"`         // units of the user
}

// read counts now. The three sources are asked one after the other: they agree only while nothing is under way, which
// is when it is called.
func (m *meter) read(ctx context.Context) (bill, error) {
	var counters struct {
		Calls map[string]map[string]int `json:"calls"`
	}
	var provider struct {
		Counts map[string]int `json:"counts"`
	}
	if err := m.get(ctx, m.state.AWSURL+"/_orbitq/counters", &counters); err != nil {
		return bill{}, err
	}
	if err := m.get(ctx, m.state.CopernicusURL+"/__calls", &provider); err != nil {
		return bill{}, err
	}
	u, err := m.api.Usage(ctx)
	if err != nil {
		return bill{}, fmt.Errorf("read usage: %w", err)
	}
	b := bill{AWS: map[string]int{}, Provider: provider.Counts, Billed: u.Used}
	for principal, operations := range counters.Calls {
		for operation, n := range operations {
			service, _, _ := strings.Cut(operation, ":")
			if principal != reader {
				b.AWS[service] += n
			}
		}
	}
	return b, nil
}

// requests is how many calls to AWS named the job or the point, without the reading side. A transaction that names both
// is one call. Receiving and deleting a message name neither, and are shared by all jobs of a batch.
func (m *meter) requests(ctx context.Context, ids ...string) (int, error) {
	var receipt struct {
		Calls map[string]map[string]int `json:"calls"`
	}
	if err := m.get(ctx, m.state.AWSURL+"/_orbitq/calls?"+url.Values{"id": ids}.Encode(), &receipt); err != nil {
		return 0, err
	}
	sum := 0
	for principal, operations := range receipt.Calls {
		if principal == reader {
			continue
		}
		for _, n := range operations {
			sum += n
		}
	}
	return sum, nil
}

// get reads JSON from a part of the local stack. These pages are for tests and people; nothing on AWS has them.
func (m *meter) get(ctx context.Context, from string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // only read from
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("read counters: %s answered %s", from, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read counters from %s: %w", from, err)
	}
	return nil
}

// since is what was counted after an earlier moment.
func (b bill) since(earlier bill) bill {
	return bill{AWS: minus(b.AWS, earlier.AWS), Provider: minus(b.Provider, earlier.Provider), Billed: b.Billed - earlier.Billed}
}

// minus subtracts counts by name, and leaves out what did not happen.
func minus(now, before map[string]int) map[string]int {
	out := map[string]int{}
	for name, n := range now {
		if d := n - before[name]; d != 0 {
			out[name] = d
		}
	}
	return out
}
