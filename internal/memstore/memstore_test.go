package memstore_test

import (
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, memstore.New(storetest.Timing()))
}

// TestWritten: whoever sees the same number twice need not look again.
func TestWritten(t *testing.T) {
	t.Parallel()
	s := memstore.New(storetest.Timing())
	j := job.Job{ID: job.DerivedID("x"), State: job.Queued}
	for _, c := range []struct {
		name string
		do   func() error
		want int
	}{
		{"nothing", func() error { return nil }, 0},
		{"a job", func() error { _, _, err := s.Accept(t.Context(), &j); return err }, 1},
		{"the same job", func() error { _, _, err := s.Accept(t.Context(), &j); return err }, 1},
		{"a look", func() error { _, err := s.Job(t.Context(), j.ID); return err }, 1},
		{"a change", func() error {
			_, err := s.Amend(t.Context(), j.ID, func(j job.Job) (job.Job, error) { return job.Cancel(j, time.Now()) })
			return err
		}, 2},
	} {
		if err := c.do(); err != nil || s.Written() != c.want {
			t.Errorf("%s: %d rows written, %v, want %d", c.name, s.Written(), err, c.want)
		}
	}
}
