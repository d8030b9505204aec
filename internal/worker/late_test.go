package worker_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// TestALateRefusalStaysARefusal lets a kind fail only after its time is over: what
// another attempt cannot mend must not become a timeout, which is tried again.
func TestALateRefusalStaysARefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code         job.Code
		action, want string
	}{
		{job.InvalidRequest, "dead", string(job.InvalidRequest)},
		{job.ProviderRateLimit, "waiting", ""},
		{job.ProviderUnavailable, "retrying", string(job.AttemptTimeout)},
	} {
		t.Run(string(c.code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, func(ctx context.Context, _ *job.Job) (worker.Result, error) {
					<-ctx.Done()
					return worker.Result{}, job.Errorf(c.code, "said late")
				})
				b.now = time.Now()
				b.accept(nil)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				h := b.worker.Handle(ctx, b.queues.Receive("default", 1)[0])
				if h.Action != c.action || c.want != "" && string(job.CodeOf(h.Err)) != c.want {
					t.Errorf("action %q, error %v", h.Action, h.Err)
				}
			})
		})
	}
}
