package sim_test

import (
	"iter"
	"time"
)

// task is one thread of a process: a coroutine that stops at every effect. It is
// used again for the next thread, because a fresh stack must first grow.
type task struct {
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	run   func()    // nil when it has ended
	until time.Time // sleeps until then
	done  func()
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

// lab is what the worlds of one thread use one after the other, because to make it
// anew would cost more than to live a life.
type lab struct {
	idle      []*task
	processes []*process
	moves     map[edge]int // of all worlds
}

func newLab() *lab { return &lab{moves: transitions()} }

// pop takes the last of a pool, and leaves nothing behind that would keep it alive.
func pop[T any](pool *[]*T) (*T, bool) {
	last := len(*pool) - 1
	if last < 0 {
		return nil, false
	}
	t := (*pool)[last]
	(*pool)[last] = nil
	*pool = (*pool)[:last]
	return t, true
}

// close ends the coroutines that wait.
func (l *lab) close() {
	for _, t := range l.idle {
		t.stop()
	}
	l.idle = nil
}

// scheduler runs tasks, one at a time.
type scheduler struct {
	lab     *lab
	tasks   []*task
	current *task
}

// spawn adds a task that has not begun yet; done runs when it has ended.
func (s *scheduler) spawn(run, done func()) {
	t, ok := pop(&s.lab.idle)
	if !ok {
		t = newTask()
	}
	t.run, t.done, t.until = run, done, time.Time{}
	s.tasks = append(s.tasks, t)
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
	s.lab.idle = append(s.lab.idle, t)
	done := t.done
	t.done = nil
	done()
}

// drop ends what is still under way: of a run that has failed, nobody looks on.
func (s *scheduler) drop() {
	for _, t := range s.tasks {
		s.current = t
		t.stop()
	}
	s.tasks, s.current = nil, nil
}
