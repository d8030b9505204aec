// Package dynamostore keeps points, jobs, analyses, usage and dead letters in
// one DynamoDB table.
//
//	pk                sk                    what
//	JOB#<id>          JOB                   one job, its lease and its last attempts
//	                                        or, in its place, the job that answered a request with a key
//	POINT#<id>        POINT                 one data point
//	POINT#<id>        ANALYSIS#<revision>   its analysis of a revision; names its job
//	USER#<owner>      USAGE#<meter>         taken (used + reserved) and used units
//	USER#<owner>      PLAN                  the plan that the owner's newest token named
//	POISON#<sha256>   POISON                a dead letter that carries no job
//	TOKEN#copernicus  TOKEN                 the provider's token, shared by all workers
//	LIMIT#copernicus-api LIMIT              the provider's limiter, breaker and budget
//	JOB#<id>          CALL#<time>           one call to the provider for the job
//	CACHE#<hash>      CACHE                 an answer of the provider
//	LOCK#<owner>#<key> LOCK                 a unique key and the open job that holds it
//	USER#<owner>      LINE#<queue>          an owner with jobs in line for a slot of the limiter
//	OPERATION#<id>    OPERATION             a retry of many that goes on by itself
//	EVENT#<id>        EVENT                 what happened and must be told
//	CHAIN#<id>        CHAIN                 a chain: one point and its steps
//	BATCH#<id>        BATCH                 a batch as a whole
//	ITEMS#<batch>     <point>               one item of a batch
//	USER#<owner>      NOTICE#<id>           a message in its owner's inbox
//	USER#<owner>      PREFERENCES           which messages an owner wants, and where
//	USER#<owner>      RECEIVERS             which of an owner's receivers failed lately
//	QUALITY#<point>   RULES#<revision>      what the rules say about a reading
//	QUALITY#<point>   FLAG#<hash>           what a person says about it
//	CAMPAIGN#<owner>#<id> CAMPAIGN          the zones of a campaign
//
//	index open   ok ("open#<shard>"), look   jobs that somebody may have to look at
//	             ok ("dead#<owner>"), look   an owner's dead jobs by time of death
//	             ok ("skipped"), look        skipped jobs by when their owner has new units
//	             ok ("event"), look          operators' events that are still to be delivered
//	             ok ("event#<lane>"), look   users' events, in lanes by owner
//	             ok ("operation"), look      operations that go on, by their last step
//	             ok ("poison"), look         dead letters that carry no job
//	             ok ("flow"), look           chains and batches that go on
//	index line   wk ("job#<queue>#<owner>"), wt    an owner's jobs in line, by acceptance
//	             wk ("owner#<queue>"), wt          owners with jobs in line, by their last turn
//	index group  gk ("<group>#<owner>"), os  an owner's jobs that have not succeeded: open, dead,
//	                                         skipped, cancelled and forgotten ones apart
//	index owner  own ("USER#<owner>"), os    an owner's jobs by acceptance
//	             own ("LEDGER#<owner>"), os  an owner's billed analyses by time
//	             own ("CHAINS#<owner>"), os  chains; BATCHES#, NOTICES#: batches and messages
//	             own ("OPERATIONS#<owner>"), os  an owner's operations that go on
//	             own ("POINTS#<owner>"), os  points of a campaign by metric and time of reading
//
// It promises what storetest demands, by the conditions of the job protocol:
// every write of a job row says in its condition what must still hold, and the
// old image that a failed condition returns decides what the failure means. The
// decisions are those of package job; this package only proves them against the
// row as it is. Rows of an index are hints and are never acted upon.
//
// # A job's row
//
//	kd own os tier an lim   kind, owner, place in the owner index, plan, its anchor and limit
//	pi fr                   issue of the token that named the plan, takes no unit of any
//	q pt rev uq tags bh     queue, point and its revision, unique key, tags, hash of the request
//	st gen tk vtk           state, generation, newest ticket, lowest ticket that may claim
//	att ex max rs ps        attempts, of these by an error, most attempts, resends, passes
//	lt lu uk                lease token and its end, usage row that holds the reservation
//	cr due slot dl sb       accepted, earliest next run, booked slot, deadline, start by
//	sa fin look             start of the attempt, end, when the relay looks
//	oc code why fp          outcome, code and reason of the last failure, fingerprint of a death
//	dtk dsent               ticket and SentTimestamp of the message that carried it to death
//	dup                     of an answer alone, besides bh and ttl: the job that was named
//	hist rm ok ttl          last attempts, the relay's mark, partition of the open index, expiry
//	gk                      partition of the group index; absent for a job that succeeded
//	wk wt                   place in line for a slot of the limiter; absent for a job that is not
//
// # What is written together
//
//	accept      job; with a unique key also its lock; with a point the point, and the
//	            owner's meter of points if the plan has a limit
//	claim       job; with a limit also the owner's meter
//	settle      job, analysis, meter; with a unique key also its lock
//	end         job; a reservation goes back to its meter, a key is freed, a death
//	            writes its event
//	record      job; what the rules say, on the condition that the reading is the one that
//	            was judged, and its status if they approve it; or a notice with its events;
//	            a reservation goes back, a key is freed
//	batch       batch; the events of its callbacks, or the items that are added to it
//	review      status of a point, and a flag
//	relay       job alone
//
// A new batch is the exception: its items are too many for a transaction. They are written
// first, to a place that no other request knows, and count when the batch is there.
//
// Whatever stands alone is an update of one row, half the price of a transaction.
//
// Times are numbers of milliseconds since 1970, so that conditions can compare
// them. A lost reply is settled by reading back, never by trust.
package dynamostore

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/deadletter"
	"orbitq/internal/flow"
	"orbitq/internal/gate"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/outbox"
	"orbitq/internal/query"
	"orbitq/internal/relay"
	"orbitq/internal/worker"
)

// Compile-time proof that the store serves every use case.
var (
	_ worker.Store          = (*Store)(nil)
	_ intake.Store          = (*Store)(nil)
	_ intake.Plans          = (*Store)(nil)
	_ query.Store           = (*Store)(nil)
	_ relay.Store           = (*Store)(nil)
	_ deadletter.Store      = (*Store)(nil)
	_ deadletter.Rows       = (*Store)(nil)
	_ query.Books           = (*Store)(nil)
	_ deadletter.Operations = (*Store)(nil)
	_ outbox.Store          = (*Store)(nil)
	_ outbox.Receivers      = (*Store)(nil)
	_ relay.Skipped         = (*Store)(nil)
	_ relay.Line            = (*Store)(nil)
	_ gate.Store            = (*Store)(nil)
	_ kinds.Points          = (*Store)(nil)
	_ kinds.Cache           = (*Store)(nil)
	_ kinds.Readings        = (*Store)(nil)
	_ kinds.Audience        = (*Store)(nil)
	_ flow.Chains           = (*Store)(nil)
	_ flow.Batches          = (*Store)(nil)
	_ flow.Items            = (*Store)(nil)
	_ flow.Points           = (*Store)(nil)
	_ flow.Open             = (*Store)(nil)
	_ flow.Mail             = (*Store)(nil)
)

// Client is the part of the DynamoDB client that the store calls.
type Client interface {
	PutItem(ctx context.Context, in *dynamodb.PutItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	GetItem(ctx context.Context, in *dynamodb.GetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	Query(ctx context.Context, in *dynamodb.QueryInput, opts ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
	BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, opts ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, opts ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Config has the parts of a Store.
type Config struct {
	Client Client
	Table  string
	Timing job.Timing
	Jitter func() float64 // random in [0, 1)
}

// Store is the table.
type Store struct {
	db     Client
	table  string
	timing job.Timing
	jitter func() float64
}

// New returns a Store.
func New(c Config) *Store {
	return &Store{db: c.Client, table: c.Table, timing: c.Timing, jitter: c.Jitter}
}

// item is one row.
type item = map[string]types.AttributeValue

// get reads one row consistently; a missing row is nil.
func (s *Store) get(ctx context.Context, k item) (item, error) {
	consistent := true
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.table, Key: k, ConsistentRead: &consistent})
	if err != nil {
		return nil, coded("read row", err)
	}
	return out.Item, nil
}

// ms returns a time as the number that rows hold.
func ms(t time.Time) int64 { return t.UnixMilli() }
