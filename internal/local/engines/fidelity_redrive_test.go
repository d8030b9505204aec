package engines_test

import (
	"slices"
	"testing"
)

// TestAStoppedExecutionIsRedriven while the thread that was stopped still waits: it has no more say.
func TestAStoppedExecutionIsRedriven(t *testing.T) {
	t.Parallel()

	i := states(t, newStandIn(t))
	x := i.start(t, i.machine(t, `{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":2,"End":true}}}`), `{}`)

	for range 3 {
		i.must(t, "StopExecution", map[string]any{"executionArn": x})
		i.must(t, "RedriveExecution", map[string]any{"executionArn": x})
	}

	if out := i.end(t, x); out["status"] != "SUCCEEDED" || out["redriveCount"] != 3.0 {
		t.Errorf("got %v", out)
	}
}

// An execution that was stopped before its first state goes on with that.
func TestAnExecutionStoppedAtOnceIsRedriven(t *testing.T) {
	t.Parallel()

	cfg := statesConfig(t, newStandIn(t))
	cfg.Script = "testdata/late.py"
	i := started(t, cfg)
	x := i.start(t, i.machine(t, `{"StartAt":"P","States":{"P":{"Type":"Pass","Next":"Q"},"Q":{"Type":"Pass","End":true}}}`), `{"n":1}`)
	i.must(t, "StopExecution", map[string]any{"executionArn": x})

	if got := i.history(t, x); slices.Contains(got, "PassStateEntered") {
		t.Fatalf("it was not stopped at once: %v", got)
	}

	i.must(t, "RedriveExecution", map[string]any{"executionArn": x})

	if out := i.end(t, x); out["status"] != "SUCCEEDED" || out["output"] != `{"n":1}` || out["redriveCount"] != 1.0 {
		t.Errorf("got %v", out)
	}
}
