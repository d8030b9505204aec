package lambdart

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// instance is one execution environment: a process and its Runtime API. One run at a time has it; the handlers of the
// Runtime API and the owner of the process meet that run in the channels and under the lock.
type instance struct {
	f      *Function
	busy   bool   // guarded by the function's lock, as is reaper
	reaper reaper // ends the environment when it stays idle
	stream string // names the log stream

	listener net.Listener
	server   *http.Server
	work     chan *invocation // what the next request for work gets
	ready    chan struct{}    // the runtime asked for work: initialised, or done with the last
	killed   chan struct{}
	killOnce sync.Once
	exited   chan struct{} // closed when the process is gone; exit is set before
	exit     string        // how it ended: "exit status 1", "signal: killed", "" for 0

	// mu guards what handlers and the run both touch, including the fields of the invocation below its own comment.
	mu      sync.Mutex
	pid     int
	current *invocation // handed out, or about to be
	initErr []byte      // what the runtime posted instead of asking for work
}

// newInstance prepares an environment; its process starts with the first invocation.
func newInstance(f *Function) *instance {
	return &instance{
		f: f, stream: time.Now().UTC().Format("2006/01/02/[") + f.cfg.Version + "]" + randomHex(16),
		work: make(chan *invocation, 1), ready: make(chan struct{}, 1), killed: make(chan struct{}), exited: make(chan struct{}),
	}
}

// kill ends the process and all its children, now or as soon as it starts. It does not wait; exited tells.
func (in *instance) kill() { in.killOnce.Do(func() { close(in.killed) }) }

// dead reports whether the environment has ended or is about to.
func (in *instance) dead() bool {
	select {
	case <-in.killed:
		return true
	case <-in.exited:
		return true
	default:
		return false
	}
}

// serve runs one invocation, after the initialisation if there was none yet.
func (in *instance) serve(inv *invocation) ending {
	var initTime time.Duration
	if in.listener == nil {
		began := time.Now()
		if end := in.boot(inv); end != nil {
			end.Init = time.Since(began)
			return in.finish(inv, *end)
		}
		initTime = time.Since(began)
	}
	end := in.invoke(inv)
	if end.undelivered { // nothing to report: it will run elsewhere
		return end
	}
	end.Init = initTime
	return in.finish(inv, end)
}

// boot starts the process and waits until it asks for work; an ending is a failed start. Lambda would try a failed
// initialisation once more, inside the invocation; here it fails at once, which is seen sooner.
func (in *instance) boot(inv *invocation) *ending {
	if err := in.start(); err != nil {
		return &ending{err: err, gone: true}
	}
	limit := time.NewTimer(in.f.cfg.InitTimeout)
	defer limit.Stop()
	select {
	case <-in.ready:
		return nil
	case <-in.exited: // by itself, after an error of its own, or killed
		return in.failedInit(inv)
	case <-limit.C:
		in.kill()
		<-in.exited
		end := failed("Sandbox.Timedout", inv.id, timedOut(in.f.cfg.InitTimeout))
		return &end
	}
}

// failedInit is what a process leaves that ended before it asked for work: the error that it posted, or how it ended.
func (in *instance) failedInit(inv *invocation) *ending {
	in.mu.Lock()
	defer in.mu.Unlock()
	end := failed("Runtime.ExitError", inv.id, exitReason(in.exit))
	if in.initErr != nil {
		end.Payload = in.initErr
	}
	return &end
}

// invoke hands the invocation to the waiting runtime and waits until it asks for the next, ends, or is out of time.
func (in *instance) invoke(inv *invocation) ending {
	inv.begin(in.f.cfg.Timeout)
	in.mu.Lock()
	in.current = inv
	in.mu.Unlock()
	limit := time.NewTimer(in.f.cfg.Timeout)
	defer limit.Stop()
	in.work <- inv
	end := in.await(inv, limit.C)
	end.Duration = time.Since(inv.began)
	return end
}

// await waits for the end of the invocation. An answer that was posted counts, whatever happened after it.
func (in *instance) await(inv *invocation, limit <-chan time.Time) ending {
	for {
		select {
		case <-in.ready:
			if in.answered() {
				return in.take(ending{})
			} // else the runtime lost its connection and asks again for the same work
		case <-in.exited:
			return in.take(failed("Runtime.ExitError", inv.id, exitReason(in.exit)))
		case <-limit:
			// Wait for the end before telling it: a process that is out of time must not act any more.
			in.kill()
			<-in.exited
			return in.take(failed("Sandbox.Timedout", inv.id, timedOut(in.f.cfg.Timeout)))
		}
	}
}

// answered reports whether the runtime has posted an answer.
func (in *instance) answered() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.current != nil && in.current.posted != nil
}

// take ends the current invocation: with what the runtime posted, else as told.
func (in *instance) take(otherwise ending) ending {
	in.mu.Lock()
	defer in.mu.Unlock()
	inv := in.current
	in.current = nil
	if inv.posted != nil {
		end := *inv.posted
		end.gone = otherwise.gone
		return end
	}
	otherwise.undelivered = !inv.delivered
	return otherwise
}

// finish completes the result and reports it. Initialisation is billed, as it is on Lambda since August 2025.
func (in *instance) finish(inv *invocation, end ending) ending {
	end.RequestID = inv.id
	total := end.Duration + end.Init
	end.BilledMS = int64((total + time.Millisecond - 1) / time.Millisecond)
	// What Close has killed did not fail by itself.
	if end.gone && in.f.isClosed() {
		end.err = ErrClosed
	}
	in.report(inv, end)
	return end
}

// reaper ends an environment that nobody wanted for a while. Its timer may already be running when the environment is
// wanted again; who disarms it learns that and leaves the environment to its end.
type reaper struct{ timer *time.Timer }

// arm starts the countdown; no duration means for ever.
func (r *reaper) arm(d time.Duration, reap func()) {
	if d > 0 {
		r.timer = time.AfterFunc(d, reap)
	}
}

// disarm stops the countdown and reports whether it did so in time.
func (r *reaper) disarm() bool {
	inTime := r.timer == nil || r.timer.Stop()
	r.timer = nil
	return inTime
}
