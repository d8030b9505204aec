package intake_test

import (
	"testing"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/usage"
)

// TestEntitled: who asks has the plan of the newest token, and no other when that cannot be read.
func TestEntitled(t *testing.T) {
	t.Parallel()
	b := newBench()
	rich := intake.Principal{Owner: "u", Tier: usage.Enterprise, Issued: b.now.Add(-time.Hour)}
	poor := intake.Principal{Owner: "u", Tier: usage.Free, Anchor: b.now.AddDate(0, -2, 0).Truncate(24 * time.Hour), Issued: b.now.Add(-time.Minute)}
	for _, c := range []struct{ asks, want intake.Principal }{{rich, rich}, {poor, poor}, {rich, poor}} {
		if got, err := b.Entitled(t.Context(), c.asks); err != nil || got != c.want {
			t.Errorf("%+v asks as %+v, %v", c.asks, got, err)
		}
	}
	b.script["NotePlan"] = faulty.Refuse
	if got, err := b.Entitled(t.Context(), rich); job.CodeOf(err) != job.Throttled {
		t.Errorf("asks as %+v, %v", got, err)
	}
}
