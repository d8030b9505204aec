package intake_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/memqueue"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/usage"
)

// bulk keeps what was sent, and fails for every third message.
type bulk struct {
	sent   map[string][]intake.Outgoing
	broken bool
}

func (b *bulk) SendMany(_ context.Context, queue string, all []intake.Outgoing) []error {
	b.sent[queue] = append(b.sent[queue], all...)
	errs := make([]error, len(all))
	for i := range errs {
		if b.broken && i%3 == 0 {
			errs[i] = errors.New("refused")
		}
	}
	return errs
}

// importer is an intake for many jobs of one owner with one point.
func importer(t *testing.T, b *bulk) (*intake.Intake, intake.Request, string) {
	t.Helper()
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	table := memstore.New(job.DefaultTiming())
	var ids atomic.Uint32
	in := intake.New(intake.Config{
		Store: table, Bulk: b, Policies: map[string]job.Policy{"enrich": {}}, Now: func() time.Time { return now },
		Entropy: func() [10]byte {
			n := ids.Add(1)
			return [10]byte{8: byte(n >> 8), 9: byte(n)}
		},
		Deadline: time.Hour, Resend: time.Minute, Tries: 3,
	})
	p := point.Point{ID: job.DerivedID("point"), Owner: "ann", Revision: 1}
	j := job.Accepted(job.Job{ID: job.DerivedID("first"), Owner: "ann", Point: p.ID}, now, time.Hour, time.Minute)
	if _, _, _, err := table.AcceptPoint(t.Context(), &p, &j); err != nil {
		t.Fatal(err)
	}
	return in, intake.Request{Principal: intake.Principal{Owner: "ann", Tier: usage.Enterprise}}, p.ID
}

// wishes returns n wishes for a point, every second one for the queue low.
func wishes(n int, pointID string) []intake.Wish {
	all := make([]intake.Wish, n)
	for i := range all {
		all[i] = intake.Wish{Dispatch: intake.Dispatch{Kind: "enrich", Point: pointID}, Body: fmt.Appendf(nil, "body %d", i)}
		if i%2 == 1 {
			all[i].Queue = "low"
		}
	}
	return all
}

func TestManyAreSentByQueueAndAnsweredInOrder(t *testing.T) {
	t.Parallel()
	b := &bulk{sent: map[string][]intake.Outgoing{}}
	in, r, pointID := importer(t, b)
	all := wishes(intake.MaxMany, pointID)
	far, soon := 3600, 60
	all[0].Delay, all[2].Delay = &far, &soon
	all[4].Err = errors.New("unreadable")
	all[6].Point = "x"
	answers := in.DispatchMany(t.Context(), r, all)
	seen := map[string]bool{}
	for i := range answers {
		a := &answers[i]
		refused := i == 4 || i == 6
		if refused != (a.Err != nil) || !refused && (a.Job.Queue == "low") != (i%2 == 1) || seen[a.Job.ID] && !refused {
			t.Errorf("answer %d: %+v", i, a)
		}
		seen[a.Job.ID] = true
	}
	if answers[0].Job.State != job.Scheduled || len(b.sent["default"]) != intake.MaxMany/2-3 || len(b.sent["low"]) != intake.MaxMany/2 {
		t.Errorf("sent %d to default, %d to low", len(b.sent["default"]), len(b.sent["low"]))
	}
	delayed := 0
	for _, o := range b.sent["default"] {
		if o.Delay == time.Minute {
			delayed++
		}
	}
	if delayed != 1 {
		t.Errorf("%d messages are delayed by a minute", delayed)
	}
}

func TestEachMessageOfManyThatIsNotSentIsTold(t *testing.T) {
	t.Parallel()
	b := &bulk{sent: map[string][]intake.Outgoing{}, broken: true}
	in, r, pointID := importer(t, b)
	failed := 0
	for _, a := range in.DispatchMany(t.Context(), r, wishes(12, pointID)) {
		if a.Err != nil {
			t.Errorf("a job that was accepted is refused: %v", a.Err)
		}
		if a.SendErr != nil {
			failed++
		}
	}
	if failed != 4 {
		t.Errorf("%d of 12 failed, want 4: every third of two queues", failed)
	}
}

func TestAKeyMakesEachPlaceItsOwn(t *testing.T) {
	t.Parallel()
	b := &bulk{sent: map[string][]intake.Outgoing{}}
	in, r, pointID := importer(t, b)
	r.Key = "import"
	first := in.DispatchMany(t.Context(), r, wishes(4, pointID))
	again := in.DispatchMany(t.Context(), r, wishes(6, pointID))
	for i := range again {
		if repeated := i < 4; again[i].Repeated != repeated || repeated && again[i].Job.ID != first[i].Job.ID {
			t.Errorf("place %d: %+v", i, again[i])
		}
	}
	if n := len(b.sent["default"]) + len(b.sent["low"]); n != 6 {
		t.Errorf("%d messages for 6 jobs", n)
	}
}

// TestTheKeyOfManyIsNoSinglesKey: a key of full length serves for many, and the key of a single
// request that looks like the place of an item is another one.
func TestTheKeyOfManyIsNoSinglesKey(t *testing.T) {
	t.Parallel()
	b := &bulk{sent: map[string][]intake.Outgoing{}}
	in, r, pointID := importer(t, b)
	in.Sender = memqueue.New(memqueue.Config{Now: in.Now, Visibility: time.Minute, MaxReceives: 8, Names: []string{"default"}})
	r.Key = strings.Repeat("k", job.MaxKeyLength)
	if got := in.DispatchMany(t.Context(), r, wishes(1, pointID))[0]; got.Err != nil {
		t.Errorf("the longest key: %v", got.Err)
	}
	r.Key = "import"
	first := in.DispatchMany(t.Context(), r, wishes(1, pointID))[0]
	r.Key, r.Body = "import#0", []byte("body 0")
	single, err := in.DispatchJob(t.Context(), r, wishes(1, pointID)[0].Dispatch)
	if err != nil || single.Repeated || single.Job.ID == first.Job.ID {
		t.Errorf("a single request: %+v, %v", single, err)
	}
}
