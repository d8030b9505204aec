package deadletter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/job"
)

// never is Operations whose every write is lost to somebody else.
type never struct{ deadletter.Operations }

func (never) SaveOperation(context.Context, *deadletter.Operation) (bool, error) { return false, nil }

// TestOperationsMeetABrokenTable: each call says what it was about.
func TestOperationsMeetABrokenTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		op, want string
		do       func(d *desk, id string) error
	}{
		{"CountOperations", "count operations", func(d *desk, _ string) error {
			_, err := d.Start(context.Background(), deadletter.Operation{})
			return err
		}},
		{"SaveOperation", "save operation", func(d *desk, _ string) error {
			_, err := d.Start(context.Background(), deadletter.Operation{})
			return err
		}},
		{"Operation", "read operation", func(d *desk, id string) error { _, err := d.Find(context.Background(), "me", id); return err }},
		{"SaveOperation", "save operation", func(d *desk, id string) error { _, err := d.Abort(context.Background(), "me", id); return err }},
		{"Operation", "read operation", func(d *desk, id string) error { _, err := d.Abort(context.Background(), "me", id); return err }},
		{"OpenOperations", "find operations", func(d *desk, _ string) error { _, err := d.Advance(context.Background()); return err }},
		{"Operation", "advance operation", func(d *desk, _ string) error { _, err := d.Advance(context.Background()); return err }},
		{"SaveOperation", "advance operation", func(d *desk, _ string) error { _, err := d.Advance(context.Background()); return err }},
		{"Dead", "list dead jobs", func(d *desk, _ string) error { _, err := d.Advance(context.Background()); return err }},
		{"Job", "read job", func(d *desk, _ string) error { _, err := d.Advance(context.Background()); return err }},
	} {
		d := newCampaign(t, 12)
		p := &faulty.Process{Plan: d.script}
		d.Operations = &faulty.Operations{Inner: d.store, Process: p}
		op := d.begin(t, deadletter.Operation{Rate: 2})
		d.advance(t, op.ID)
		d.script[c.op] = faulty.Refuse
		if err := c.do(d, op.ID); job.CodeOf(err) != job.Throttled || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.op, err, c.want)
		}
		if got := d.find(t, op.ID); got.Retried != 2 || got.Version != 2 {
			t.Errorf("%s: %+v", c.op, got)
		}
	}
	d := newCampaign(t, 1)
	op := d.begin(t, deadletter.Operation{})
	d.Operations = never{d.store}
	if _, err := d.Abort(t.Context(), "me", op.ID); job.CodeOf(err) != job.Unavailable {
		t.Errorf("got %v", err)
	}
}

// TestOneBrokenOperationKeepsNoOtherBack.
func TestOneBrokenOperationKeepsNoOtherBack(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 6)
	a := d.begin(t, deadletter.Operation{Rate: 2})
	d.now = d.now.Add(time.Second)
	b := d.begin(t, deadletter.Operation{Rate: 2})
	d.Operations = broken{d.store, a.ID}
	n, err := d.Advance(t.Context())
	if n != 2 || err == nil || !strings.Contains(err.Error(), a.ID) || d.find(t, b.ID).Retried != 2 {
		t.Errorf("%d, %v, %+v", n, err, d.find(t, b.ID))
	}
}

// broken cannot read one operation.
type broken struct {
	deadletter.Operations

	id string
}

func (b broken) Operation(ctx context.Context, id string) (deadletter.Operation, error) {
	if id == b.id {
		return deadletter.Operation{}, errors.New("unreadable")
	}
	return b.Operations.Operation(ctx, id)
}

// TestAJobThatIsGoneEndedWell: its row expired long after it was final.
func TestAJobThatIsGoneEndedWell(t *testing.T) {
	t.Parallel()
	d := newCampaign(t, 1)
	op := d.begin(t, deadletter.Operation{Canary: true})
	d.advance(t, op.ID)
	d.Operations = forgetful{d.store}
	if op = d.advance(t, op.ID); op.State != deadletter.OperationDone || op.Mended != 1 {
		t.Errorf("%+v", op)
	}
}

// forgetful has no job any more.
type forgetful struct{ deadletter.Operations }

func (forgetful) Job(_ context.Context, id string) (job.Job, error) {
	return job.Job{}, job.Errorf(job.NotFound, "no job %s", id)
}
