package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

const testRuleARN = "arn:aws:events:eu-west-3:123456789012:rule/sweep"

// target is a function that remembers when it was invoked, in seconds since the start.
type target struct {
	mu       sync.Mutex
	start    time.Time
	at       []float64
	payloads []string
	answer   func(ctx context.Context, n int) (string, error)
}

func (f *target) invoke(ctx context.Context, payload []byte) ([]byte, string, error) {
	f.mu.Lock()
	f.at = append(f.at, time.Since(f.start).Seconds())
	f.payloads = append(f.payloads, string(payload))
	n := len(f.at)
	f.mu.Unlock()
	if f.answer == nil {
		return nil, "", nil
	}
	functionError, err := f.answer(ctx, n)
	return nil, functionError, err
}

// live lets a scheduler live for a while of virtual time.
func live(t *testing.T, d time.Duration, f *target, cfg SchedulerConfig) {
	t.Helper()
	f.start = time.Now()
	for i := range cfg.Rules {
		r := &cfg.Rules[i]
		r.Name, r.ARN, r.Invoke = "sweep", testRuleARN, f.invoke
	}
	s, err := NewScheduler(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s.Run(ctx)
}

// within waits, but not beyond the context.
func within(ctx context.Context, d time.Duration) { sleepUntil(ctx, time.Now().Add(d)) }

func TestRates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		expression string
		speed      float64
		lives      time.Duration
		takes      time.Duration
		want       []float64
	}{
		{"a minute", "rate(1 minute)", 0, 3*time.Minute + time.Second, 0, []float64{60, 120, 180}},
		{"compressed", "rate(1 minute)", 60, 3500 * time.Millisecond, 0, []float64{1, 2, 3}},
		{"hours", "rate(2 hours)", 1, 5 * time.Hour, 0, []float64{7200, 14400}},
		{"days, compressed", "rate(1 day)", 86400, 2500 * time.Millisecond, 0, []float64{1, 2}},
		{"longer than its period overlaps, as on AWS", "rate(1 minute)", 1, 200 * time.Second, 90 * time.Second, []float64{60, 120, 180}},
		{"longer than compressed does not overlap", "rate(1 minute)", 60, 6500 * time.Millisecond, 2500 * time.Millisecond, []float64{1, 4}},
		{"compressed, but longer than the real period", "rate(1 minute)", 60, 63500 * time.Millisecond, time.Hour, []float64{1, 61}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &target{answer: func(ctx context.Context, _ int) (string, error) { within(ctx, c.takes); return "", nil }}
				live(t, c.lives, f, SchedulerConfig{Speed: c.speed, Rules: []Rule{{Expression: c.expression}}})
				if !slices.Equal(f.at, c.want) {
					t.Errorf("fired at %v, want %v", f.at, c.want)
				}
			})
		})
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	fails := func(until int) func(context.Context, int) (string, error) {
		return func(_ context.Context, n int) (string, error) {
			if n < until {
				return "Unhandled", nil
			}
			return "", nil
		}
	}
	throttled := func(_ context.Context, n int) (string, error) {
		if n < 4 {
			return "", errors.New("throttled")
		}
		return "", nil
	}
	for _, c := range []struct {
		name   string
		speed  float64
		answer func(context.Context, int) (string, error)
		want   []float64
	}{
		{"fails once", 1, fails(2), []float64{3600, 3660}},
		{"fails always", 1, fails(99), []float64{3600, 3660, 3780}},
		{"fails always, compressed", 60, fails(99), []float64{60, 61, 63}},
		{"throttled", 1, throttled, []float64{3600, 3601, 3603, 3607}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &target{answer: c.answer}
				live(t, time.Duration(7000/c.speed)*time.Second, f, SchedulerConfig{Speed: c.speed, Rules: []Rule{{Expression: "rate(1 hour)"}}})
				if !slices.Equal(f.at, c.want) {
					t.Errorf("tried at %v, want %v", f.at, c.want)
				}
				if f.payloads[0] != f.payloads[len(f.payloads)-1] {
					t.Errorf("the event changed between tries: %s", f.payloads)
				}
			})
		})
	}
}

func TestThrottleForEverIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &target{answer: func(context.Context, int) (string, error) { return "", errors.New("throttled") }}
		live(t, 47*time.Hour, f, SchedulerConfig{Rules: []Rule{{Expression: "rate(1 day)"}}})
		if n, last := len(f.at), f.at[len(f.at)-1]; n < 70 || n > 90 || last < 30*3600 || last > 30.2*3600 {
			t.Errorf("%d tries, the last after %v s; an event lives for six hours", n, last)
		}
	})
}

func TestCalendar(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // it is 2000-01-01T00:00:00Z
		f := &target{}
		live(t, 26*time.Hour, f, SchedulerConfig{Speed: 60, Rules: []Rule{{Expression: "cron(30 0,1 * * ? *)"}}})
		if want := []float64{1800, 5400, 88200, 91800}; !slices.Equal(f.at, want) {
			t.Errorf("fired at %v, want %v", f.at, want)
		}
	})
}

func TestNextMoments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expression, from, want string }{
		{"cron(0 10 * * ? *)", "2026-03-01T09:59:59Z", "2026-03-01T10:00:00Z"},
		{"cron(0 10 * * ? *)", "2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"},
		{"cron(0/15 * ? * MON-FRI *)", "2026-10-02T23:50:00Z", "2026-10-05T00:00:00Z"},
		{"cron(15,45 */6 ? * sun *)", "2026-10-03T12:00:00Z", "2026-10-04T00:15:00Z"},
		{"cron(0 0 31 * ? *)", "2026-02-01T00:00:00Z", "2026-03-31T00:00:00Z"},
		{"cron(0 0 29 FEB ? *)", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z"},
		{"cron(5 4 1 1 ? 2030)", "2026-01-01T00:00:00Z", "2030-01-01T04:05:00Z"},
		{"cron(10-20/5 8 ? 7 1,7 *)", "2026-07-04T08:10:00Z", "2026-07-04T08:15:00Z"},
		{"cron(0 0 1 1 ? 2020)", "2026-01-01T00:00:00Z", ""},
		{"cron(0 0 30 2 ? *)", "2026-01-01T00:00:00Z", ""},
	} {
		when, err := parse(c.expression)
		if err != nil {
			t.Fatal(err)
		}
		from, err := time.Parse(time.RFC3339, c.from)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if next := when.after(from, 60); !next.IsZero() {
			got = next.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.expression, c.from, got, c.want)
		}
	}
}

func TestBadExpressions(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		"", "rate(0 minutes)", "rate(1 minutes)", "rate(2 minute)", "rate(1 second)", "rate(-1 minutes)", "rate(99999999 days)", "rate(1 minute", "every minute",
		"cron(* * * * *)", "cron(0 10 * * * *)", "cron(0 10 ? * ? *)", "cron(60 10 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 L * ? *)",
		"cron(0 0 ? * 2#1 *)", "cron(0 0 * XXX ? *)", "cron(0 0 * 3-1 ? *)", "cron(*/0 0 * * ? *)", "cron(1-x 0 * * ? *)", "cron(0 ? * * ? *)", "cron(0 0 * * ? 1969)",
	} {
		f := &target{}
		if _, err := NewScheduler(SchedulerConfig{Rules: []Rule{{Name: "r", ARN: testRuleARN, Expression: expression, Invoke: f.invoke}}}); err == nil {
			t.Errorf("%q: no error", expression)
		}
	}
	f := &target{}
	for name, r := range map[string]Rule{
		"no name":     {ARN: testRuleARN, Expression: "rate(1 minute)", Invoke: f.invoke},
		"no function": {Name: "r", ARN: testRuleARN, Expression: "rate(1 minute)"},
		"no ARN":      {Name: "r", ARN: "sweep", Expression: "rate(1 minute)", Invoke: f.invoke},
	} {
		if _, err := NewScheduler(SchedulerConfig{Rules: []Rule{r}}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewScheduler(SchedulerConfig{Speed: -1}); err == nil {
		t.Error("negative speed: no error")
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &target{}
		live(t, 150*time.Second, f, SchedulerConfig{Rules: []Rule{{Expression: "rate(1 minute)"}, {Expression: "rate(2 minutes)", Input: json.RawMessage(`{"own":1}`)}, {Expression: "rate(1 minute)", Disabled: true}}})
		slices.Sort(f.payloads)
		if len(f.payloads) != 3 || f.payloads[0] != `{"own":1}` || f.payloads[1] == f.payloads[2] {
			t.Fatalf("payloads %q", f.payloads)
		}
		var e events.CloudWatchEvent
		if err := json.Unmarshal([]byte(f.payloads[1]), &e); err != nil {
			t.Fatal(err)
		}
		if e.Version != "0" || e.DetailType != "Scheduled Event" || e.Source != "aws.events" || e.AccountID != "123456789012" || e.Region != "eu-west-3" ||
			!slices.Equal(e.Resources, []string{testRuleARN}) || string(e.Detail) != "{}" || e.Time.Sub(f.start)%time.Minute != 0 {
			t.Errorf("event %s", f.payloads[1])
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(e.ID) {
			t.Errorf("id %s", e.ID)
		}
		if !strings.Contains(f.payloads[1], `"time":"2000-01-01T00:0`) {
			t.Errorf("time has fractions or an offset: %s", f.payloads[1])
		}
	})
}

func TestRunWaitsForInvocations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		returned := false
		f := &target{answer: func(ctx context.Context, _ int) (string, error) {
			<-ctx.Done()
			within(context.WithoutCancel(ctx), 3*time.Second)
			returned = true
			return "", ctx.Err()
		}}
		live(t, 61*time.Second, f, SchedulerConfig{Rules: []Rule{{Expression: "rate(1 minute)"}}})
		if took := time.Since(f.start); !returned || took != 64*time.Second || len(f.at) != 1 {
			t.Errorf("returned %v after %v, tries at %v", returned, took, f.at)
		}
	})
}
