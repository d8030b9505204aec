package flow_test

import (
	"strings"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// TestTheOwnerOfAFailedChainIsTold, once for a revision, and only if the chain was to tell anything.
func TestTheOwnerOfAFailedChainIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		steps  []string
		wishes job.Preferences
		want   int
	}{
		{"by default", nil, job.Preferences{}, 1},
		{"a chain that tells nothing", []string{"enrich", "analyze"}, job.Preferences{}, 0},
		{"an owner who does not want it", nil, job.Preferences{Muted: []string{job.NoticeFailed}}, 0},
		{"an owner who does not want something else", nil, job.Preferences{Muted: []string{"enrichment.partial"}}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if err := b.store.SavePreferences(t.Context(), owner, c.wishes); err != nil {
				t.Fatal(err)
			}
			id := b.failedChain(c.steps...)
			for range 2 { // as a retry of the executor does
				if _, err := b.VisitChain(t.Context(), id, "again"); err != nil {
					t.Fatal(err)
				}
			}
			got, _, err := b.store.Notices(t.Context(), owner, "", 10)
			if err != nil || len(got) != c.want {
				t.Fatalf("%d notices, %v: %+v", len(got), err, got)
			}
			if c.want == 1 && (got[0].Type != job.NoticeFailed || got[0].Job != job.StepID(id, "enrich") || !strings.Contains(got[0].Text, got[0].Job) || strings.Contains(got[0].Text, "secret")) {
				t.Errorf("got %+v", got[0])
			}
		})
	}
}

// TestATellingThatFailsIsRepeated: the visit fails, and its retry tells.
func TestATellingThatFailsIsRepeated(t *testing.T) {
	t.Parallel()
	for _, port := range []string{"Preferences", "PutNotice"} {
		b := newBench(t)
		b.seam.broken[port] = job.Errorf(job.Throttled, "later")
		id := b.failedChain()
		if _, err := b.VisitChain(t.Context(), id, "again"); job.CodeOf(err) != job.Throttled {
			t.Errorf("%s: %v", port, err)
		}
		delete(b.seam.broken, port)
		if _, err := b.VisitChain(t.Context(), id, "again"); err != nil {
			t.Error(err)
		}
		if got, _, err := b.store.Notices(t.Context(), owner, "", 10); err != nil || len(got) != 1 {
			t.Errorf("%s: %d notices, %v", port, len(got), err)
		}
	}
}

// failedChain is a chain whose first step died.
func (b *bench) failedChain(steps ...string) string {
	b.t.Helper()
	b.acts["enrich"] = failing(job.InvalidRequest)
	id := b.chain(steps...).ID
	_, _ = b.VisitChain(b.t.Context(), id, "first") // a telling that fails is the test's own
	if c := b.chainRow(id); c.State != job.TrackFailed {
		b.t.Fatalf("chain %+v", c)
	}
	return id
}

// TestARedriveBesideTheSweepIsLookedAt: the sweep of a failed chain must not take the look of the chain that goes on again.
func TestARedriveBesideTheSweepIsLookedAt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.failedChain()
	b.now = b.now.Add(time.Hour)
	b.seam.before["PutNotice"] = func() {
		if _, _, err := b.RedriveChain(t.Context(), owner, id); err != nil {
			t.Error(err)
		}
	}
	b.sweep(flow.Swept{Seen: 1})
	if c := b.chainRow(id); c.State != job.TrackPending || c.Look.IsZero() {
		t.Errorf("chain %+v", c)
	}
}
