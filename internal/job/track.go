package job

import "time"

// TrackState is where a track stands.
type TrackState string

// The states of a track. The last four are final; failed and cancelled ones begin
// again when a person restarts their chain or batch.
const (
	TrackPending   TrackState = "pending"   // no step has begun
	TrackRunning   TrackState = "running"   // a step has begun, or waits for its time
	TrackSucceeded TrackState = "succeeded" // every step ended
	TrackSkipped   TrackState = "skipped"   // every step ended, one without running: its owner's limit is used up
	TrackFailed    TrackState = "failed"    // a step died
	TrackCancelled TrackState = "cancelled" // taken back before its end
)

// Final reports whether nothing happens to the track any more by itself.
func (s TrackState) Final() bool { return s != TrackPending && s != TrackRunning }

// Track is the way of one data point through the steps of a chain, or of one item of a
// batch. Each step is a job of its own, whose row is the truth about it; the track only
// says which step is next. It is written after that row is final, so that no step begins
// before the one before it is committed.
type Track struct {
	// Key: what the ids of the steps' jobs are made of.
	Key      string   `json:"key"`
	Point    string   `json:"point"`
	Revision int      `json:"rev"`
	Steps    []string `json:"steps"` // kinds, each at most once
	// At: index of the step that is next or running.
	At    int        `json:"at,omitempty"`
	State TrackState `json:"state"`
	// Round: restart that the track last took part in.
	Round int `json:"round,omitempty"`
	// Least: lowest generation of the next step's job that counts; a job that ended the
	// track in an earlier round is revived first.
	Least int `json:"least,omitempty"`
	// Due: when the step can go on, if it is so far off that nobody waits for it; the sweep
	// comes back to it then. Zero for a track that somebody works on or waits for.
	Due time.Time `json:"due,omitzero"`
	// Outcome: of the step that mattered most so far: the first that has an analysis to
	// show, or could have had one.
	Outcome Outcome `json:"outcome,omitempty"`
	// Code and Reason: of the step that failed.
	Code     Code      `json:"code,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Finished time.Time `json:"finished,omitzero"`
}

// Kind returns the kind of the step that is next or running; none for a track whose
// steps have all ended.
func (t Track) Kind() string {
	if t.At >= len(t.Steps) {
		return ""
	}
	return t.Steps[t.At]
}

// StepID returns the id of the job that does a step. It is the same however often the
// step is asked for, so that a repeated request finds the job instead of making one.
func StepID(track, kind string) string { return DerivedID(track, "step", kind) }

// Begun returns the track as its next step begins.
func (t Track) Begun() Track {
	t.State = TrackRunning
	return t
}

// Parked returns the track as it waits for a time that is far off: longer than MaxDelay,
// as for an image of next week. An executor that waited for it would keep its place from
// others that could run.
func (t Track) Parked(step *Job, now time.Time) Track {
	t.Due = time.Time{}
	if step.State.Open() && !step.LeaseLive(now) && step.Due.Sub(now) > MaxDelay {
		t.Due = step.Due
	}
	return t
}

// Renewed reports whether a step's job must be revived before it counts: it ended for
// good in an earlier round, and a person has asked for another.
func (t Track) Renewed(step *Job) bool {
	ended := step.State == Dead || step.State == Cancelled
	return ended && step.Generation < t.Least
}

// After returns the track as the job of its step leaves it. An enrichment without data,
// or one that was skipped, is no failure: the steps behind it run all the same (domain
// brief 2.5).
func (t Track) After(step *Job, now time.Time) Track {
	if t.State.Final() || step.State.Open() || t.Renewed(step) {
		return t
	}
	switch step.State {
	case Dead, Forgotten:
		t.Code, t.Reason = step.Code, step.Reason
		return t.ended(TrackFailed, step, now)
	case Cancelled:
		return t.ended(TrackCancelled, step, now)
	case Scheduled, Queued, Running, Waiting, Retrying, Succeeded, Skipped:
	}
	if t.Outcome == "" {
		t.Outcome = step.Outcome
	}
	t.At++
	t.Least = 0
	t.Code, t.Reason = "", "" // of an execution that gave up on this very step
	switch {
	case t.At < len(t.Steps):
		return t.Begun() // not pending any more, also if this step never had to be waited for
	case t.Outcome == UserQuotaExceeded:
		return t.ended(TrackSkipped, step, now)
	default:
		return t.ended(TrackSucceeded, step, now)
	}
}

// ended returns the track in a final state; it remembers which generation of the step's
// job it ended with.
func (t Track) ended(s TrackState, step *Job, now time.Time) Track {
	t.State, t.Finished = s, now
	t.Least = step.Generation + 1
	return t
}

// Stopped returns a track that is taken back before its step has a job. With a job, that
// one is cancelled first, and After says what becomes of the track.
func (t Track) Stopped(now time.Time) Track {
	if t.State.Final() {
		return t
	}
	t.State, t.Finished = TrackCancelled, now
	return t
}

// Restarted returns a failed or cancelled track that goes on with the step that ended it.
// The job of that step is revived when its turn comes: a crash in between leaves nothing
// half done.
func (t Track) Restarted(round int) Track {
	if t.State != TrackFailed && t.State != TrackCancelled {
		return t
	}
	t.State, t.Round = TrackPending, round
	t.Code, t.Reason, t.Finished, t.Due = "", "", time.Time{}, time.Time{}
	return t
}

// OrderSteps checks the steps of a chain or batch: every kind known, none twice, and
// none before one that it builds upon.
func OrderSteps(field string, steps []string, policies map[string]Policy) []Violation {
	seen := map[string]bool{}
	for _, kind := range steps {
		policy, known := policies[kind]
		switch {
		case !known:
			return []Violation{{Field: field, Rule: "known", Detail: "has a step that is no registered kind: " + clipped(kind)}}
		case seen[kind]:
			return []Violation{{Field: field, Rule: "unique", Detail: "has the step " + kind + " twice"}}
		}
		for _, later := range policy.Before {
			if seen[later] {
				return []Violation{{Field: field, Rule: "order", Detail: "must have " + kind + " before " + later}}
			}
		}
		seen[kind] = true
	}
	return nil
}

// clipped shortens what a stranger wrote before it is quoted.
func clipped(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
