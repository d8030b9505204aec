package sim_test

import (
	"context"
	"fmt"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/faulty"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/point"
	"orbitq/internal/relay"
	"orbitq/internal/satellite"
	"orbitq/internal/usage"
	"orbitq/internal/worker"
)

// process is one invocation of a function.
type process struct {
	faulty.Process
	w     *world
	skew  time.Duration // of its clock
	until time.Time     // the platform kills it then
	open  int           // tasks that have not ended
	batch []worker.Delivery
	end   func() // the platform's part, after a proper end
}

// process starts an invocation that may last for d.
func (w *world) process(d time.Duration) *process {
	p := &process{w: w, until: w.now.Add(d), end: func() {}, skew: w.apart}
	p.Plan, p.Pause = w, w.pause
	if w.skewed {
		p.skew = time.Duration(w.rand.Int64N(int64(10*time.Minute))).Truncate(time.Millisecond) - 5*time.Minute
	}
	if w.script == nil && !w.calm && w.chance(w.zombies) {
		p.until = p.until.Add(30 * time.Minute)
	}
	w.alive = append(w.alive, p)
	w.invocations++
	return p
}

// now is the process's clock.
func (p *process) now() time.Time { return p.w.now.Add(p.skew) }

// spawn starts one thread of the process.
func (p *process) spawn(run func()) {
	p.open++
	p.w.spawn(run, func() {
		p.open--
		if p.open == 0 && !p.Down() {
			p.end()
		}
	})
}

// store is the table as the process sees it, queue the queues.
func (p *process) store() *faulty.Store {
	return &faulty.Store{Table: p.w.table, Process: &p.Process}
}

func (p *process) queue() *faulty.Queue {
	return &faulty.Queue{Inner: p.w.queues, Process: &p.Process}
}

// deadline is a context that says when the function ends, in virtual time.
type deadline struct {
	context.Context
	at time.Time
}

func (d deadline) Deadline() (time.Time, bool) { return d.at, true }

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
	p.batch = batch
	w.deliveries += len(batch)
	wk := worker.New(worker.Config{
		Store: p.store(), Queue: p.queue(), Now: p.now, Token: func() string { return fmt.Sprintf("%016x", w.rand.Uint64()) },
		Jitter: w.rand.Float64, Timing: timing(), LeaseMargin: leaseMargin, Version: "sim",
		Kinds: []worker.Kind{&kinds.Enrich{Points: p.store(), Imagery: &provider{p}, Now: p.now}},
	})
	ctx := deadline{context.Background(), p.now().Add(timeout)}
	handled := make([]worker.Handled, len(batch))
	for i := range batch {
		p.spawn(func() { handled[i] = wk.Handle(ctx, batch[i]) })
	}
	p.end = func() {
		for i := range handled {
			if handled[i].Keep {
				continue
			}
			w.oracle.acked(batch[i].Body)
			if w.Next("Acknowledge") == faulty.None {
				w.queues.Acknowledge(batch[i].Source, batch[i].Receipt)
			}
		}
	}
}

// relay sweeps the open index.
func (w *world) relay() {
	p := w.process(timeout)
	r := relay.New(relay.Config{Store: p.store(), Skipped: p.store(), Outbox: p.store(), Tell: func(context.Context, job.Event) error { return nil }, Sender: p.queue(), Now: p.now, Timing: timing()})
	p.spawn(func() { _, _ = r.Sweep(context.Background()) })
}

// reconcile sweeps the dead letter queue.
func (w *world) reconcile() {
	p := w.process(timeout)
	r := deadletter.New(p.store(), &faulty.DeadLetters{Inner: w.queues.Dead(), Process: &p.Process}, p.now)
	p.spawn(func() { _, _ = r.Sweep(context.Background()) })
}

// person lets an owner cancel, retry or forget one of their jobs, or somebody
// else try it.
func (w *world) person() {
	c := w.clients[w.rand.IntN(len(w.clients))]
	if c.job == "" {
		return
	}
	owner, foreign := c.request.Principal.Owner, w.chance(0.2)
	if foreign {
		owner = "stranger"
	}
	p := w.process(29 * time.Second)
	o := deadletter.NewOperator(deadletter.OperatorConfig{Rows: p.store(), Sender: p.queue(), Now: p.now, Timing: timing()})
	act := []func(context.Context, string, string) (job.Job, error){o.Cancel, o.Forget, o.Retry, o.Retry}[w.rand.IntN(4)]
	var err error
	p.spawn(func() {
		if w.chance(0.2) {
			_, err = o.RetryMany(context.Background(), owner, deadletter.Filter{}, "", w.chance(0.5))
			foreign = false // an owner without jobs retries none
			return
		}
		_, err = act(context.Background(), owner, c.job)
	})
	p.end = func() {
		code := job.Code("")
		if err != nil {
			code = job.CodeOf(err)
		}
		fault := code == job.Throttled || code == job.Internal
		w.oracle.mustf(fault || foreign == (code == job.NotFound) && (foreign || code == "" || code == job.StateConflict), "I25", "%s was answered with %q, foreign %v", owner, code, foreign)
		w.persons++
	}
}

// client is a user's application with one wish, repeated until it is answered.
type client struct {
	request intake.Request
	point   string // to dispatch a job for; empty to create a point
	queue   string
	delay   *int          // seconds, for a job that is due later
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
	c.age = time.Duration(w.rand.Int64N(int64(30 * 24 * time.Hour)))
	if w.rand.IntN(4) > 0 {
		c.request.Key = fmt.Sprintf("key-%d", n)
	}
	return c
}

// request lets one client speak to the API.
func (w *world) request() {
	c := w.clients[w.rand.IntN(len(w.clients))]
	r := c.request
	switch {
	case c.job == "" && c.tries < 4:
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
	p := w.process(29 * time.Second)
	in := intake.New(intake.Config{
		Store: p.store(), Sender: p.queue(), Policies: map[string]job.Policy{kinds.EnrichName: {}}, Now: p.now, Entropy: w.entropy,
		Deadline: timing().RetryUntil, Resend: timing().Resend, Tries: tries,
	})
	var got intake.Accepted
	var err error
	p.spawn(func() { got, err = c.ask(in, r) })
	p.end = func() { c.answered(w, r, &got, err) }
}

// choosePoint decides once what the client wants.
func (c *client) choosePoint(w *world) {
	if own := w.points[c.request.Principal.Owner]; len(own) > 0 && w.chance(w.shared) {
		c.point = own[w.rand.IntN(len(own))]
	}
}

func (c *client) ask(in *intake.Intake, r intake.Request) (intake.Accepted, error) {
	if c.point != "" {
		return in.DispatchJob(context.Background(), r, intake.Dispatch{Kind: kinds.EnrichName, Point: c.point, Queue: c.queue, Delay: c.delay})
	}
	lat, lon, value := 55.7, 12.5, 1.0
	at := in.Now().Add(-c.age)
	return in.CreatePoint(context.Background(), r, point.Input{Latitude: &lat, Longitude: &lon, Value: &value, CollectedAt: &at}, c.queue)
}

// answered holds an answer of the API against what it promised before.
func (c *client) answered(w *world, r intake.Request, got *intake.Accepted, err error) {
	code := job.Code("")
	if err != nil {
		code = job.CodeOf(err)
	}
	if string(r.Body) != string(c.request.Body) {
		w.oracle.mustf(code == job.KeyReused || code == job.Throttled || code == job.Internal, "I7", "a reused key was answered with %q", code)
		return
	}
	if err != nil {
		w.oracle.mustf(code == job.Throttled || code == job.Internal, "I6", "a good request was answered with %v", err)
		return
	}
	_, stored := w.oracle.rows[got.Job.ID]
	w.oracle.mustf(stored, "I6", "accepted job %s is not in the table", got.Job.ID)
	w.oracle.mustf(r.Key == "" || c.job == "" || c.job == got.Job.ID, "I7", "the same key gave job %s, then %s", c.job, got.Job.ID)
	c.job = got.Job.ID
	w.points[got.Point.Owner] = append(w.points[got.Point.Owner], got.Point.ID)
}

func (w *world) entropy() (b [10]byte) {
	for i := range b {
		b[i] = byte(w.rand.Uint32())
	}
	return b
}

// provider is Copernicus with moods.
type provider struct{ p *process }

// Statistics implements kinds.Imagery.
func (v *provider) Statistics(_ context.Context, _ *limit.Pass, _ satellite.Area, win satellite.Window) (satellite.Series, error) {
	w := v.p.w
	w.calls++
	w.pause()
	if !w.calm && w.script == nil {
		switch x := w.rand.Float64(); {
		case x < w.throttled:
			return satellite.Series{}, &job.Error{Code: job.ProviderRateLimit, Message: "429", RetryAfter: time.Duration(w.rand.IntN(120)) * time.Second}
		case x < w.throttled+w.failing:
			return satellite.Series{}, job.Errorf(job.ProviderUnavailable, "503")
		case x < w.throttled+w.failing+w.hopeless:
			return satellite.Series{}, job.Errorf(job.InvalidRequest, "400")
		case w.chance(0.01):
			panic("the provider's client has a defect")
		}
	}
	if w.answer != nil {
		if err := w.answer(); err != nil {
			return satellite.Series{}, err
		}
	}
	day := satellite.Day{Date: win.From, ValidFraction: 0.9}
	for i := range day.Indices {
		if i == 0 || w.script != nil || !w.chance(0.05) {
			day.Indices[i] = &satellite.Stats{Mean: 0.5, SampleCount: 144}
		}
	}
	switch {
	case !w.chance(w.cloudy):
	case w.chance(0.5):
		day.ValidFraction = 0.1
	default:
		return satellite.Series{}, nil
	}
	return satellite.Series{Days: []satellite.Day{day}, PUSpent: 0.05, RequestID: "r"}, nil
}

// Seen implements kinds.Imagery.
func (v *provider) Seen(context.Context, *limit.Pass, satellite.Area, satellite.Window) (bool, error) {
	v.p.w.calls++
	v.p.w.pause()
	return v.p.w.chance(0.5), nil
}
