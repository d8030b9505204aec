package job_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
)

// trackStates lists every state of a track.
func trackStates() []job.TrackState {
	return []job.TrackState{job.TrackPending, job.TrackRunning, job.TrackSucceeded, job.TrackSkipped, job.TrackFailed, job.TrackCancelled}
}

// steps is a track of three steps, after an edit.
func steps(edit func(*job.Track)) job.Track {
	t := job.Track{Key: "k", Point: "p", Revision: 1, Steps: []string{"enrich", "analyze", "notify"}, State: job.TrackPending}
	if edit != nil {
		edit(&t)
	}
	return t
}

func TestTrackStatesAreClosed(t *testing.T) {
	t.Parallel()
	all := declared(t, "track.go", "TrackState")
	if len(all) != len(trackStates()) {
		t.Errorf("declared %v", all)
	}
	for i, s := range trackStates() {
		if s.Final() != (i > 1) || !slices.Contains(all, string(s)) {
			t.Errorf("%s is final: %v", s, s.Final())
		}
	}
}

// TestWhatAStepDoesToItsTrack: one row for each way that a job may stand.
func TestWhatAStepDoesToItsTrack(t *testing.T) {
	t.Parallel()
	now := start()
	dead := job.Job{State: job.Dead, Generation: 2, Code: job.Internal, Reason: "why"}
	for _, c := range []struct {
		name  string
		track job.Track
		step  job.Job
		want  job.Track
	}{
		{"open", steps(nil), job.Job{State: job.Waiting}, steps(nil)},
		{"first of three", steps(nil), job.Job{State: job.Succeeded, Outcome: job.Partial}, steps(func(t *job.Track) { t.At, t.Outcome, t.State = 1, job.Partial, job.TrackRunning })},
		{"without data", steps(nil), job.Job{State: job.Succeeded, Outcome: job.Clouded}, steps(func(t *job.Track) { t.At, t.Outcome, t.State = 1, job.Clouded, job.TrackRunning })},
		{"skipped", steps(nil), job.Job{State: job.Skipped, Outcome: job.UserQuotaExceeded}, steps(func(t *job.Track) { t.At, t.Outcome, t.State = 1, job.UserQuotaExceeded, job.TrackRunning })},
		{"the first outcome stays", steps(func(t *job.Track) { t.At, t.Outcome = 1, job.Success }), job.Job{State: job.Succeeded, Outcome: job.Analysed}, steps(func(t *job.Track) { t.At, t.Outcome, t.State = 2, job.Success, job.TrackRunning })},
		{
			"last", steps(func(t *job.Track) { t.At, t.Outcome = 2, job.Success }),
			job.Job{State: job.Succeeded, Outcome: job.Notified},
			steps(func(t *job.Track) {
				t.At, t.Outcome, t.State, t.Finished, t.Least = 3, job.Success, job.TrackSucceeded, now, 1
			}),
		},
		{
			"last, and the first was skipped", steps(func(t *job.Track) { t.At, t.Outcome = 2, job.UserQuotaExceeded }),
			job.Job{State: job.Succeeded, Outcome: job.Notified},
			steps(func(t *job.Track) {
				t.At, t.Outcome, t.State, t.Finished, t.Least = 3, job.UserQuotaExceeded, job.TrackSkipped, now, 1
			}),
		},
		{"died", steps(nil), dead, steps(func(t *job.Track) {
			t.State, t.Code, t.Reason, t.Finished, t.Least = job.TrackFailed, job.Internal, "why", now, 3
		})},
		{"died in the round that asks", steps(func(t *job.Track) { t.Least = 2 }), dead, steps(func(t *job.Track) {
			t.State, t.Code, t.Reason, t.Finished, t.Least = job.TrackFailed, job.Internal, "why", now, 3
		})},
		{"died in an earlier round", steps(func(t *job.Track) { t.Least = 3 }), dead, steps(func(t *job.Track) { t.Least = 3 })},
		{"forgotten", steps(nil), job.Job{State: job.Forgotten, Code: job.Internal}, steps(func(t *job.Track) {
			t.State, t.Code, t.Finished, t.Least = job.TrackFailed, job.Internal, now, 1
		})},
		{"cancelled", steps(nil), job.Job{State: job.Cancelled}, steps(func(t *job.Track) { t.State, t.Finished, t.Least = job.TrackCancelled, now, 1 })},
		{"cancelled in an earlier round", steps(func(t *job.Track) { t.Least = 1 }), job.Job{State: job.Cancelled}, steps(func(t *job.Track) { t.Least = 1 })},
		{
			"trouble is over with its step", steps(func(t *job.Track) { t.Code, t.Reason, t.Least = job.Throttled, "slow", 2 }),
			job.Job{State: job.Succeeded, Outcome: job.Success},
			steps(func(t *job.Track) { t.At, t.Outcome, t.State = 1, job.Success, job.TrackRunning }),
		},
		{"final already", steps(func(t *job.Track) { t.State = job.TrackCancelled }), dead, steps(func(t *job.Track) { t.State = job.TrackCancelled })},
	} {
		if got := c.track.After(&c.step, now); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestStopAndRestart of every state.
func TestStopAndRestart(t *testing.T) {
	t.Parallel()
	for _, s := range trackStates() {
		at := steps(func(t *job.Track) {
			t.State, t.Code, t.Reason, t.Finished, t.Least = s, job.Internal, "why", start(), 4
		})
		stopped := at.Stopped(start().Add(time.Hour))
		if s.Final() != (fmt.Sprint(stopped) == fmt.Sprint(at)) || !s.Final() && (stopped.State != job.TrackCancelled || !stopped.Finished.Equal(start().Add(time.Hour))) {
			t.Errorf("%s stopped: %+v", s, stopped)
		}
		again := at.Restarted(7)
		if s != job.TrackFailed && s != job.TrackCancelled {
			if fmt.Sprint(again) != fmt.Sprint(at) {
				t.Errorf("%s restarted: %+v", s, again)
			}
			continue
		}
		if again.State != job.TrackPending || again.Round != 7 || again.Code != "" || again.Reason != "" || !again.Finished.IsZero() || again.Least != 4 || again.At != at.At {
			t.Errorf("%s restarted: %+v", s, again)
		}
	}
	if got := steps(nil).Begun(); got.State != job.TrackRunning {
		t.Errorf("begun: %+v", got)
	}
}

// TestARestartRevivesOnce: over any rounds, a step is revived at most once in each, and no
// death counts in a round that it is not of.
func TestARestartRevivesOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now, track, rounds := start(), steps(nil), 0
		var (
			row     job.Job
			revived = map[int]int{}
		)
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			switch rapid.IntRange(0, 3).Draw(t, "event") {
			case 0: // a visit, which may see the same row again and again
				if track.State.Final() {
					continue
				}
				if row.State == "" {
					row = job.Job{Kind: track.Kind(), State: job.Queued}
				}
				if track.Renewed(&row) {
					next, err := job.Restarted(row, job.DefaultTiming(), now)
					if err != nil {
						t.Fatal(err)
					}
					row = next
					revived[rounds]++
				}
				before := track.At
				if track = track.After(&row, now); track.At > before {
					row = job.Job{}
				}
			case 1: // the job ends
				if row.State.Open() {
					row.State = rapid.SampledFrom([]job.State{job.Dead, job.Cancelled, job.Succeeded}).Draw(t, "end")
				}
			case 2: // a person asks
				if next := track.Restarted(rounds + 1); next.Round != track.Round {
					track, rounds = next, rounds+1
				}
			default: // a visit of somebody slow writes nothing new
				if again := track.After(&row, now); track.State.Final() && fmt.Sprint(again) != fmt.Sprint(track) {
					t.Fatalf("an end was left: %+v", again)
				}
			}
			if revived[rounds] > 1 || rounds == 0 && revived[0] > 0 {
				t.Fatalf("revived %v in %d rounds", revived, rounds)
			}
			if failed := track.State == job.TrackFailed || track.State == job.TrackCancelled; failed && track.Least != row.Generation+1 {
				t.Fatalf("ended by %+v: %+v", row, track)
			}
		}
	})
}

// policies are those of the kinds, for the order of steps.
func policies() map[string]job.Policy {
	return map[string]job.Policy{"enrich": {Before: []string{"analyze", "notify"}}, "analyze": {Before: []string{"notify"}}, "notify": {}}
}

func TestOrderSteps(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 41)
	for _, c := range []struct {
		name  string
		steps []string
		rule  string
		quote string
	}{
		{"all", []string{"enrich", "analyze", "notify"}, "", ""},
		{"none", nil, "", ""},
		{"one alone", []string{"notify"}, "", ""},
		{"one left out", []string{"enrich", "notify"}, "", ""},
		{"unknown", []string{"enrich", "fly"}, "known", ": fly"},
		{"unknown and long", []string{long}, "known", ": " + long[:40] + "..."},
		{"unknown and not so long", []string{long[:40]}, "known", ": " + long[:40]},
		{"twice", []string{"enrich", "enrich"}, "unique", "enrich twice"},
		{"behind what builds upon it", []string{"analyze", "enrich"}, "order", "enrich before analyze"},
		{"behind the last", []string{"enrich", "notify", "analyze"}, "order", "analyze before notify"},
	} {
		got := job.OrderSteps("f", c.steps, policies())
		if c.rule == "" && got == nil {
			continue
		}
		if len(got) != 1 || got[0].Field != "f" || got[0].Rule != c.rule || !strings.HasSuffix(got[0].Detail, c.quote) {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
}

// TestAStepHasOneID, and no other has it.
func TestAStepHasOneID(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, track := range []string{"", "a", "a/b", "a/", "b"} {
		for _, kind := range []string{"enrich", "analyze", ""} {
			id := job.StepID(track, kind)
			if id != job.StepID(track, kind) || !job.ValidID(id) || seen[id] != "" {
				t.Errorf("%q of %q has the id of %s", kind, track, seen[id])
			}
			seen[id] = kind + " of " + track
		}
	}
}
