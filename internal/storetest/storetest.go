// Package storetest is the conformance suite of the table: what every store must
// do, the one in memory and the one on DynamoDB alike.
//
// Each rule is one small function with a name that says the rule. A rule makes
// its own ids and owners, so that all may share one table and run at once. The
// suite is what makes the memory store a model: what passes here on both engines
// may be simulated on one.
package storetest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/outbox"
	"orbitq/internal/point"
	"orbitq/internal/query"
	"orbitq/internal/relay"
	"orbitq/internal/satellite"
	"orbitq/internal/worker"
)

// Store is every port of the table.
type Store interface {
	jobs
	sides
	books
	flows
	mails
	verdicts
	Token(ctx context.Context) (string, time.Time, error)
	LockToken(ctx context.Context, now, until time.Time) (bool, error)
	SaveToken(ctx context.Context, value string, expires time.Time) error
}

// jobs are the ports on jobs and what they are about.
type jobs interface {
	worker.Store
	intake.Store
	intake.Plans
	query.Store
	relay.Store
	relay.Skipped
	relay.Line
	kinds.Points
}

// sides are the ports on what goes with jobs: failures, their events, and the door.
type sides interface {
	deadletter.Store
	deadletter.Rows
	deadletter.Operations
	outbox.Store
	outbox.Receivers
	gate.Store
	kinds.Cache
}

// books are the ports on what is read long after.
type books interface {
	query.Books
	deadletter.Poisons
}

// Timing is the policy that a store under test must be built with.
func Timing() job.Timing { return job.DefaultTiming() }

// rule is one promise of a store.
type rule struct {
	name string
	test func(t *testing.T, s Store)
}

// Run holds a store against every rule.
func Run(t *testing.T, s Store) {
	t.Helper()
	var all []rule
	for _, group := range [][]rule{
		acceptRules(), claimRules(), ticketRules(), quotaRules(), planRules(), entitlementRules(), settleRules(), buryRules(), relayRules(), readRules(), operateRules(), failureRules(),
		uniqueRules(), keyRules(), eventRules(), promiseRules(), paceRules(), lineRules(), doorRules(), bookRules(), operationRules(),
		chainRules(), drivenRules(), batchRules(), mailRules(), recordRules(), reviewRules(), findRules(),
	} {
		all = append(all, group...)
	}
	for _, r := range all {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.test(t, s)
		})
	}
}

// start is the moment at which every rule begins.
func start() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// later is long after every lease that a rule takes at start.
func later() time.Time { return start().Add(time.Hour) }

// id returns a new id.
func id(t *testing.T) string {
	t.Helper()
	var b [10]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatal(err)
	}
	return job.NewID(start(), b)
}

// newJob returns a job that was just accepted, of an owner of its own without a
// limit; edit changes it before.
func newJob(t *testing.T, edit func(*job.Job)) job.Job {
	t.Helper()
	j := job.Job{
		ID: id(t), Kind: "enrich", Owner: "u-" + id(t), Tier: "enterprise", Limit: job.Unlimited,
		Queue: "default", Point: id(t), Revision: 1, BodyHash: "h", MaxAttempts: 3,
	}
	if edit != nil {
		edit(&j)
	}
	return job.Accepted(j, start(), 24*time.Hour, 15*time.Minute)
}

// accepted stores a new job.
func accepted(t *testing.T, s Store, edit func(*job.Job)) job.Job {
	t.Helper()
	j := newJob(t, edit)
	if _, existed, err := s.Accept(context.Background(), &j); err != nil || existed {
		t.Fatalf("accept: existed %v, error %v", existed, err)
	}
	return j
}

// request asks for the job of a message at a time, with a lease of 90 s.
func request(m job.Message, token string, now time.Time) job.ClaimRequest {
	return job.ClaimRequest{
		Message: m, Now: now, Lease: job.Lease{Token: token, Until: now.Add(90 * time.Second)},
		Carried: job.Carried{Ticket: m.Ticket, Sent: now.Add(-time.Second)},
	}
}

// claim asks for a job and demands a verdict.
func claim(t *testing.T, s Store, r job.ClaimRequest, want job.Verdict) job.Job {
	t.Helper()
	c, err := s.Claim(context.Background(), r)
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	if c.Verdict != want {
		t.Fatalf("verdict %d, want %d (row %+v)", c.Verdict, want, c.Job)
	}
	return c.Job
}

// running stores a job and claims it at start.
func running(t *testing.T, s Store, edit func(*job.Job)) job.Job {
	t.Helper()
	j := accepted(t, s, edit)
	return claim(t, s, request(j.Message(), "lease-"+j.ID, start()), job.Run)
}

// row reads a job.
func row(t *testing.T, s Store, jobID string) job.Job {
	t.Helper()
	j, err := s.Job(context.Background(), jobID)
	if err != nil {
		t.Fatalf("read job: %v", err)
	}
	return j
}

// meter reads the usage row that counts for a job.
func meter(t *testing.T, s Store, j *job.Job) job.Meter {
	t.Helper()
	m, err := s.Meter(context.Background(), j.Owner, meterKey(j))
	if err != nil {
		t.Fatalf("read meter: %v", err)
	}
	return m
}

// settle ends a job with an analysis and demands an answer.
func settle(t *testing.T, s Store, held *job.Job, now time.Time, want worker.Settlement) job.Job {
	t.Helper()
	ended := job.Ended(*held, job.Success, report(now))
	got, err := s.Settle(context.Background(), held, &ended, analysis(held, now))
	if err != nil {
		t.Fatalf("settle: %v", err)
	}
	if got != want {
		t.Fatalf("settlement %d, want %d", got, want)
	}
	return ended
}

// conclude ends an attempt without an effect and demands an answer.
func conclude(t *testing.T, s Store, held *job.Job, next job.Job, want worker.Settlement) {
	t.Helper()
	got, err := s.Conclude(context.Background(), held, &next)
	if err != nil {
		t.Fatalf("conclude: %v", err)
	}
	if got != want {
		t.Fatalf("settlement %d, want %d", got, want)
	}
}

// report is what a worker says at now.
func report(now time.Time) job.Report {
	return job.Report{Now: now, Version: "test", RequestID: "r-1"}
}

// analysis returns a full analysis of the job's point.
func analysis(j *job.Job, now time.Time) *satellite.Analysis {
	d := satellite.Day{Date: satellite.DayOf(now), CloudFraction: 0.125, WaterFraction: 0.25, ValidFraction: 0.875}
	for i := range d.Indices {
		d.Indices[i] = &satellite.Stats{Mean: 0.1 + float64(i)/7, Min: -0.5, Max: 0.75, StDev: 0.0625, SampleCount: 144, NoDataCount: 18}
	}
	p := point.Point{ID: j.Point, Revision: j.Revision, CollectedAt: now}
	a := satellite.Result(d, &p, 60)
	a.Job, a.CreatedAt, a.PUSpent, a.RequestID = j.ID, now, 0.05, "req"
	return &a
}

// limited makes a job one of an owner with a limit.
func limited(owner string, limit int) func(*job.Job) {
	return func(j *job.Job) { j.Owner, j.Tier, j.Limit = owner, "free", limit }
}
