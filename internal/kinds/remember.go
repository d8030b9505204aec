package kinds

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"orbitq/internal/limit"
	"orbitq/internal/satellite"
)

// How long an answer is kept. While images of its window may still be published it
// is soon out of date; later it never changes.
const (
	keepOpen   = time.Hour
	keepClosed = 30 * 24 * time.Hour
	published  = 72 * time.Hour // the longest that an image takes from overpass to archive
)

// Cache keeps answers of the provider.
type Cache interface {
	// Cached returns the series of a key that is kept at now.
	Cached(ctx context.Context, key string, now time.Time) (satellite.Series, bool, error)
	// Keep keeps a series until a time.
	Keep(ctx context.Context, key string, s satellite.Series, until time.Time) error
}

// Provider answers questions by calls.
type Provider interface {
	// Statistics returns the indices of an area for each acquisition day; the pass
	// admits its calls to the provider.
	Statistics(ctx context.Context, pass *limit.Pass, a satellite.Area, w satellite.Window) (satellite.Series, error)
	// Seen reports whether the catalog has any image of the area in the window.
	Seen(ctx context.Context, pass *limit.Pass, a satellite.Area, w satellite.Window) (bool, error)
}

// Remembering is Imagery that asks the provider only once about the same place, the
// same window and the same script. What it remembers needs no slot, charges no
// budget and costs no credits. Readings of several metrics at one place and day are
// the common case.
//
// It never fails by itself: a cache that cannot be read is an empty one.
type Remembering struct {
	Provider

	Cache Cache
	Left  func(limit.Call) // takes note of a call that was saved
	Now   func() time.Time
}

// Known implements Imagery. A cache that cannot be read knows nothing.
func (r *Remembering) Known(ctx context.Context, a satellite.Area, w satellite.Window) (satellite.Series, bool) {
	s, ok, err := r.Cache.Cached(ctx, keyOf(a, w), r.Now())
	return s, err == nil && ok
}

// Statistics implements Imagery.
func (r *Remembering) Statistics(ctx context.Context, pass *limit.Pass, a satellite.Area, w satellite.Window) (satellite.Series, error) {
	now, key := r.Now(), keyOf(a, w)
	if s, ok, err := r.Cache.Cached(ctx, key, now); err == nil && ok {
		s.Cached = true
		r.Left(limit.Call{
			At: now, Took: r.Now().Sub(now), Type: limit.Enrichment, Cached: true, Status: 200,
			Job: pass.Job, Owner: pass.Owner, Point: pass.Point, Attempt: pass.Attempt,
		})
		return s, nil
	}
	s, err := r.Provider.Statistics(ctx, pass, a, w)
	if err != nil {
		return satellite.Series{}, fmt.Errorf("ask for statistics: %w", err)
	}
	if s.Failed == 0 && len(s.Days) > 0 {
		// Nothing is kept of an answer with holes, or of none: both may be better the
		// next time.
		keep := keepClosed
		if now.Sub(w.To) < published {
			keep = keepOpen
		}
		_ = r.Cache.Keep(ctx, key, s, now.Add(keep)) // asked again next time
	}
	return s, nil
}

// keyOf names a question: place, window and version of the script.
func keyOf(a satellite.Area, w satellite.Window) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %v %d %d", satellite.ScriptVersion, a, w.From.Unix(), w.To.Unix()))
	return hex.EncodeToString(sum[:16])
}
