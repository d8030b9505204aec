package sim_test

import (
	"iter"
)

// task is one thread of a process: a coroutine that stops at every effect. It is
// used again for the next thread, because a fresh stack must first grow.
type task struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	run   func() // nil when it has ended
	done  func()
}

// scheduler runs tasks, one at a time.
type scheduler struct {
	tasks   []*task
	idle    []*task
	current *task
}

// spawn adds a task that has not begun yet; done runs when it has ended.
func (s *scheduler) spawn(run, done func()) {
	var t *task
	if last := len(s.idle) - 1; last >= 0 {
		t, s.idle = s.idle[last], s.idle[:last]
	} else {
		t = newTask()
	}
	t.run, t.done = run, done
	s.tasks = append(s.tasks, t)
}

// newTask returns a coroutine that waits for something to run.
func newTask() *task {
	t := &task{}
	t.next, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		for {
			t.run()
			t.run = nil
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return t
}

// pause stops the running task until the scheduler chooses it again.
func (s *scheduler) pause() { s.current.yield(struct{}{}) }

// resume lets task i run until its next pause or its end.
func (s *scheduler) resume(i int) {
	t := s.tasks[i]
	s.current = t
	t.next()
	s.current = nil
	if t.run != nil {
		return
	}
	last := len(s.tasks) - 1
	s.tasks[i] = s.tasks[last]
	s.tasks = s.tasks[:last]
	s.idle = append(s.idle, t)
	t.done()
}

// close ends the coroutines that wait.
func (s *scheduler) close() {
	for _, t := range s.idle {
		t.stop()
	}
	s.idle = nil
}
