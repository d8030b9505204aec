package sim_test

import (
	"iter"
)

// task is one thread of a process: a coroutine that stops at every effect.
type task struct {
	next  func() (struct{}, bool)
	yield func(struct{}) bool
	done  func()
}

// scheduler runs tasks, one at a time.
type scheduler struct {
	tasks   []*task
	current *task
}

// spawn adds a task that has not begun yet; done runs when it has ended.
func (s *scheduler) spawn(run, done func()) {
	t := &task{done: done}
	t.next, _ = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		run()
	})
	s.tasks = append(s.tasks, t)
}

// pause stops the running task until the scheduler chooses it again.
func (s *scheduler) pause() { s.current.yield(struct{}{}) }

// resume lets task i run until its next pause or its end.
func (s *scheduler) resume(i int) {
	t := s.tasks[i]
	s.current = t
	_, alive := t.next()
	s.current = nil
	if alive {
		return
	}
	last := len(s.tasks) - 1
	s.tasks[i] = s.tasks[last]
	s.tasks[last] = nil
	s.tasks = s.tasks[:last]
	t.done()
}
