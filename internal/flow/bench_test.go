package flow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/memstore"
	"orbitq/internal/outbox"
	"orbitq/internal/point"
	"orbitq/internal/quality"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// act is one run of a kind, as a test wants it.
type act func(j *job.Job) (worker.Result, error)

// kind is a kind of job that does what the bench says.
type kind struct {
	name  string
	bench *bench
}

func (k kind) Name() string { return k.name }

func (k kind) Policy() job.Policy { return kinds.Policies()[k.name] }

func (k kind) Run(_ context.Context, j *job.Job) (worker.Result, error) {
	k.bench.runs = append(k.bench.runs, k.name+" "+j.Point)
	if do := k.bench.acts[k.name+" "+j.Point]; do != nil {
		return do(j)
	}
	if do := k.bench.acts[k.name]; do != nil {
		return do(j)
	}
	return succeed(j)
}

// succeed ends a run with the effect that its kind has.
func succeed(j *job.Job) (worker.Result, error) {
	switch j.Kind {
	case kinds.EnrichName:
		d := satellite.Day{ValidFraction: 1}
		for i := range d.Indices {
			d.Indices[i] = &satellite.Stats{Mean: 0.5}
		}
		a := satellite.Result(d, &point.Point{ID: j.Point, Revision: j.Revision}, 60)
		return worker.Result{Outcome: a.Outcome(), Analysis: &a}, nil
	case kinds.AnalyzeName:
		return worker.Result{Outcome: job.Analysed, Quality: &quality.Record{Point: j.Point, Revision: j.Revision}}, nil
	default:
		return worker.Result{Outcome: job.Notified, Notice: &job.Notice{ID: job.DerivedID("notice", j.Point), Owner: j.Owner}}, nil
	}
}

// failing fails with a code.
func failing(code job.Code) act {
	return func(*job.Job) (worker.Result, error) { return worker.Result{}, job.Errorf(code, "told to") }
}

// ending ends with an outcome that has no effect.
func ending(o job.Outcome) act {
	return func(*job.Job) (worker.Result, error) { return worker.Result{Outcome: o}, nil }
}

// post is one request to a webhook.
type post struct{ id, url, body string }

// bench is the use case on the memory table with a real worker, under a clock that stands.
type bench struct {
	*flow.Flow

	box   *outbox.Outbox
	t     *testing.T
	store *memstore.Store
	seam  *seam
	exec  *executions
	now   time.Time
	acts  map[string]act // by kind, or by kind and point
	runs  []string       // kind and point of every run
	posts []post
	sent  []job.Message
	told  []job.Event // to the operators' topic
	// refused is what webhooks and queues answer; nil for success.
	refused error
	claims  int
	retries int  // of visits that fail
	ids     byte // given out
	// gone is a point that was deleted while its batch ran.
	gone string
}

// owner is whose data the tests are about.
const owner = "u"

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{
		t: t, store: memstore.New(job.DefaultTiming()), now: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC),
		exec: &executions{inputs: map[string]input{}, gone: map[string]bool{}, torn: map[string]bool{}}, acts: map[string]act{},
		seam: &seam{broken: map[string]error{}, before: map[string]func(){}},
	}
	ports, clock := table{b.store, b.seam, &b.gone}, func() time.Time { return b.now }
	run := worker.New(worker.Config{
		Store: ports, Kinds: []worker.Kind{kind{"enrich", b}, kind{"analyze", b}, kind{"notify", b}},
		Now: clock, Jitter: func() float64 { return 0 }, Token: func() string { b.claims++; return fmt.Sprint("token-", b.claims) },
		Timing: job.DefaultTiming(), LeaseMargin: 30 * time.Second,
	})
	b.Flow = flow.New(flow.Config{
		Chains: ports, Batches: ports, Items: ports, Jobs: ports, Points: ports, Open: ports, Runner: run, Executions: b.exec,
		Courier:  flow.Courier{Mail: ports, Post: b.Post, Sender: b, Topic: b.topic, Notices: b.topic},
		Policies: kinds.Policies(), CheckURL: checkURL, Now: clock, Entropy: func() [10]byte { b.ids++; return [10]byte{b.ids} },
		Timing: job.DefaultTiming(), Tries: 3,
	})
	b.box = outbox.New(outbox.Config{Store: ports, Receivers: b.store, Notifier: b.Flow, Now: clock})
	b.Courier.Deliver = b.box.Deliver
	return b
}

// checkURL refuses one URL.
func checkURL(field, url string) []job.Violation {
	if url == "http://10.0.0.1" {
		return []job.Violation{{Field: field, Rule: "url", Detail: "must be public"}}
	}
	return nil
}

// Post notes what is posted.
func (b *bench) Post(_ context.Context, _, id, url string, body []byte, _ time.Time) error {
	if b.refused == nil {
		b.posts = append(b.posts, post{id, url, string(body)})
	}
	return b.refused
}

// Send implements flow.Sender.
func (b *bench) Send(_ context.Context, _ string, m job.Message, _ time.Duration) error {
	if b.refused == nil {
		b.sent = append(b.sent, m)
	}
	return b.refused
}

func (b *bench) topic(_ context.Context, e job.Event) error {
	b.told = append(b.told, e)
	return nil
}

// pointID returns the id of a test's n-th point.
func pointID(n int) string { return job.DerivedID("point", strconv.Itoa(n)) }

// points stores n points of an owner, and returns their ids.
func (b *bench) points(who string, from, n int) []string {
	b.t.Helper()
	var ids []string
	for i := range n {
		p := point.Point{ID: pointID(from + i), Owner: who, Revision: 1, CampaignID: "c", MetricID: "m", CollectedAt: b.now.AddDate(0, 0, -from-i)}
		if _, _, _, err := b.store.AcceptPoint(b.t.Context(), &p, &job.Job{Tier: "enterprise"}); err != nil {
			b.t.Fatal(err)
		}
		ids = append(ids, p.ID)
	}
	slices.Sort(ids)
	return ids
}

// request is a request of the bench's owner.
func request(key, body string) flow.Request {
	return flow.Request{Account: job.Account{Owner: owner, Tier: "free", Limit: 100}, Key: key, Body: []byte(body)}
}

// chain accepts a chain about a new point.
func (b *bench) chain(steps ...string) job.Chain {
	b.t.Helper()
	c, startErr, err := b.StartChain(b.t.Context(), request("", ""), flow.ChainWish{Point: b.points(owner, 1, 1)[0], Steps: steps})
	if err != nil || startErr != nil {
		b.t.Fatal(err, startErr)
	}
	return c
}

// batch accepts a batch over n new points.
func (b *bench) batch(n int, edit func(*flow.BatchWish)) job.Batch {
	b.t.Helper()
	w := flow.BatchWish{Name: "b", Points: b.points(owner, 1, n), Calls: hooks()}
	if edit != nil {
		edit(&w)
	}
	p, err := b.Prepare(b.t.Context(), request("", ""), w)
	if err != nil {
		b.t.Fatal(err)
	}
	got, startErr, err := b.StartBatch(b.t.Context(), p)
	if err != nil || startErr != nil {
		b.t.Fatal(err, startErr)
	}
	return got
}

// hooks are webhooks for all three callbacks.
func hooks() map[string]job.Callback {
	return map[string]job.Callback{
		job.CallThen: {URL: "https://x/then"}, job.CallCatch: {URL: "https://x/catch"}, job.CallFinally: {URL: "https://x/finally"},
	}
}

// row reads a step's job, or the zero job.
func (b *bench) row(track, kind string) job.Job {
	b.t.Helper()
	j, err := b.store.Job(b.t.Context(), job.StepID(track, kind))
	if err != nil && job.CodeOf(err) != job.NotFound {
		b.t.Fatal(err)
	}
	return j
}

// batchRow reads a batch.
func (b *bench) batchRow(id string) job.Batch {
	b.t.Helper()
	got, err := b.store.Batch(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// chainRow reads a chain.
func (b *bench) chainRow(id string) job.Chain {
	b.t.Helper()
	got, err := b.store.Chain(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// counts has a batch's items as its owner sees them.
func (b *bench) counts(id string) job.Counts {
	b.t.Helper()
	o, err := b.ShowBatch(b.t.Context(), owner, id)
	if err != nil {
		b.t.Fatal(err)
	}
	if o.Counts.Total() != o.Batch.Total {
		b.t.Errorf("counted %+v of %d items", o.Counts, o.Batch.Total)
	}
	return o.Counts
}

// fired returns how often a callback was written and posted, over all rounds.
func (b *bench) fired(name string) (n int) {
	for _, p := range b.posts {
		if p.url == "https://x/"+name {
			n++
		}
	}
	return n
}

// ran returns how often a kind ran.
func (b *bench) ran(kind string) (n int) {
	for _, r := range b.runs {
		if len(r) > len(kind) && r[:len(kind)+1] == kind+" " {
			n++
		}
	}
	return n
}

// conflict demands that something is refused for the state that it is in.
func (b *bench) conflict(what string, err error) {
	b.t.Helper()
	if job.CodeOf(err) != job.StateConflict || err == nil {
		b.t.Errorf("%s: %v, want %s", what, err, job.StateConflict)
	}
}

// errNo is an error of AWS.
var errNo = errors.New("no")
