package memstore_test

import (
	"fmt"
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

// TestWhatNobodyHearsStandsBehind: of more events than a sweep tells, those come first that
// are due the longest, and not those that happened first.
func TestWhatNobodyHearsStandsBehind(t *testing.T) {
	t.Parallel()
	s, now := memstore.New(storetest.Timing()), time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	for i, id := range []string{"mute", "b", "a", "late"} {
		n := job.Notice{ID: id, Owner: "u", At: now.Add(time.Duration(i/2) * time.Second), Topic: true}
		if err := s.PutNotice(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.MarkFailed(t.Context(), "mute-topic", "503", now.Add(time.Minute), now); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		n    int
		want string
	}{
		{"few", 2, "[b a]"},
		{"all but one", 3, "[b a late]"},
		{"all, in the order in which they are due", 10, "[b a late mute]"},
	} {
		lane := (&job.Event{Type: job.NoticeTopic, Owner: "u"}).Lane()
		events, _, err := s.Pending(t.Context(), lane, now.Add(time.Hour), "", c.n)
		var got []string
		for _, e := range events {
			got = append(got, e.Job)
		}
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, %v, want %s", c.name, got, err, c.want)
		}
	}
}
