package flow

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"orbitq/internal/job"
)

const (
	// stopFor is how long one call goes on stopping items: half of what a request may take.
	// A function of 256 MB stops some hundred items a second, and a batch may have 5,000.
	stopFor = 15 * time.Second
	// stopLook is when the sweep looks at a batch that was stopped: it goes on with what the
	// stop, or a crash of it, has left.
	stopLook = time.Minute
)

// stopItems takes back the items of a batch that have not started, as many as it can in a
// while. What is left is stopped when it is visited, or by the next sweep. Those that have
// begun come first, because they may wait for days, and nobody visits them until then.
func (f *Flow) stopItems(ctx context.Context, b *job.Batch) error {
	items, err := f.items(ctx, b)
	if err != nil {
		return err
	}
	items = slices.DeleteFunc(items, func(it job.Item) bool {
		return b.Now(it).State.Final() || it.Round > b.Round // at its end, or of a round that nobody has taken back
	})
	slices.SortStableFunc(items, func(x, y job.Item) int { return begun(b, x) - begun(b, y) })
	var wg sync.WaitGroup
	errs, slots := make([]error, len(items)), make(chan struct{}, f.Beside)
	began := f.Now()
	for i := range items {
		slots <- struct{}{}
		if ctx.Err() != nil || f.Now().Sub(began) >= stopFor {
			break
		}
		wg.Go(func() {
			it := b.Now(items[i])
			_, _, errs[i] = f.advance(ctx, b, &it, "")
			<-slots
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// begun is 0 for an item of which a step has begun, else 1.
func begun(b *job.Batch, it job.Item) int {
	if b.Now(it).State == job.TrackRunning {
		return 0
	}
	return 1
}

// stopRest goes on with the stop of a batch, and closes it if that was the last of it.
func (f *Flow) stopRest(ctx context.Context, b *job.Batch) (job.Batch, error) {
	if err := f.stopItems(ctx, b); err != nil {
		return *b, err
	}
	return f.Summarise(ctx, b.ID)
}
