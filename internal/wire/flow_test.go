package wire_test

import (
	"strings"
	"testing"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/wire"
	"orbitq/internal/worker"
)

// TestWebhookRanges: private ranges are reachable only where a deployment says so, and a typo in them ends a function in
// its INIT instead of closing or opening a door.
func TestWebhookRanges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, allow, url, want string }{
		{"none", "", "https://10.1.2.3/hook", "address"},
		{"none, by name", "", "https://hooks.example.com/a", ""},
		{"of the range", "10.0.0.0/8", "http://10.1.2.3/hook", ""},
		{"beside the range", "10.0.0.0/8", "https://192.168.1.1/hook", "address"},
		{"two with spaces", "10.0.0.0/8, 192.168.0.0/16 ,", "https://192.168.1.1/hook", ""},
		{"a hole", ",,", "https://10.1.2.3/hook", "address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := full(parts()["enqueue"].own)
			env["ORBITQ_WEBHOOK_ALLOW"] = c.allow
			sys, _ := over(env)
			got := ""
			for _, v := range sys.Starter().CheckURL("then.webhook", c.url) {
				got = v.Rule
				if v.Field != "then.webhook" || strings.Contains(v.Detail, "hook") {
					t.Errorf("violation is %+v", v)
				}
			}
			if got != c.want || sys.Err() != nil {
				t.Errorf("got rule %q, %v, want %q", got, sys.Err(), c.want)
			}
		})
	}
}

func TestWrongWebhookRange(t *testing.T) {
	t.Parallel()
	for _, allow := range []string{"10.0.0.0", "10.0.0.0/33", "all", "10.0.0.0/8;::/0"} {
		env := full(parts()["step"].own)
		env["ORBITQ_WEBHOOK_ALLOW"] = allow
		sys, _ := over(env)
		sys.Flow()
		if err := sys.Err(); err == nil || !strings.Contains(err.Error(), "ORBITQ_WEBHOOK_ALLOW") {
			t.Errorf("%q: got %v, want a complaint that names the variable", allow, err)
		}
	}
}

// TestWhoMayStart: those who look start nothing, and a task of a state machine starts no other one.
func TestWhoMayStart(t *testing.T) {
	t.Parallel()
	of := func(name string) *wire.System {
		sys, _ := over(full(parts()[name].own))
		return sys
	}
	for name, c := range map[string]struct {
		flow                   *flow.Flow
		starts, runs, delivers bool
	}{
		"enqueue": {of("enqueue").Starter(), true, false, false},
		"query":   {of("query").Reads().Flow, false, false, false},
		"relay":   {of("relay").Flows(), true, false, true},
		"step":    {of("step").Flow(), false, true, true},
	} {
		f := c.flow
		if got := f.Executions != nil; got != c.starts {
			t.Errorf("%s: starts executions: %v, want %v", name, got, c.starts)
		}
		if got := f.Runner != nil; got != c.runs {
			t.Errorf("%s: runs steps: %v, want %v", name, got, c.runs)
		}
		if got := f.Courier.Post != nil && f.Courier.Sender != nil; got != c.delivers || f.Courier.Mail == nil {
			t.Errorf("%s: delivers: %v, want %v", name, got, c.delivers)
		}
		if f.Tries != wire.Tries || f.Timing.RetryUntil.Hours() != 24 || f.Lookback.Minutes() != 15 {
			t.Errorf("%s: config %+v", name, f.Config)
		}
		if wrong := job.OrderSteps("steps", []string{"enrich", "analyze", "notify"}, f.Policies); wrong != nil {
			t.Errorf("%s: %v", name, wrong)
		}
	}
	relay := of("relay")
	if first, second := relay.Flows(), relay.Flows(); first != second || first.Courier.Topic == nil {
		t.Error("the relay has two uses of chains and batches, or no topic")
	}
}

// TestAutoApprove: approving without a person is off unless a deployment writes exactly "true".
func TestAutoApprove(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": false, "false": false, "1": false, "TRUE": false, "yes": false, "true": true} {
		env := full(parts()["step"].own)
		env["ORBITQ_AUTO_APPROVE"] = value
		sys, _ := over(env)
		w, ok := sys.Flow().Runner.(*worker.Worker)
		if !ok {
			t.Fatalf("steps are run by a %T", sys.Flow().Runner)
		}
		for _, k := range w.Kinds {
			if a, is := k.(*kinds.Analyze); is && a.Rules.AutoApprove != want {
				t.Errorf("%q: approves by itself: %v, want %v", value, a.Rules.AutoApprove, want)
			}
		}
		if len(w.Kinds) != len(kinds.Policies()) {
			t.Errorf("%d kinds, but %d policies", len(w.Kinds), len(kinds.Policies()))
		}
	}
}
