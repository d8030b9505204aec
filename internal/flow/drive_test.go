package flow_test

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// input is what an execution was started with.
type input struct {
	Chain  string   `json:"chain"`
	Next   string   `json:"next"`
	Batch  string   `json:"batch"`
	Run    int      `json:"run"`
	Mode   string   `json:"mode"`
	Points []string `json:"points"`
	Bucket string   `json:"bucket"`
	Key    string   `json:"key"`
}

// executions are state machines that start when they are asked and run when they are
// driven.
type executions struct {
	names   []string // in the order of their start
	inputs  map[string]input
	gone    map[string]bool // ended, one way or another
	torn    map[string]bool // those that cannot be asked after
	list    []byte          // the newest stored list
	refuse  error           // of starts
	mute    error           // of questions
	unlists error           // of lists
}

// Start implements flow.Executions.
func (e *executions) Start(_ context.Context, m flow.Machine, name string, raw []byte) error {
	if e.refuse != nil {
		return e.refuse
	}
	if _, there := e.inputs[name]; there {
		return nil
	}
	var in input
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	if in.Mode == "distributed" {
		var chunks [][]string
		if err := json.Unmarshal(e.list, &chunks); err != nil {
			return err
		}
		in.Points = slices.Concat(chunks...)
	}
	if (m == flow.ChainMachine) != (in.Chain != "") {
		return job.Errorf(job.Internal, "%s has %s", m, raw)
	}
	e.names = append(e.names, name)
	e.inputs[name] = in
	return nil
}

// Running implements flow.Executions.
func (e *executions) Running(_ context.Context, _ flow.Machine, name string) (bool, error) {
	if e.torn[name] {
		return false, errNo
	}
	_, there := e.inputs[name]
	return there && !e.gone[name], e.mute
}

// PutList implements flow.Executions.
func (e *executions) PutList(_ context.Context, key string, list []byte) (string, error) {
	e.list = list
	return "bucket:" + key, e.unlists
}

// drive runs every execution to its end, as Step Functions does, and lets time pass for
// those that wait. An execution that fails is gone.
func (b *bench) drive() {
	b.t.Helper()
	for {
		at := slices.IndexFunc(b.exec.names, func(n string) bool { return !b.exec.gone[n] })
		if at < 0 {
			return
		}
		b.execute(b.exec.names[at])
		b.exec.gone[b.exec.names[at]] = true
	}
}

// execute runs one execution.
func (b *bench) execute(name string) {
	b.t.Helper()
	in := b.exec.inputs[name]
	if in.Chain != "" {
		b.walk(in.Chain)
		return
	}
	if b.mapOver(in) != nil {
		return
	}
	done, err := b.Summarise(b.t.Context(), in.Batch)
	for err != nil && b.again() {
		done, err = b.Summarise(b.t.Context(), in.Batch)
	}
	if err != nil || !done.Closed {
		return
	}
	if done.Ended.Failed+done.Ended.Cancelled == 0 {
		_ = b.Callback(b.t.Context(), in.Batch, job.CallThen)
	}
	_ = b.Callback(b.t.Context(), in.Batch, job.CallFinally)
}

// walk visits a chain until it has ended.
func (b *bench) walk(id string) {
	b.t.Helper()
	for range 200 {
		a, err := b.VisitChain(b.t.Context(), id, "r")
		switch {
		case err != nil && b.again():
		case err != nil:
			return
		case a.Wait > 0:
			b.now = b.now.Add(a.Wait)
		case a.State.Final():
			return
		}
	}
	b.t.Fatalf("chain %s does not end", id)
}

// mapOver visits all items of an execution until the last is final.
func (b *bench) mapOver(in input) error {
	b.t.Helper()
	open := slices.Clone(in.Points)
	for range 500 {
		var (
			left []string
			wait = time.Hour * 24 * 365
		)
		for _, p := range open {
			a, err := b.VisitItem(b.t.Context(), in.Batch, p, "r")
			for err != nil && b.again() {
				a, err = b.VisitItem(b.t.Context(), in.Batch, p, "r")
			}
			if err != nil {
				return err
			}
			if !a.State.Final() {
				left, wait = append(left, p), min(wait, a.Wait)
			}
		}
		if len(left) == 0 {
			return nil
		}
		open, b.now = left, b.now.Add(wait)
	}
	b.t.Fatalf("batch %s does not end", in.Batch)
	return nil
}

// sweep sweeps once and demands the counts.
func (b *bench) sweep(want flow.Swept) {
	b.t.Helper()
	if got, err := b.Sweep(b.t.Context()); err != nil || got != want {
		b.t.Errorf("swept %+v, %v, want %+v", got, err, want)
	}
}

// tell delivers the events of batches and notices that are due, as the relay does, and
// returns how many there were.
func (b *bench) tell() (n int) {
	b.t.Helper()
	for lane := range job.UserLanes {
		due, _, err := b.store.Pending(b.t.Context(), 1+lane, b.now, "", 1000)
		if err != nil {
			b.t.Fatal(err)
		}
		n += len(due)
		for i := range due {
			if err := b.box.Deliver(b.t.Context(), due[i]); err != nil {
				b.t.Logf("deliver %s: %v", due[i].ID, err)
			}
		}
	}
	return n
}

// settle drives and sweeps until nothing is left to do.
func (b *bench) settle() {
	b.t.Helper()
	for range 10 {
		b.drive()
		b.seam.down = false
		b.now = b.now.Add(time.Hour)
		s, err := b.Sweep(b.t.Context())
		if err == nil && s.Seen == 0 && b.tell() == 0 {
			return
		}
	}
	b.t.Error("it does not come to rest")
}

// again reports whether Step Functions repeats a visit that failed; the process is a new
// one then.
func (b *bench) again() bool {
	if b.retries == 0 {
		return false
	}
	b.retries--
	b.now = b.now.Add(10 * time.Second)
	b.seam.down = false
	return true
}
