// Package wire builds the parts of a function from its environment, once, in
// INIT: what a function does not ask for is neither built nor demanded.
//
// It is the only package that knows which adapter stands behind which port. The
// AWS configuration is made by hand instead of by the SDK's loader, which would
// cost every cold start 6 ms and 5 MB to look for files that a function does not
// have. The one switch between AWS and a local stack is the SDK's standard
// AWS_ENDPOINT_URL, which is read here like everything else.
package wire

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orbitq/internal/account"
	"orbitq/internal/copernicus"
	"orbitq/internal/deadletter"
	"orbitq/internal/dynamostore"
	"orbitq/internal/entry"
	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/limit"
	"orbitq/internal/query"
	"orbitq/internal/relay"
	"orbitq/internal/sqsqueue"
	"orbitq/internal/worker"
)

// Release is the version of the code.
const Release = "0.1.0"

// Tries is how many attempts a job has per generation.
const Tries = 3

// providerTimeout is the longest wait for one answer of the provider.
const providerTimeout = 20 * time.Second

// System builds the parts of one function.
type System struct {
	env *env
	aws aws.Config
	log *slog.Logger

	// Parts that several use cases of one function share: a second client would
	// have connections of its own, and cost the cold start again.
	table *dynamostore.Store
	work  *sqsqueue.Queues
	door  *gate.Gate
	flows *flow.Flow
}

// New returns a System over an environment; out gets the log.
func New(getenv func(string) string, out io.Writer) *System {
	e := &env{get: getenv}
	s := &System{env: e, aws: awsConfig(e)}
	var level slog.Level
	if err := level.UnmarshalText([]byte(getenv("AWS_LAMBDA_LOG_LEVEL"))); err != nil {
		level = slog.LevelInfo
	}
	// The dimension of the metrics that some lines carry, and the way to find one stack's lines among all.
	stack := slog.String("stack", e.text("ORBITQ_STACK"))
	s.log = slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level})).With(stack)
	return s
}

// Err returns what is wrong with the environment, for the parts built so far. A
// main asks after building and before serving, and ends if it is not nil: a
// function that cannot work must fail its INIT, where a deployment sees it, and
// not its first event, where a user does.
func (s *System) Err() error { return s.env.err() }

// Log returns the function's logger.
func (s *System) Log() *slog.Logger { return s.log }

// Version names the running code: the release and the function's own version.
func (s *System) Version() string {
	if v := s.env.get("AWS_LAMBDA_FUNCTION_VERSION"); v != "" {
		return Release + "+" + v
	}
	return Release
}

// awsConfig reads region, credentials and endpoint as Lambda sets them. They do
// not change in the life of an execution environment.
func awsConfig(e *env) aws.Config {
	creds := aws.Credentials{
		AccessKeyID: e.get("AWS_ACCESS_KEY_ID"), SecretAccessKey: e.get("AWS_SECRET_ACCESS_KEY"),
		SessionToken: e.get("AWS_SESSION_TOKEN"), Source: "environment",
	}
	c := aws.Config{
		Region:      e.text("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }),
	}
	if endpoint := e.get("AWS_ENDPOINT_URL"); endpoint != "" {
		c.BaseEndpoint = &endpoint
	}
	return c
}

// timing reads the waits of the protocol.
func (s *System) timing() job.Timing {
	t := job.DefaultTiming()
	t.Backoff = s.env.secondsList("ORBITQ_BACKOFF_SECONDS")
	t.QuotaWait = s.env.seconds("ORBITQ_QUOTA_WAIT_SECONDS")
	t.ReleaseWait = s.env.seconds("ORBITQ_RELEASE_WAIT_SECONDS")
	t.Resend = s.env.seconds("ORBITQ_RESEND_AFTER_SECONDS")
	t.RetryUntil = s.env.seconds("ORBITQ_DEADLINE_SECONDS")
	t.Passes = s.env.secondsList("ORBITQ_PASSES_SECONDS")
	return t
}

// store returns the table, the same one however often it is asked for.
func (s *System) store() *dynamostore.Store {
	if s.table == nil {
		s.table = dynamostore.New(dynamostore.Config{
			Client: dynamodb.NewFromConfig(s.aws), Table: s.env.text("ORBITQ_TABLE"), Timing: s.timing(), Jitter: jitter,
		})
	}
	return s.table
}

// queues returns the work queues, the same ones however often they are asked for.
func (s *System) queues() *sqsqueue.Queues {
	if s.work == nil {
		s.work = sqsqueue.New(sqs.NewFromConfig(s.aws), s.urls())
	}
	return s.work
}

// urls returns the addresses of the work queues.
func (s *System) urls() map[string]string {
	return map[string]string{
		"high":    s.env.text("ORBITQ_QUEUE_HIGH_URL"),
		"default": s.env.text("ORBITQ_QUEUE_URL"),
		"low":     s.env.text("ORBITQ_QUEUE_LOW_URL"),
	}
}

// policy reads what the provider grants.
func (s *System) policy() limit.Policy {
	return limit.Policy{
		Shared: s.env.count("ORBITQ_LIMIT_SHARED"), Reserved: s.env.count("ORBITQ_LIMIT_RESERVED"),
		Window: s.env.seconds("ORBITQ_LIMIT_WINDOW_SECONDS"), Usable: s.env.seconds("ORBITQ_LIMIT_USABLE_SECONDS"),
		Exceptions: s.env.count("ORBITQ_BREAKER_EXCEPTIONS"), Period: s.env.seconds("ORBITQ_BREAKER_PERIOD_SECONDS"),
		Probe:    s.env.seconds("ORBITQ_BREAKER_PROBE_SECONDS"),
		Weights:  s.env.weights("ORBITQ_LIMIT_WEIGHTS"),
		Requests: s.env.count("ORBITQ_BUDGET_REQUESTS"), Units: float64(s.env.count("ORBITQ_BUDGET_UNITS")),
	}
}

// Gate returns the door to the provider, the same one however often it is asked for.
func (s *System) Gate() *gate.Gate {
	if s.door == nil {
		s.door = gate.New(gate.Config{Store: s.store(), Policy: s.policy(), Now: now, Jitter: jitter, Sleep: sleep})
	}
	return s.door
}

// policies returns how the jobs of each kind are tried. More tries than SQS has
// receives can never happen: it would give a message up before.
func (s *System) policies() map[string]job.Policy {
	all, receives := kinds.Policies(), s.env.count("ORBITQ_MAX_RECEIVES")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if tries := cmp.Or(all[name].Tries, Tries); receives > 0 && tries > receives-spare {
			s.env.add(fmt.Errorf("kind %s has %d tries: at most %d with a maxReceiveCount of %d", name, tries, receives-spare, receives))
		}
	}
	return all
}

// spare is how many receives of a message may be needed for something else than an
// attempt: a live lease, a batch that was handed back.
const spare = 2

// Intake returns the use case of the write API. A synchronous job runs in its
// process, with a worker that waits for its slot rather than come again.
func (s *System) Intake() *intake.Intake {
	return intake.New(intake.Config{
		Store: s.store(), Plans: s.store(), Sender: s.queues(), Bulk: s.queues(), Pacer: s.Gate(), AsksProvider: s.known().AsksProvider, Runner: s.workerWith(syncPatience), Feeds: s.feeds(), Reviews: s.store(), CheckURL: s.checkURL,
		Policies: s.policies(), Now: now, Entropy: entropy,
		Deadline: s.env.seconds("ORBITQ_DEADLINE_SECONDS"), Resend: s.env.seconds("ORBITQ_RESEND_AFTER_SECONDS"), Tries: Tries,
	})
}

// syncPatience is how long a synchronous job waits for a slot: its request ends
// after 25 s.
const syncPatience = 15 * time.Second

// Query returns the use case of the read API.
func (s *System) Query() *query.Query {
	return query.New(query.Config{Store: s.store(), Books: s.store(), Qualities: s.store(), Inbox: s.store(), Now: now})
}

// Reads returns the parts of the read API.
func (s *System) Reads() entry.ReadParts {
	dead := map[string]string{"dead": s.env.text("ORBITQ_DLQ_URL")}
	maps.Copy(dead, s.urls())
	return entry.ReadParts{
		Query: s.Query(), Flow: s.shown(), Signing: s.signing().Of, Failures: s.Failures(), Poisons: s.store(), Gate: s.Gate(),
		Queues: sqsqueue.New(sqs.NewFromConfig(s.aws), dead), Feeds: s.feeds(), Version: s.Version(),
	}
}

// feeds returns the event source mappings of the work queues.
func (s *System) feeds() *account.Mappings {
	return account.NewMappings(lambda.NewFromConfig(s.aws), map[string]string{
		"high":    s.env.text("ORBITQ_FEED_HIGH"),
		"default": s.env.text("ORBITQ_FEED"),
		"low":     s.env.text("ORBITQ_FEED_LOW"),
	})
}

// Worker returns the use case of the work queues.
func (s *System) Worker() *worker.Worker { return s.workerWith(limit.Patience) }

// workerWith returns a worker whose jobs wait for a slot as long as patience.
func (s *System) workerWith(patience time.Duration) *worker.Worker {
	store := s.store()
	return worker.New(worker.Config{
		Store: store, Queue: s.queues(), Now: now, Token: token, Jitter: jitter, Timing: s.timing(),
		LeaseMargin: s.env.seconds("ORBITQ_LEASE_MARGIN_SECONDS"), Version: s.Version(),
		Kinds: []worker.Kind{
			&kinds.Enrich{Points: store, Imagery: s.imagery(), Now: now, Patience: patience},
			&kinds.Analyze{Readings: store, Rules: s.rules(), Now: now},
			&kinds.Notify{Readings: store, Audience: store, Now: now},
		},
	})
}

// known returns the enrichment for those who only ask whether it would call the provider.
func (s *System) known() *kinds.Enrich {
	return &kinds.Enrich{Points: s.store(), Imagery: &kinds.Remembering{Cache: s.store(), Now: now}, Now: now}
}

// imagery returns the provider behind its cache.
func (s *System) imagery() *kinds.Remembering {
	store := s.store()
	client := account.NewCredentials(secretsmanager.NewFromConfig(s.aws), s.env.text("COPERNICUS_SECRET_ARN"), now)
	imagery := copernicus.New(copernicus.Config{
		HTTP: &http.Client{Timeout: providerTimeout}, APIURL: s.env.text("COPERNICUS_API_URL"), TokenURL: s.env.text("COPERNICUS_TOKEN_URL"),
		Secret: client.Get, Renew: client.Renew,
		Tokens: store, Gate: s.Gate(), Now: now,
	})
	return &kinds.Remembering{Provider: imagery, Cache: store, Left: s.Gate().Left, Now: now}
}

// Operator returns the use case of a person's hand on a job.
func (s *System) Operator() *deadletter.Operator {
	return deadletter.NewOperator(deadletter.OperatorConfig{
		Rows: s.store(), Operations: s.store(), Sender: s.queues(), Flows: s.Starter(), Now: now, Entropy: entropy, Timing: s.timing(),
	})
}

// Failures returns the list of dead jobs.
func (s *System) Failures() *deadletter.Failures { return deadletter.NewFailures(s.store()) }

// RelayParts returns the use cases of the relay's schedule.
func (s *System) RelayParts() entry.RelayParts {
	flows := s.Flows() // before the operator, which would be content with less of it
	return entry.RelayParts{Relay: s.Relay(), Operator: s.Operator(), Flow: flows, Outbox: s.outbox(flows), Gate: s.Gate()}
}

// Relay returns the use case that repeats what a crash left undone.
func (s *System) Relay() *relay.Relay {
	return relay.New(relay.Config{
		Store: s.store(), Skipped: s.store(), Sender: s.queues(), Line: s.store(), Pacer: s.Gate(), Policies: kinds.Policies(),
		NeedsCall: s.known().NeedsCall, Limit: s.policy(), PaceFor: s.env.seconds("ORBITQ_PACE_SECONDS"), Sleep: sleep,
		Now: now, Timing: s.timing(),
	})
}

// DeadLetters returns the use case of the dead letter queue.
func (s *System) DeadLetters() *deadletter.Reconciler {
	dead := sqsqueue.NewDeadLetters(sqs.NewFromConfig(s.aws), s.env.text("ORBITQ_DLQ_URL"), s.env.text("ORBITQ_DLQ_ARN"))
	return deadletter.New(s.store(), dead, now)
}

// now is the clock: UTC in milliseconds, as rows hold it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}

// entropy returns the random part of an id.
func entropy() [10]byte {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24: the process ends instead
	return b
}

// token returns a lease token of 128 random bits.
func token() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24: the process ends instead
	return hex.EncodeToString(b[:])
}

// jitter returns a random number in [0, 1).
func jitter() float64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24: the process ends instead
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}
