package entry

import (
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// stepView is one step of a chain: its job, once it has one.
type stepView struct {
	Kind  string   `json:"kind"`
	State string   `json:"state"` // of its job; pending while it has none
	Job   *jobView `json:"job,omitempty"`
}

// chainView is a chain as the API shows it.
type chainView struct {
	ID          string         `json:"id"`
	State       job.TrackState `json:"state"`
	DataPointID string         `json:"data_point_id"`
	Steps       []stepView     `json:"steps"`
	Next        string         `json:"next_step,omitempty"`
	Failed      string         `json:"failed_step,omitempty"`
	Error       *errorView     `json:"error,omitempty"`
	Outcome     job.Outcome    `json:"outcome,omitempty"`
	Queue       string         `json:"queue"`
	Tags        []string       `json:"tags,omitempty"`
	Generation  int            `json:"generation"`
	Execution   string         `json:"execution"`
	CreatedAt   time.Time      `json:"created_at"`
	FinishedAt  *time.Time     `json:"finished_at,omitempty"`
}

// viewChain shows a chain with its steps; without their jobs, a step's state is what the
// chain itself knows of it.
func viewChain(c *job.Chain, steps []flow.ChainStep) chainView {
	v := chainView{
		ID: c.ID, State: c.State, DataPointID: c.Point, Steps: []stepView{}, Outcome: c.Outcome, Queue: c.Queue, Tags: c.Tags,
		Generation: c.Generation, Execution: job.ExecutionName(c.ID, c.Generation), CreatedAt: c.Created, FinishedAt: when(c.Finished),
	}
	for i, kind := range c.Steps {
		// A list has no jobs: each would cost a read. What the track knows is enough for it.
		s := stepView{Kind: kind, State: string(job.TrackPending)}
		if i < c.At {
			s.State = string(job.Succeeded)
		}
		if i == c.At && c.State == job.TrackFailed {
			s.State = string(job.Dead)
		}
		if i < len(steps) && steps[i].Job != nil {
			shown := viewJob(steps[i].Job)
			s.State, s.Job = string(shown.State), &shown
		}
		v.Steps = append(v.Steps, s)
	}
	if !c.State.Final() {
		v.Next = c.Kind()
	}
	if c.State == job.TrackFailed {
		v.Failed = c.Kind()
	}
	// Not only of a failed chain: an execution may have given up on one that the sweep takes
	// up again, and its owner should see that it hangs.
	if c.Code != "" {
		v.Error = &errorView{Code: c.Code, Message: c.Reason}
	}
	return v
}
