package deadletter_test

import (
	"context"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
)

// recorded is a table that knows every letter.
type recorded struct{}

func (recorded) Bury(context.Context, job.Message, deadletter.Letter, time.Time) (deadletter.Fate, error) {
	return deadletter.Recorded, nil
}

func (recorded) RecordPoison(context.Context, deadletter.Letter, string, time.Time) error { return nil }

// heap is a dead letter queue that hands everything out at once.
type heap struct {
	letters  []deadletter.Letter
	deleted  []string
	returned []string
}

func (*heap) Moving(context.Context) (bool, error) { return false, nil }

func (h *heap) Receive(context.Context) ([]deadletter.Letter, error) {
	all := h.letters
	h.letters = nil
	return all, nil
}

func (h *heap) Delete(_ context.Context, receipt string) error {
	h.deleted = append(h.deleted, receipt)
	return nil
}

func (h *heap) Return(_ context.Context, receipt string) error {
	h.returned = append(h.returned, receipt)
	return nil
}

// TestOneLetterForEachDeadJob: a message that was sent twice dies twice, and only one of the two letters stays. The letter of
// another death stays, too; poison is no twin of anything, not even of the same words.
func TestOneLetterForEachDeadJob(t *testing.T) {
	t.Parallel()
	body := job.Message{Version: job.MessageVersion, Job: job.DerivedID("a"), Ticket: 1}.Encode()
	q := &heap{letters: []deadletter.Letter{
		{MessageID: "1", Receipt: "first", Body: body},
		{MessageID: "2", Receipt: "twin", Body: body},
		{MessageID: "5", Receipt: "of a later death", Body: job.Message{Version: job.MessageVersion, Job: job.DerivedID("a"), Generation: 1, Ticket: 2}.Encode()},
		{MessageID: "3", Receipt: "poison", Body: "x"},
		{MessageID: "4", Receipt: "poison again", Body: "x"},
	}}
	swept, err := deadletter.New(recorded{}, q, time.Now).Sweep(t.Context())
	if err != nil || swept.Deleted != 1 || len(q.deleted) != 1 || q.deleted[0] != "twin" || len(q.returned) != 4 {
		t.Errorf("swept %+v, deleted %v, returned %v, %v", swept, q.deleted, q.returned, err)
	}
}

// TestASweepLeavesTimeToGiveBack stops receiving when half of its time is over.
func TestASweepLeavesTimeToGiveBack(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	now, asked := time.Now(), 0
	q := &bottomless{}
	_, err := deadletter.New(recorded{}, q, func() time.Time {
		asked++
		return now.Add(time.Duration(asked) * time.Minute)
	}).Sweep(ctx)
	if err != nil || q.pages == 0 || q.pages > 30 {
		t.Errorf("%d pages, %v", q.pages, err)
	}
}

// bottomless is a queue that is never empty.
type bottomless struct {
	heap

	pages int
}

func (e *bottomless) Receive(context.Context) ([]deadletter.Letter, error) {
	e.pages++
	return []deadletter.Letter{{MessageID: job.DerivedID(string(rune(e.pages))), Receipt: "r", Body: "x"}}, nil
}
