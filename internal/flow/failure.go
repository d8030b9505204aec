package flow

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"orbitq/internal/job"
)

// tellFailure tells the owner of a chain that it has failed, if the chain was to tell what
// came of it: its last step never runs then, and silence would look like patience. It is
// one message for a revision, like those of the last step, and says no more than a person
// may know: which step it was, and by which job support finds it.
func (f *Flow) tellFailure(ctx context.Context, c *job.Chain) error {
	if c.State != job.TrackFailed || !slices.Contains(c.Steps, "notify") {
		return nil
	}
	wishes, err := f.Courier.Mail.Preferences(ctx, c.Owner)
	if err != nil {
		return fmt.Errorf("read preferences: %w", err)
	}
	if !wishes.Wants(job.NoticeFailed) {
		return nil
	}
	id := job.StepID(c.Key, c.Kind())
	n := job.Notice{
		ID:    job.DerivedID("notice", c.Point, strconv.Itoa(c.Revision), "FAILED"),
		Owner: c.Owner, Type: job.NoticeFailed, At: f.Now(), Point: c.Point, Revision: c.Revision, Job: id,
		Title: "The reading could not be processed", Text: "The step " + c.Kind() + " failed for good. Support finds it by the job " + id + ".",
		Facts: map[string]any{"step": c.Kind(), "code": string(c.Code)}, URL: wishes.URL, Topic: wishes.Topic,
	}
	if err := f.Courier.Mail.PutNotice(ctx, &n); err != nil {
		return fmt.Errorf("put notice: %w", err)
	}
	return nil
}
