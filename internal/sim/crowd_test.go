package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
	"orbitq/internal/usage"
)

// crowd is who wants chains and batches in a world, and what is likely for them.
type crowd struct {
	wishes []*wish
	points map[string][]string // of owners, that exist from the start

	dying float64 // executions that die
	deaf  float64 // receivers of webhooks that do not answer
	rude  float64 // receivers that refuse for good
	hands float64 // people who meddle

	receivers map[string]temper // of owners whose receivers are no better when the faults are over
}

// wish is what one application wants, repeated until it is answered.
type wish struct {
	request flow.Request
	chain   *flow.ChainWish
	batch   *flow.BatchWish
	tries   int
	id      string // that the API answered with
}

// waits reports whether the application will ask (again).
func (x *wish) waits() bool { return x.id == "" && x.tries < 5 }

// flow names what the wish came to.
func (x *wish) flow() job.Flow {
	if x.chain != nil {
		return job.ChainFlow(x.id)
	}
	return job.BatchFlow(x.id)
}

// patience returns how many steps the storm of a world lasts longer for them.
func (c *crowd) patience() (steps int) {
	if c == nil {
		return 0
	}
	for _, x := range c.wishes {
		steps += 150
		if x.batch != nil {
			steps += 50 * len(x.batch.Points)
		}
	}
	return steps
}

// newFlowWorld returns the run of a seed in which chains and batches are wanted, beside a
// few jobs of queues that compete with them.
func newFlowWorld(l *lab, seed uint64, rules memstore.Rules) *world {
	w := newWorld(l, seed, rules)
	w.clients = w.clients[:1+w.rand.IntN(3)]
	// Whoever waits for a reserved unit asks every ten seconds: not until the next month, or
	// until somebody has looked for an image three times, please. The worlds of jobs alone
	// wait for that.
	w.drained, w.policy.Requests = 0, 0
	w.oracle.traffic.policy = w.policy
	for _, x := range w.clients {
		x.age += longAgo
	}
	some := func(most float64) float64 { return most * float64(w.rand.IntN(4)) / 3 }
	c := &crowd{receivers: tempers(seed), points: map[string][]string{}, dying: some(0.3), deaf: some(0.6), rude: some(0.1), hands: some(1)}
	w.flows = c
	for f := range w.faults.Chance { // a flow makes more calls than a job
		w.faults.Chance[f] /= 2
	}
	for i := range 1 + w.rand.IntN(4) {
		owner := "user-" + strconv.Itoa(w.rand.IntN(2))
		if len(c.points[owner]) == 0 {
			c.points[owner] = w.grow(owner, 1+w.rand.IntN(34))
		}
		c.wishes = append(c.wishes, newWish(w, i, owner))
	}
	return w
}

// longAgo is so long that every image of a reading has been published.
const longAgo = 30 * 24 * time.Hour

// grow creates points of an owner, who mostly wants to be told about them.
func (w *world) grow(owner string, n int) []string {
	var ids []string
	at := w.now
	for i := range n {
		lat, lon := 55+w.rand.Float64(), 12.5
		p := point.Point{
			ID: job.DerivedID("point", owner, strconv.Itoa(i)), Owner: owner, Latitude: &lat, Longitude: &lon, Value: 1, CampaignID: "c", MetricID: "m",
			CollectedAt: at.Add(-time.Duration(w.rand.Int64N(int64(30 * 24 * time.Hour)))), CreatedAt: at, Status: point.Pending,
		}
		if w.table.limit(owner) != job.Unlimited {
			p.CollectedAt = p.CollectedAt.Add(-longAgo)
		}
		ids = append(ids, p.ID)
		_, _, _, _ = w.table.Store.AcceptPoint(context.Background(), &p, &job.Job{Tier: string(usage.Enterprise)})
	}
	wishes := job.Preferences{Topic: w.chance(0.5)}
	if w.chance(0.5) {
		wishes.URL = "https://" + owner + ".example"
	}
	_ = w.table.SavePreferences(context.Background(), owner, wishes)
	return ids
}

// newWish draws a wish.
func newWish(w *world, n int, owner string) *wish {
	x := &wish{request: flow.Request{
		Account: job.Account{Owner: owner, Tier: string(usage.Free), Limit: w.table.limit(owner)}, Body: fmt.Appendf(nil, "flow-%d", n),
	}}
	if w.chance(0.8) {
		x.request.Key = "flow-" + strconv.Itoa(n)
	}
	steps, own := someSteps(w.rand), w.flows.points[owner]
	if w.chance(0.4) {
		x.chain = &flow.ChainWish{Point: own[w.rand.IntN(len(own))], Steps: steps, Queue: queueNames()[w.rand.IntN(3)]}
		return x
	}
	most := len(own)
	if w.chance(0.7) {
		most = min(most, 4)
	}
	x.batch = &flow.BatchWish{
		Name: "batch", Points: w.sample(own, 1+w.rand.IntN(most)), Steps: steps, Queue: queueNames()[w.rand.IntN(3)],
		AllowFailures: w.chance(0.5), Calls: w.someCalls(own),
	}
	return x
}

// someSteps draws one to three steps in an order that is allowed.
func someSteps(r *rand.Rand) (steps []string) {
	chosen := 1 + r.IntN(7)
	if r.IntN(2) == 0 {
		chosen = 7
	}
	for i, kind := range flow.DefaultSteps() {
		if chosen&(1<<i) != 0 {
			steps = append(steps, kind)
		}
	}
	return steps
}

// sample draws n different ones.
func (w *world) sample(all []string, n int) []string {
	all = slices.Clone(all)
	w.rand.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all[:n]
}

// someCalls draws callbacks of each sort.
func (w *world) someCalls(own []string) map[string]job.Callback {
	calls := map[string]job.Callback{}
	for _, name := range []string{job.CallThen, job.CallCatch, job.CallFinally} {
		switch w.rand.IntN(5) {
		case 0, 1:
			calls[name] = job.Callback{URL: "https://hooks.example/" + name}
		case 2:
			calls[name] = job.Callback{Notify: true}
		case 3:
			calls[name] = job.Callback{Kind: flow.DefaultSteps()[w.rand.IntN(3)], Point: own[w.rand.IntN(len(own))]}
		}
	}
	return calls
}

// flowing is one thing that happens around chains and batches.
func (w *world) flowing() {
	switch r := w.rand.IntN(100); {
	case r < 15:
		w.wish(w.flows.wishes[w.rand.IntN(len(w.flows.wishes))])
	case r < 70:
		if !w.machines.fire() {
			w.pass()
		}
	case r < 78:
		if w.chance(w.flows.hands) {
			w.meddle()
		}
	case r < 82:
		if w.chance(w.flows.dying) {
			w.machines.abort()
		}
	case r < 90:
		w.relay()
	default:
		w.pass()
	}
}

// wish lets one application speak to the API, perhaps once more about what it has.
func (w *world) wish(x *wish) {
	r := x.request
	switch {
	case x.waits():
		x.tries++
	case x.id == "" || r.Key == "" || !w.chance(0.2):
		return
	case w.chance(0.3):
		r.Body = []byte("another body")
	}
	p := w.process(requestTime)
	var (
		id  string
		err error
	)
	p.spawn(requestTime-4*time.Second, func(ctx context.Context) { id, err = x.ask(ctx, p.flow, r) })
	p.end = func() { x.answered(w, r, id, err) }
}

// ask makes the request.
func (x *wish) ask(ctx context.Context, f *flow.Flow, r flow.Request) (string, error) {
	if x.chain != nil {
		c, _, err := f.StartChain(ctx, r, *x.chain)
		return c.ID, err
	}
	prepared, err := f.Prepare(ctx, r, *x.batch)
	if err != nil {
		return "", err
	}
	b, _, err := f.StartBatch(ctx, prepared)
	return b.ID, err
}

// answered holds an answer of the API against what it promised before.
func (x *wish) answered(w *world, r flow.Request, id string, err error) {
	code := job.Code("")
	if err != nil {
		code = job.CodeOf(err)
	}
	o := w.oracle
	if string(r.Body) != string(x.request.Body) {
		o.mustf(i7, code == job.KeyReused || code == job.Throttled || code == job.Internal, "a reused key of a flow was answered with %q", code)
		return
	}
	if err != nil {
		o.mustf(i6, code == job.Throttled || code == job.Internal, "a good request for a flow was answered with %v", err)
		return
	}
	o.mustf(i7, r.Key == "" || x.id == "" || x.id == id, "the same key gave flow %s, then %s", x.id, id)
	x.id = id
	o.mustf(i6, o.flows.known(x.flow()), "accepted flow %s is not in the table", x.flow())
}

// flowsRest reports whether nothing goes on in chains and batches.
func (w *world) flowsRest() bool {
	if w.flows == nil {
		return true
	}
	waits := !w.calm && slices.ContainsFunc(w.flows.wishes, (*wish).waits)
	return !waits && w.machines.running == 0 && w.oracle.flows.open() == 0
}

// posted is a receiver of webhooks.
func (w *world) posted(owner, id, url string) error {
	refused := false
	if w.flows != nil {
		if err, strange := w.strangely(owner, id, url); strange {
			return err
		}
	}
	if w.flows != nil && !w.calm && w.script == nil {
		switch {
		case w.chance(w.flows.rude):
			refused = true
		case w.chance(w.flows.deaf):
			return job.Errorf(job.WebhookFailed, "503")
		}
	}
	w.oracle.posted(id, url, refused)
	if refused {
		return job.Errorf(job.WebhookRefused, "410")
	}
	return nil
}

// countFlows counts what a world had of chains and batches.
func (t *tally) countFlows(w *world) {
	t.chains, t.batches = len(w.oracle.flows.chains), len(w.oracle.flows.batches)
	for _, b := range w.oracle.flows.batches {
		t.items += len(b.items)
	}
	t.executions, t.inline, t.chunked, t.died = len(w.machines.all), w.machines.inline, w.machines.chunked, w.machines.died
}
