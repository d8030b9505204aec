package trigger

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// receiveLimit is the most messages that SQS gives, or deletes, at once.
const receiveLimit = 10

// payloadLimit is the size at which a batch is full.
const payloadLimit = 6 << 20

// States of a mapping, in Lambda's words. Enabling and Updating are what Switch answers and take no time here.
const (
	Enabled   = "Enabled"
	Enabling  = "Enabling"
	Disabling = "Disabling"
	Disabled  = "Disabled"
	Updating  = "Updating"
)

// ErrInUse means that a mapping is still on its way to the state that was asked for before.
var ErrInUse = errors.New("cannot update the event source mapping because it is in use")

// Queue is the source. Receive waits for up to most messages and may return none; it fills in what the queue knows of
// a message, with all system and message attributes, and the mapping adds the rest. Delete takes at most ten receipts.
type Queue interface {
	Receive(ctx context.Context, most int, wait time.Duration) ([]events.SQSMessage, error)
	Delete(ctx context.Context, receipts []string) error
}

// Invoke runs the function; err is for what is not the function's own failure, such as a throttle.
type Invoke func(ctx context.Context, payload []byte) (response []byte, functionError string, err error)

// MappingConfig describes a mapping. Queue, QueueARN and Invoke are required.
type MappingConfig struct {
	Queue    Queue
	QueueARN string // what records call eventSourceARN; its fourth part is their region
	Invoke   Invoke
	// BatchSize is the most messages of one invocation, 1 to 10000: default 10. More than 10 need a batching window.
	BatchSize int
	// MaximumBatchingWindow is how long the first message of a batch may wait for others: default not at all.
	MaximumBatchingWindow time.Duration
	MaximumConcurrency    int // invocations at once: default 10
	// ReportBatchItemFailures is the function response type: the function names what failed. Without it the response
	// is not looked at, and only a function error makes a batch fail.
	ReportBatchItemFailures bool
	// Disabled mappings start paused.
	Disabled bool
	// Pollers is the number of polls at once: default 2, never more than MaximumConcurrency. Lambda begins with five.
	Pollers  int
	LongPoll time.Duration // how long an idle poll waits: default 20 s
	// Drain is how long running invocations may take after the context of Run has ended: default 5 s.
	Drain time.Duration
	Log   *slog.Logger // default: nowhere
}

// Mapping connects a queue with a function; it is safe for concurrent use.
type Mapping struct {
	cfg        MappingConfig
	region     string
	gate       *gate
	slots      chan struct{} // one for each invocation, or poll that may become one
	deliveries sync.WaitGroup
}

// NewMapping checks the configuration and fills in defaults; it polls nothing before Run. The limits are those of
// CreateEventSourceMapping, so that a template that works here works there.
func NewMapping(cfg MappingConfig) (*Mapping, error) {
	arn := strings.Split(cfg.QueueARN, ":")
	if cfg.Queue == nil || cfg.Invoke == nil || len(arn) != 6 || arn[2] != "sqs" {
		return nil, errors.New("event source mapping needs a queue, its ARN and a function")
	}
	if cfg.BatchSize > receiveLimit && cfg.MaximumBatchingWindow <= 0 {
		return nil, errors.New("event source mapping: a batch size above 10 needs a maximum batching window")
	}
	if cfg.BatchSize < 0 || cfg.BatchSize > 10000 || cfg.MaximumConcurrency < 0 {
		return nil, errors.New("event source mapping: batch size must be 1 to 10000, concurrency positive")
	}
	cfg.setDefaults()
	return &Mapping{cfg: cfg, region: arn[3], gate: newGate(!cfg.Disabled), slots: make(chan struct{}, cfg.MaximumConcurrency)}, nil
}

// setDefaults fills in what was left out.
func (c *MappingConfig) setDefaults() {
	set(&c.BatchSize, 10)
	set(&c.MaximumConcurrency, 10)
	set(&c.Pollers, 2)
	set(&c.LongPoll, 20*time.Second)
	set(&c.Drain, 5*time.Second)
	set(&c.Log, slog.New(slog.DiscardHandler))
	c.Pollers = min(c.Pollers, c.MaximumConcurrency)
}

// set gives a field its default.
func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Run polls until the context ends, and returns when the invocations that were running have ended too, or Drain is
// over. A message that was received by a poll that the end cut off comes back by its visibility timeout.
func (m *Mapping) Run(ctx context.Context) {
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	var pollers sync.WaitGroup
	for range m.cfg.Pollers {
		pollers.Go(func() { m.poll(ctx, work) })
	}
	pollers.Wait()
	limit := time.AfterFunc(m.cfg.Drain, abandon)
	defer limit.Stop()
	m.deliveries.Wait()
}

// Pause stops polling and waits until no poll and no invocation is left; at most LongPoll and an invocation.
func (m *Mapping) Pause(ctx context.Context) error {
	m.gate.set(false)
	return m.gate.empty(ctx)
}

// Resume polls again.
func (m *Mapping) Resume() { m.gate.set(true) }

// Switch enables or disables without waiting, and says what the mapping does next. While it is Disabling it takes no
// order, as on Lambda.
func (m *Mapping) Switch(on bool) (state string, err error) {
	switch was, closing := m.gate.turn(on); {
	case closing:
		return "", ErrInUse
	case was == on:
		return Updating, nil
	case on:
		return Enabling, nil
	default:
		return Disabling, nil
	}
}

// Changed is when the mapping was last enabled or disabled.
func (m *Mapping) Changed() time.Time { return m.gate.since() }

// State says whether the mapping polls.
func (m *Mapping) State() string {
	switch open, inside := m.gate.look(); {
	case open:
		return Enabled
	case inside > 0:
		return Disabling
	default:
		return Disabled
	}
}
