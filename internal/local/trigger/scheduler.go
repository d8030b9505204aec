package trigger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Rule is one schedule with its target. Name, ARN, Expression and Invoke are required.
type Rule struct {
	Name       string
	ARN        string // the event names it, and takes account and region from it
	Expression string
	Invoke     Invoke
	// Input replaces the scheduled event when it is set.
	Input    json.RawMessage
	Disabled bool
}

// SchedulerConfig describes a scheduler.
type SchedulerConfig struct {
	Rules []Rule
	// Speed divides rates and waits: default 1.
	Speed float64
	Log   *slog.Logger // default: nowhere
}

// Scheduler fires the rules of one account; it is safe for concurrent use.
type Scheduler struct {
	speed float64
	log   *slog.Logger
	rules []*rule
	runs  sync.WaitGroup
}

// rule is a checked rule.
type rule struct {
	Rule
	when schedule

	mu    sync.Mutex
	began map[int]time.Time // runs that are going
	fired int
}

// NewScheduler checks all expressions, also those of disabled rules: PutRule would refuse them too.
func NewScheduler(cfg SchedulerConfig) (*Scheduler, error) {
	if cfg.Speed == 0 {
		cfg.Speed = 1
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Speed < 0 {
		return nil, errors.New("scheduler: speed must be positive")
	}
	s := &Scheduler{speed: cfg.Speed, log: cfg.Log}
	for _, given := range cfg.Rules {
		if given.Name == "" || given.Invoke == nil || strings.Count(given.ARN, ":") < 5 {
			return nil, fmt.Errorf("schedule rule %q needs a name, an ARN and a function", given.Name)
		}
		when, err := parse(given.Expression)
		if err != nil {
			return nil, fmt.Errorf("schedule rule %s: %w", given.Name, err)
		}
		// A disabled rule is checked and then forgotten: nothing here can enable it.
		if !given.Disabled {
			s.rules = append(s.rules, &rule{Rule: given, when: when, began: map[int]time.Time{}})
		}
	}
	return s, nil
}

// Run fires until the context ends, and returns when the last invocation has.
func (s *Scheduler) Run(ctx context.Context) {
	for _, r := range s.rules {
		s.runs.Go(func() { s.follow(ctx, r) })
	}
	s.runs.Wait()
}

// follow fires one rule again and again, each time counted from the last moment and not from when it woke up, so that
// rates do not drift.
func (s *Scheduler) follow(ctx context.Context, r *rule) {
	at := time.Now().UTC()
	for {
		next := r.when.after(at, s.speed)
		if next.IsZero() || !sleepUntil(ctx, next) {
			return
		}
		at = next
		if now := time.Now().UTC(); r.when.after(next, s.speed).Before(now) {
			at = now // what was missed, because the machine slept, is not made up for
		}
		s.fire(ctx, r, at)
	}
}

// fire starts one run, or skips it.
func (s *Scheduler) fire(ctx context.Context, r *rule, at time.Time) {
	run, ok := r.begin(at)
	if !ok {
		s.log.DebugContext(ctx, "schedule skipped, its last run is going", slog.String("rule", r.Name))
		return
	}
	s.runs.Go(func() { s.deliver(ctx, r, run, at) })
}

// begin counts a run, unless one is going that would have ended before, had time not been compressed.
func (r *rule) begin(now time.Time) (run int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, began := range r.began {
		if now.Sub(began) < r.when.period() {
			return 0, false
		}
	}
	r.fired++
	r.began[r.fired] = now
	return r.fired, true
}

// end forgets a run.
func (r *rule) end(run int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.began, run)
}

// scheduledEvent is the scheduled event of EventBridge.
type scheduledEvent struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     struct{} `json:"detail"`
}

// payload is what the target gets: its constant input, or the event. The time is the moment that the rule names, in
// whole seconds, and stays the same for every try.
func (r *rule) payload(at time.Time) ([]byte, error) {
	if r.Input != nil {
		return r.Input, nil
	}
	arn := strings.Split(r.ARN, ":")
	text, err := json.Marshal(scheduledEvent{
		Version: "0", ID: newID(), DetailType: "Scheduled Event", Source: "aws.events",
		Account: arn[4], Time: at.Format(time.RFC3339), Region: arn[3], Resources: []string{r.ARN},
	})
	if err != nil {
		return nil, fmt.Errorf("write event: %w", err)
	}
	return text, nil
}

// newID makes a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
