package lambdart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"sync"
	"time"
)

// MaxPayload is the largest request or response of a synchronous invocation, in bytes.
const MaxPayload = 6 << 20

// Errors of Invoke that are not the function's own; Lambda answers them with 429, 413 and 5xx.
var (
	ErrThrottled = errors.New("TooManyRequestsException: Rate Exceeded")
	ErrTooLarge  = errors.New("RequestTooLargeException: request must be smaller than 6291556 bytes")
	ErrClosed    = errors.New("function is closed")
)

// Config describes one function, in the terms of CreateFunction. Name and Binary are required.
type Config struct {
	Name   string
	Binary string            // path of the bootstrap executable
	Env    map[string]string // the function's variables, including AWS credentials and AWS_ENDPOINT_URL
	Region string            // default eu-central-1
	ARN    string            // what the function is told it was invoked as; default made from Region and Name
	// Version is what the function believes to be: $LATEST unless set.
	Version string
	Timeout time.Duration // default 3 s, as on Lambda
	// InitTimeout limits the time between start and first request for work: default 10 s, as on Lambda.
	InitTimeout time.Duration
	MemoryMB    int // told to the function, not enforced: default 128
	// MaxInstances is the number of invocations at once, as reserved concurrency is: default 10.
	MaxInstances int
	// IdleTimeout ends environments that were not used for so long; 0 keeps them.
	IdleTimeout time.Duration
	// Log takes whole lines: START, END and REPORT like Lambda's, and what the processes write. It is never called
	// twice at once by one function. Nil writes nothing.
	Log io.Writer
}

// InvokeOptions are the optional parts of an invocation.
type InvokeOptions struct {
	RequestID     string // default: a new one
	TraceID       string // default: a new one, not sampled
	ClientContext string // JSON
}

// Result is what an invocation gave, whether or not the function failed.
type Result struct {
	Payload []byte
	// FunctionError is "Unhandled" when the function failed; Payload then is the error document.
	FunctionError string
	RequestID     string
	Duration      time.Duration // without initialisation
	Init          time.Duration // 0 for a warm start
	BilledMS      int64         // duration and initialisation, rounded up
}

// Function is a function that can be invoked; it is safe for concurrent use.
type Function struct {
	cfg Config
	log *lineLog

	mu  sync.Mutex
	all map[*instance]bool // what counts against MaxInstances
	// idle has the environment that was used last at its end, so that the others can grow old and be reaped.
	idle   []*instance
	closed bool
	// work counts runs and processes; it only grows while the function is open, or on behalf of a run.
	work sync.WaitGroup
}

// New checks the configuration; it starts no process. The first invocation does, as on Lambda.
func New(cfg Config) (*Function, error) {
	info, err := os.Stat(cfg.Binary)
	if err != nil {
		return nil, fmt.Errorf("find bootstrap of function %s: %w", cfg.Name, err)
	}
	if cfg.Name == "" || info.IsDir() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("function %q: %s is not an executable", cfg.Name, cfg.Binary)
	}
	cfg.Env = maps.Clone(cfg.Env)
	cfg.setDefaults()
	return &Function{cfg: cfg, log: newLineLog(cfg.Log), all: map[*instance]bool{}}, nil
}

// setDefaults fills in what Lambda would.
func (c *Config) setDefaults() {
	set(&c.Region, "eu-central-1")
	set(&c.ARN, "arn:aws:lambda:"+c.Region+":000000000000:function:"+c.Name)
	set(&c.Version, "$LATEST")
	set(&c.Timeout, 3*time.Second)
	set(&c.InitTimeout, 10*time.Second)
	set(&c.MemoryMB, 128)
	set(&c.MaxInstances, 10)
}

// set gives a field its default.
func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Invoke runs the function once and waits for the end. A context that ends only ends the waiting. The error is nil
// when the function itself failed: that is a Result.
func (f *Function) Invoke(ctx context.Context, payload []byte, opts InvokeOptions) (Result, error) {
	if len(payload) > MaxPayload {
		return Result{}, ErrTooLarge
	}
	inv := newInvocation(payload, opts)
	in, err := f.acquire()
	if err != nil {
		return Result{}, err
	}
	go f.run(in, inv) //nolint:contextcheck // an invocation outlives its caller
	select {
	case end := <-inv.end:
		return end.Result, end.err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("wait for function %s: %w", f.cfg.Name, context.Cause(ctx))
	}
}

// Call is Invoke in the shape that the event sources of the local run take.
func (f *Function) Call(ctx context.Context, payload []byte) (response []byte, functionError string, err error) {
	r, err := f.Invoke(ctx, payload, InvokeOptions{})
	return r.Payload, r.FunctionError, err
}

// Close kills every environment and waits until all are gone. Invocations that still run give ErrClosed.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	for in := range f.all {
		in.kill()
	}
	f.mu.Unlock()
	f.work.Wait()
}

// acquire takes an idle environment or makes room for a new one, and counts the run that will use it. It never waits:
// Lambda does not queue synchronous invocations.
func (f *Function) acquire() (*instance, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, ErrClosed
	}
	in := f.popIdle()
	if in == nil {
		if len(f.all) >= f.cfg.MaxInstances {
			return nil, ErrThrottled
		}
		in = newInstance(f)
		f.all[in] = true
	}
	in.busy = true
	f.work.Add(1)
	return in, nil
}

// popIdle takes the idle environment that was used last, and forgets those that died.
func (f *Function) popIdle() *instance {
	for len(f.idle) > 0 {
		in := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if !in.dead() && in.reaper.disarm() {
			return in
		}
		// It was killed, or its time is over and the reaper is at it.
		delete(f.all, in)
	}
	return nil
}

// run serves one invocation, in another environment if the first turns out to have died before. It does not stop with
// its caller: an invocation that Lambda has accepted runs to its end.
func (f *Function) run(in *instance, inv *invocation) {
	end := in.serve(inv)
	f.release(in, end.gone)
	if !end.undelivered {
		inv.end <- end
		return
	}
	// The runtime never saw it, so it may run elsewhere without running twice.
	next, err := f.acquire()
	if err != nil {
		inv.end <- ending{err: err}
		return
	}
	f.run(next, inv)
}

// release makes an environment idle, or forgets it, and ends the run that acquire counted. A forgotten environment no
// longer counts, although its process may take a moment to end.
func (f *Function) release(in *instance, gone bool) {
	defer f.work.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	in.busy = false
	if gone || f.closed {
		in.kill()
		delete(f.all, in)
		return
	}
	f.idle = append(f.idle, in)
	in.reaper.arm(f.cfg.IdleTimeout, func() { f.reap(in) })
}

// reap ends an environment that stayed idle.
func (f *Function) reap(in *instance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if in.busy {
		return
	}
	in.kill()
}

// isClosed reports whether Close was called.
func (f *Function) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}
