package sim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/outbox"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/relay"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// process is one invocation of a function. Its parts are made once and used by
// later invocations, also in other worlds: they keep nothing between them.
type process struct {
	faulty.Process
	w     *world
	skew  time.Duration // of its clock
	until time.Time     // the platform kills it then
	open  int           // tasks that have not ended
	end   func()        // the platform's part, after a proper end
	lost  func()        // the platform's part, after any other end

	batch   []worker.Delivery
	handled []worker.Handled
	answer  intake.Accepted
	err     error
	doors   []*door // of the threads, in their order
	threads int

	store      faulty.Store // the table as the process sees it
	tracks     faulty.Flows // and what chains and batches have in it
	readings   faulty.Readings
	states     faulty.Executions
	queue      faulty.Queue
	letters    faulty.DeadLetters
	cache      faulty.Cache
	ops        faulty.Operations
	worker     *worker.Worker
	inline     *worker.Worker // of synchronous jobs
	intake     *intake.Intake
	relay      *relay.Relay
	outbox     *outbox.Outbox
	reconciler *deadletter.Reconciler
	operator   *deadletter.Operator
	flow       *flow.Flow
	step       stepHandler
}

// newProcess returns the parts of an invocation.
func newProcess() *process {
	p := &process{}
	p.tracks.Process, p.readings.Process, p.states.Process = &p.Process, &p.Process, &p.Process
	p.store.Process, p.queue.Process, p.letters.Process, p.cache.Process = &p.Process, &p.Process, &p.Process, &p.Process
	p.ops.Process = &p.Process
	p.Pause = func() { p.w.pause() }
	p.worker, p.inline = p.newWorker(limit.Patience), p.newWorker(15*time.Second)
	p.flow, p.step = p.newFlow()
	known := &kinds.Enrich{Points: &p.store, Imagery: &kinds.Remembering{Cache: &p.cache, Now: p.now}, Now: p.now}
	p.intake = intake.New(intake.Config{
		Store: &p.store, Plans: &p.store, Sender: &p.queue, Pacer: pacer{}, AsksProvider: known.AsksProvider, Runner: p.inline, Policies: kinds.Policies(), Now: p.now, Entropy: p.entropy,
		Deadline: timing().RetryUntil, Resend: timing().Resend, Tries: tries,
	})
	p.relay = relay.New(relay.Config{
		Store: &p.store, Skipped: &p.store, Sender: &p.queue, Line: &p.store, Pacer: pacer{}, Policies: kinds.Policies(),
		NeedsCall: known.NeedsCall, Limit: limit.DefaultPolicy(), PaceFor: 50 * time.Second,
		Sleep: func(ctx context.Context, d time.Duration) error { return doorOf(ctx).sleep(ctx, d) },
		Now:   p.now, Timing: timing(),
	})
	p.outbox = outbox.New(outbox.Config{Store: &p.store, Receivers: &p.store, Notifier: p.flow, Now: p.now, Together: p.together})
	p.flow.Courier.Deliver = p.outbox.Deliver
	p.reconciler = deadletter.New(&p.store, &p.letters, p.now)
	p.operator = deadletter.NewOperator(deadletter.OperatorConfig{Rows: &p.store, Operations: &p.ops, Sender: &p.queue, Flows: p.flow, Now: p.now, Entropy: p.entropy, Timing: timing()})
	return p
}

// newWorker returns a worker whose jobs wait for a slot as long as patience.
func (p *process) newWorker(patience time.Duration) *worker.Worker {
	left := func(limit.Call) { p.w.saved++ }
	return worker.New(worker.Config{
		Store: &p.store, Queue: &p.queue, Now: p.now, Token: p.token, Jitter: func() float64 { return p.w.rand.Float64() },
		Timing: timing(), LeaseMargin: leaseMargin, Version: "sim",
		Kinds: []worker.Kind{&kinds.Enrich{
			Points: &p.store, Now: p.now, Patience: patience,
			Imagery: &kinds.Remembering{Provider: &provider{p}, Cache: &p.cache, Left: left, Now: p.now},
		}, &kinds.Analyze{
			Readings: &p.readings, Rules: quality.DefaultConfig(), Now: p.now,
		}, &kinds.Notify{
			Readings: &p.readings, Audience: &p.readings, Now: p.now,
		}},
	})
}

// process starts an invocation that may last for d.
func (w *world) process(d time.Duration) *process {
	p, ok := pop(&w.lab.processes)
	if !ok {
		p = newProcess()
	}
	p.Process = faulty.Process{Plan: w, Pause: p.Pause}
	p.store.Table, p.queue.Inner, p.letters.Inner = w.view, w.queues, w.dead
	p.w, p.until, p.skew, p.end, p.lost, p.open = w, w.now.Add(d), w.apart, nil, nil, 0
	p.tracks.FlowTable, p.readings.Inner, p.states.Inner = w.tracks, w.rows, w.starter
	p.batch, p.handled, p.threads = p.batch[:0], p.handled[:0], 0
	p.cache.Inner, p.ops.Inner = w.table, frozen{w.table, w.sabotage}
	if w.log != nil {
		p.queue.Inner = heard{w.queues, w.log}
	}
	if w.skewed > 0 {
		p.skew = time.Duration(w.rand.Int64N(int64(2*w.skewed))).Truncate(time.Millisecond) - w.skewed
	}
	if w.script == nil && !w.calm && w.chance(w.zombies) {
		p.until = p.until.Add(30 * time.Minute)
	}
	w.alive = append(w.alive, p)
	w.invocations++
	return p
}

// rest gives the parts to the next invocation. They let go of their world: it is over
// long before they are used again.
func (p *process) rest() {
	l := p.w.lab
	p.w, p.Plan, p.end, p.lost, p.answer, p.err = nil, nil, nil, nil, intake.Accepted{}, nil
	p.tracks.FlowTable, p.readings.Inner, p.states.Inner = nil, nil, nil
	p.store.Table, p.queue.Inner, p.letters.Inner, p.cache.Inner, p.ops.Inner = nil, nil, nil, nil, nil
	for _, d := range p.doors {
		d.gate = nil
	}
	clear(p.batch)
	clear(p.handled)
	l.processes = append(l.processes, p)
}

// now is the process's clock.
func (p *process) now() time.Time { return p.w.now.Add(p.skew) }

// token is a lease token.
func (p *process) token() string { return strconv.FormatUint(p.w.rand.Uint64(), 16) }

func (p *process) entropy() (b [10]byte) {
	binary.BigEndian.PutUint64(b[:], p.w.rand.Uint64())
	binary.BigEndian.PutUint16(b[8:], uint16(p.w.rand.Uint32()))
	return b
}

// spawn starts one thread of the process, which must end within d of now.
func (p *process) spawn(d time.Duration, run func(context.Context)) {
	if p.threads == len(p.doors) {
		p.doors = append(p.doors, &door{p: p})
	}
	door := p.doors[p.threads]
	door.gate = nil
	p.threads++
	p.open++
	ctx := deadline{context.Background(), p.now().Add(d), door}
	p.w.spawn(func() {
		run(ctx)
		if door.gate != nil {
			door.flush(ctx)
		}
	}, p.done)
}

// done counts the end of a thread.
func (p *process) done() {
	p.open--
	switch {
	case p.open > 0:
	case p.Down() && p.lost != nil:
		p.lost()
	case !p.Down() && p.end != nil:
		p.end()
	}
}

// deliver hands up to n messages of a queue to a worker, now and then twice.
func (w *world) deliver(source string, n int) bool {
	batch := w.queues.Receive(source, n)
	if len(batch) == 0 {
		return false
	}
	for range faulty.Deliver(w) {
		w.invoke(batch)
	}
	return true
}

// invoke runs one batch as the event source mapping does: what the function does
// not want to keep is deleted after all records were handled, and nothing is
// deleted if it died.
func (w *world) invoke(batch []worker.Delivery) {
	p := w.process(timeout)
	p.batch = append(p.batch, batch...)
	p.handled = append(p.handled, make([]worker.Handled, len(batch))...)
	p.end = p.acknowledge
	w.deliveries += len(batch)
	for i := range batch {
		p.spawn(timeout, func(ctx context.Context) { p.handled[i] = p.worker.Handle(ctx, batch[i]) })
	}
}

// acknowledge deletes what a batch is done with.
func (p *process) acknowledge() {
	for i := range p.handled {
		if p.handled[i].Keep && !p.w.sabotage.acksAll {
			continue
		}
		p.w.oracle.acked(p.batch[i].Body)
		if p.w.Next("Acknowledge") == faulty.None {
			p.w.queues.Acknowledge(p.batch[i].Source, p.batch[i].Receipt)
		}
	}
}

// relay sweeps the open index, and drives the operations of people.
func (w *world) relay() {
	p := w.process(timeout)
	if !w.sabotage.deafRelay {
		calm := w.calm
		p.relay.Limit = w.sabotage.policy()
		p.spawn(timeout, func(ctx context.Context) { _, _ = p.relay.Pace(ctx) })
		p.spawn(timeout, func(ctx context.Context) {
			_, _ = p.relay.Sweep(ctx)
			if calm {
				w.advances(ctx, p.operator)
			} else {
				_, _ = p.operator.Advance(ctx)
			}
			if w.flows != nil {
				_, _ = p.flow.Sweep(ctx)
			}
		})
		if w.calm && w.flows != nil {
			w.oracle.flows.inTurn = true
		}
		held := w.oracle.flows.inTurn // to what a sweep must do
		p.spawn(timeout, func(ctx context.Context) {
			if !held {
				_, _ = p.outbox.Sweep(ctx)
				return
			}
			must := w.mustDeliver() //nolint:contextcheck // the oracle looks past the process
			_, err := p.outbox.Sweep(ctx)
			w.delivered(must, err) //nolint:contextcheck // the same
		})
	}
}

// together runs functions of a thread side by side: each is a coroutine, as the simulation
// demands.
func (p *process) together(run ...func()) {
	left := len(run)
	if p.w.sabotage.inTurn {
		for _, do := range run {
			do()
		}
		return
	}
	for _, do := range run {
		p.open++
		p.w.spawn(do, func() { left--; p.done() })
	}
	for left > 0 && !p.Down() {
		p.w.sleep(time.Second)
	}
}

// reconcile sweeps the dead letter queue.
func (w *world) reconcile() {
	p := w.process(timeout)
	p.spawn(timeout, func(ctx context.Context) { _, _ = p.reconciler.Sweep(ctx) })
}

// client is a user's application with one wish, repeated until it is answered.
type client struct {
	request intake.Request
	point   string // to dispatch a job for; empty to create a point
	queue   string
	delay   *int          // seconds, for a job that is due later
	maxWait *int          // seconds within which a job must start
	unique  string        // key of which only one open job may exist
	now     bool          // the job runs in the request
	age     time.Duration // of the reading
	tries   int
	job     string // that the API answered with
	probed  bool   // asked with the same key and another body
}

func newClient(w *world, n int, owner string) *client {
	c := &client{queue: queueNames()[w.rand.IntN(3)]}
	c.request = intake.Request{
		Principal: intake.Principal{Owner: owner, Tier: usage.Free}, Body: fmt.Appendf(nil, "body-%d", n),
	}
	if w.rand.IntN(4) == 0 {
		c.delay = new(w.rand.IntN(int(6 * time.Hour / time.Second)))
	}
	if w.chance(0.25) {
		c.maxWait = new(1 + w.rand.IntN(int(2*time.Hour/time.Second)))
	}
	if w.chance(0.3) {
		c.unique = "key-" + strconv.Itoa(w.rand.IntN(2))
	}
	c.now = c.delay == nil && w.chance(0.2)
	c.age = time.Duration(w.rand.Int64N(int64(30 * 24 * time.Hour)))
	if w.rand.IntN(4) > 0 {
		c.request.Key = fmt.Sprintf("key-%d", n)
	}
	return c
}

// waits reports whether the client will ask (again).
func (c *client) waits() bool { return c.job == "" && c.tries < 4 }

// request lets one client speak to the API.
func (w *world) request() {
	c := w.clients[w.rand.IntN(len(w.clients))]
	r := c.request
	switch {
	case c.waits():
		if c.tries++; c.tries == 1 {
			c.choosePoint(w)
		}
	case c.job != "" && c.request.Key != "" && w.chance(0.2):
		if c.probed = w.chance(0.5); c.probed {
			r.Body = []byte("another body")
		}
	default:
		return
	}
	w.send(c, r)
}

// ask sends the request of a client.
func (w *world) ask(c *client) { w.send(c, c.request) }

// send brings a request to a function of the API.
func (w *world) send(c *client, r intake.Request) {
	p := w.process(requestTime)
	p.spawn(requestTime-4*time.Second, func(ctx context.Context) { p.answer, p.err = c.ask(ctx, p.intake, r) })
	p.end = func() { c.answered(w, r, &p.answer, p.err) }
}

// choosePoint decides once what the client wants.
func (c *client) choosePoint(w *world) {
	if own := w.points[c.request.Principal.Owner]; len(own) > 0 && w.chance(w.shared) {
		c.point = own[w.rand.IntN(len(own))]
	}
}

func (c *client) ask(ctx context.Context, in *intake.Intake, r intake.Request) (intake.Accepted, error) {
	if c.point == "" {
		lat, lon, value := 55.7, 12.5, 1.0
		at := in.Now().Add(-c.age)
		return in.CreatePoint(ctx, r, point.Input{Latitude: &lat, Longitude: &lon, Value: &value, CollectedAt: &at}, c.queue, false)
	}
	d := intake.Dispatch{Kind: kinds.EnrichName, Point: c.point, Queue: c.queue, Delay: c.delay, MaxWait: c.maxWait, Unique: c.unique}
	if c.now {
		return in.DispatchNow(ctx, r, d)
	}
	return in.DispatchJob(ctx, r, d)
}

// answered holds an answer of the API against what it promised before.
func (c *client) answered(w *world, r intake.Request, got *intake.Accepted, err error) {
	code := job.Code("")
	if err != nil {
		code = job.CodeOf(err)
	}
	if string(r.Body) != string(c.request.Body) {
		w.oracle.mustf(i7, code == job.KeyReused || code == job.Throttled || code == job.Internal, "a reused key was answered with %q", code)
		return
	}
	if err != nil {
		w.oracle.mustf(i6, code == job.Throttled || code == job.Internal, "a good request was answered with %v", err)
		return
	}
	_, stored := w.oracle.rows[got.Job.ID]
	w.oracle.mustf(i6, stored, "accepted job %s is not in the table", got.Job.ID)
	w.oracle.mustf(i7, r.Key == "" || c.job == "" || c.job == got.Job.ID, "the same key gave job %s, then %s", c.job, got.Job.ID)
	c.job = got.Job.ID
	w.points[got.Point.Owner] = append(w.points[got.Point.Owner], got.Point.ID)
}
