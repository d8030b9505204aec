package lambdart

import "math/rand/v2"

// PIDs lists the processes that are alive, in no order: one for each environment that has started and was not killed.
func (f *Function) PIDs() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	var pids []int
	for in := range f.all {
		if pid := in.livePID(); pid != 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// KillOne kills a random environment, a busy one if there is any, as a host failure would. It returns its process
// and false when there was none to kill.
func (f *Function) KillOne(random *rand.Rand) (pid int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var busy, idle []*instance
	for in := range f.all {
		switch {
		case in.livePID() == 0:
		case in.busy:
			busy = append(busy, in)
		default:
			idle = append(idle, in)
		}
	}
	// An idle one is better than none: the next invocation has to cope with its death.
	if len(busy) == 0 {
		busy = idle
	}
	if len(busy) == 0 {
		return 0, false
	}
	victim := busy[random.IntN(len(busy))]
	pid = victim.livePID()
	victim.kill()
	return pid, true
}

// livePID is the process of a living environment, else 0.
func (in *instance) livePID() int {
	if in.dead() {
		return 0
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.pid
}
