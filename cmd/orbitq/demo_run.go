package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// row is a sample and what became of it.
type row struct {
	Name string  `json:"name"`
	Lat  float64 `json:"latitude"`
	Lon  float64 `json:"longitude"`
	// Want and Got are outcomes; Got is a state, an error code or a refusal's code where there is no outcome.
	Want string `json:"expected"`
	Got  string `json:"actual"`
	// PointID and Job are missing when the point was refused, and Problem says why.
	PointID string          `json:"data_point_id,omitempty"`
	Job     *client.Job     `json:"job,omitempty"`
	Problem *client.Problem `json:"problem,omitempty"`
	// Analysis is missing when there was no usable image.
	Analysis *client.Analysis `json:"analysis,omitempty"`
	// WaitMS is from acceptance to the start of the last attempt, RunMS from there to the end.
	WaitMS int64 `json:"wait_ms"`
	RunMS  int64 `json:"run_ms"`
	// Requests is the calls to AWS that named the point or its job, the questions of the demo left out.
	Requests int `json:"aws_requests"`
}

// ok reports whether it ended as it had to.
func (r *row) ok() bool { return r.Got == r.Want }

// demonstration runs samples through an API, as any client would: it stores points, looks at its jobs, reads results.
type demonstration struct {
	api   *client.Client
	meter *meter
	draw  *progress
	now   func() time.Time
	// key stands in front of each idempotency key.
	key string
	// patience is how long jobs may take; rows of unfinished ones say how far they came.
	patience time.Duration
}

// refused is the state of what never became a job.
const refused job.State = "refused"

// postponed is the state of a job that looks again on another day.
const postponed job.State = "postponed"

// parallel is how many requests are under way at once: enough to show that jobs run beside each other, and more would
// only queue up on two cores.
const parallel = 8

// lookEvery is the time between two looks at the jobs.
const lookEvery = 100 * time.Millisecond

// run stores the samples, watches their jobs until all are over or patience ends, and collects what came of it.
func (d *demonstration) run(ctx context.Context, samples []sample) ([]row, error) {
	rows := make([]row, len(samples))
	for i, s := range samples {
		rows[i] = row{Name: s.name, Lat: s.point.Latitude, Lon: s.point.Longitude, Want: s.want}
	}
	// Storing and watching overlap, or the first jobs would be over before anybody looked.
	stored := make(chan error, 1)
	accepted := &accepted{states: map[string]job.State{}}
	go func() {
		stored <- each(ctx, len(samples), func(ctx context.Context, i int) error {
			return d.store(ctx, samples[i].point, i, &rows[i], accepted)
		})
	}()
	if err := d.watch(ctx, accepted, len(samples), stored); err != nil {
		return nil, err
	}
	return rows, each(ctx, len(rows), func(ctx context.Context, i int) error { return d.collect(ctx, &rows[i]) })
}

// accepted is the jobs of the demo by id, with the state that was seen last. Refused points count as over.
type accepted struct {
	mu     sync.Mutex
	states map[string]job.State
}

// set notes a state; jobs of other runs are none of our business. A look that began before a job was stored may report
// an older state later, which the next look corrects.
func (a *accepted) set(id string, s job.State, isNew bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.states[id]; known || isNew {
		a.states[id] = s
	}
}

// snapshot returns the states, and whether all are over.
func (a *accepted) snapshot() (states map[string]job.State, over bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	states, over = map[string]job.State{}, true
	for id, s := range a.states {
		states[id] = s
		over = over && !s.Open()
	}
	return states, over
}

// store sends one point. A refusal is a result like any other.
func (d *demonstration) store(ctx context.Context, p client.NewPoint, n int, r *row, a *accepted) error {
	p.Key = fmt.Sprintf("%s-%d", d.key, n)
	created, err := d.api.CreatePoint(ctx, p)
	if errors.As(err, &r.Problem) {
		r.Got = string(r.Problem.Code)
		a.set(p.Key, refused, true)
		return nil
	}
	if err != nil {
		return fmt.Errorf("store point %q: %w", r.Name, err)
	}
	r.PointID, r.Job = created.PointID, &created.Job
	a.set(created.JobID, created.Job.State, true)
	return nil
}

// watch looks at the jobs until everything is stored and over. It asks for the whole list, one request however many jobs
// there are. Losing patience is no error: the report says of each job how far it came.
func (d *demonstration) watch(ctx context.Context, a *accepted, total int, stored <-chan error) error {
	// A nil channel is never ready: stored becomes one when it has said its only word.
	everything, late := false, time.After(d.patience)
	for tired := false; ; {
		select {
		case err := <-stored:
			if err != nil {
				return err
			}
			everything, stored = true, nil
		case <-time.After(lookEvery):
		case <-late:
			tired = true
		case <-ctx.Done():
			return fmt.Errorf("watch jobs: %w", context.Cause(ctx))
		}
		if err := d.look(ctx, a); err != nil {
			return err
		}
		states, over := a.snapshot()
		if everything && (over || tired) {
			d.draw.end(states, total, d.now())
			return nil
		}
		d.draw.show(states, total, d.now())
	}
}

// look notes the states of the newest jobs, of which ours are the newest.
func (d *demonstration) look(ctx context.Context, a *accepted) error {
	const newest = 100
	seen := 0
	for j, err := range d.api.Jobs(ctx, client.Filter{Page: newest}) {
		if err != nil {
			return fmt.Errorf("watch jobs: %w", err)
		}
		if j.Settled() && j.State.Open() {
			j.State = postponed
		}
		a.set(j.ID, j.State, false)
		if seen++; seen == newest {
			break
		}
	}
	return nil
}

// collect reads how a job ended. Waiting is counted from acceptance to the start of the last attempt, so it has the
// backoff of earlier ones in it.
func (d *demonstration) collect(ctx context.Context, r *row) error {
	if r.Job == nil {
		return nil
	}
	j, err := d.api.Job(ctx, r.Job.ID)
	if err != nil {
		return fmt.Errorf("read job of %q: %w", r.Name, err)
	}
	analyses, err := d.api.Analyses(ctx, r.PointID)
	if err != nil {
		return fmt.Errorf("read analysis of %q: %w", r.Name, err)
	}
	if len(analyses) > 0 {
		r.Analysis = &analyses[len(analyses)-1]
	}
	r.Job, r.Got = &j, reason(&j)
	if !j.Settled() {
		r.Got = string(j.State)
	}
	if j.StartedAt != nil {
		r.WaitMS = j.StartedAt.Sub(j.CreatedAt).Milliseconds()
	}
	if j.StartedAt != nil && j.FinishedAt != nil {
		r.RunMS = j.FinishedAt.Sub(*j.StartedAt).Milliseconds()
	}
	r.Requests, err = d.meter.requests(ctx, j.ID, r.PointID)
	return err
}

// each calls f for 0 to n-1, a few at a time, and returns all errors. Each call has its own place to write to, so no
// lock is needed; the wait at the end makes what was written visible.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	var (
		wait   sync.WaitGroup
		errs   = make([]error, n)
		tokens = make(chan struct{}, parallel)
	)
	for i := range n {
		tokens <- struct{}{}
		wait.Go(func() {
			defer func() { <-tokens }()
			errs[i] = f(ctx, i)
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
