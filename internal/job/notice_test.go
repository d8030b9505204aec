package job_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
)

// TestWhenAnEventIsTriedAgain: later and later; a user's receiver for a day, operators for
// ever.
func TestWhenAnEventIsTriedAgain(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, c := range []struct {
		name  string
		tries int
		code  job.Code
		wish  time.Duration
		age   time.Duration
		want  time.Duration // 0 for never
	}{
		{"the first", 0, job.WebhookFailed, 0, 0, time.Minute},
		{"the third", 2, job.WebhookFailed, 0, 0, 4 * time.Minute},
		{"the longest that is not an hour", 5, job.WebhookFailed, 0, 0, 32 * time.Minute},
		{"an hour", 6, job.WebhookFailed, 0, 0, time.Hour},
		{"an hour for ever", 1 << 40, job.Internal, 0, 1000 * day, time.Hour},
		{"its receiver wants longer", 0, job.WebhookFailed, 2 * time.Hour, 0, 2 * time.Hour},
		{"its receiver wants less", 3, job.WebhookFailed, time.Second, 0, 8 * time.Minute},
		{"its receiver wants nonsense", 0, job.WebhookFailed, -time.Hour, 0, time.Minute},
		{"nearly a day", 20, job.WebhookFailed, 0, day - 1, time.Hour},
		{"a day", 20, job.WebhookFailed, 0, day, 0},
		{"refused", 0, job.WebhookRefused, 0, 0, 0},
		{"operators are not given up", 20, job.Throttled, 0, day, time.Hour},
	} {
		e := job.Event{At: start(), Tries: c.tries}
		now := start().Add(c.age)
		next, again := e.NextTry(c.code, c.wish, now)
		if again != (c.want > 0) || again && next.Sub(now) != c.want || !again && !next.IsZero() {
			t.Errorf("%s: got %v, %v, want %v", c.name, next.Sub(now), again, c.want)
		}
	}
}

// TestANoticeHasAnEventForEachChannel beside the inbox.
func TestANoticeHasAnEventForEachChannel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url   string
		topic bool
		want  string
	}{
		{"", false, "[]"},
		{"https://x", false, "[n-webhook]"},
		{"", true, "[n-topic]"},
		{"https://x", true, "[n-webhook n-topic]"},
	} {
		n := job.Notice{ID: "n", Owner: "u", Point: "p", At: start(), URL: c.url, Topic: c.topic}
		ids := []string{}
		for _, e := range n.Events() {
			ids = append(ids, e.ID)
			if e.Job != "n" || e.Owner != "u" || e.Point != "p" || !e.At.Equal(start()) || e.ID != "n-"+strings.TrimPrefix(e.Type, "notice.") {
				t.Errorf("event %+v", e)
			}
		}
		if fmt.Sprint(ids) != c.want {
			t.Errorf("%q, %v: got %v, want %s", c.url, c.topic, ids, c.want)
		}
	}
}

func TestWhatAnOwnerWants(t *testing.T) {
	t.Parallel()
	p := job.Preferences{Muted: []string{"a.b", "c"}}
	for kind, want := range map[string]bool{"a.b": false, "c": false, "a": true, "": true} {
		if p.Wants(kind) != want {
			t.Errorf("%q is wanted: %v", kind, !want)
		}
	}
}

// TestWordsOfARequest: one row for each bound, from both sides.
func TestWordsOfARequest(t *testing.T) {
	t.Parallel()
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name string
		got  []job.Violation
		want string // field and rule
	}{
		{"no key", job.CheckKey(""), ""},
		{"the longest key", job.CheckKey(x(255)), ""},
		{"a longer one", job.CheckKey(x(256)), "Idempotency-Key max_length"},
		{"the first and last visible characters", job.CheckKey("!~"), ""},
		{"a space", job.CheckKey("a b"), "Idempotency-Key charset"},
		{"a control character", job.CheckKey("a\x7f"), "Idempotency-Key charset"},
		{"beyond ASCII", job.CheckKey("ü"), "Idempotency-Key charset"},
		{"a queue", job.CheckQueue("low"), ""},
		{"no queue", job.CheckQueue(""), "queue enum"},
		{"another queue", job.CheckQueue("High"), "queue enum"},
		{"no tags", job.CheckTags(nil), ""},
		{"ten tags", job.CheckTags(strings.Split(x(10), "")), ""},
		{"eleven", job.CheckTags(strings.Split(x(11), "")), "tags max_items"},
		{"the longest tag", job.CheckTags([]string{"a", x(100)}), ""},
		{"a longer one", job.CheckTags([]string{"a", x(101)}), "tags[1] charset"},
		{"an empty tag", job.CheckTag("unique_key", ""), "unique_key charset"},
		{"a tag of two lines", job.CheckTag("unique_key", "a\nb"), "unique_key charset"},
	} {
		got := ""
		if len(c.got) > 0 {
			got = c.got[0].Field + " " + c.got[0].Rule
		}
		if got != c.want || len(c.got) > 1 || len(c.got) == 1 && c.got[0].Detail == "" {
			t.Errorf("%s: got %+v, want %q", c.name, c.got, c.want)
		}
	}
	// The vector of an empty message from FIPS 180.
	if got := job.BodyHash(nil); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("hash %s", got)
	}
	e, ok := errors.AsType[*job.Error](job.ErrKeyReused())
	if !ok || e.Code != job.KeyReused || len(e.Violations) != 1 || e.Violations[0].Field != "Idempotency-Key" {
		t.Errorf("got %+v", e)
	}
}

// TestTheJobOfAFlow is its driver's: a person restarts the chain or batch, and what was
// skipped runs by message.
func TestTheJobOfAFlow(t *testing.T) {
	t.Parallel()
	row := job.Job{ID: "j", Flow: job.ChainFlow("c"), Code: job.Internal}
	row.State = job.Dead
	if got, err := job.Rerun(row, job.DefaultTiming(), start()); job.CodeOf(err) != job.StateConflict || got.State != job.Dead || !strings.Contains(err.Error(), "chain/c") {
		t.Errorf("a dead one: %+v, %v", got, err)
	}
	row.State = job.Skipped
	for name, ask := range map[string]func() (job.Job, error){
		"rerun":    func() (job.Job, error) { return job.Rerun(row, job.DefaultTiming(), start()) },
		"made up":  func() (job.Job, error) { return job.MadeUp(row, job.DefaultTiming(), start()) },
		"upgraded": func() (job.Job, error) { return job.Upgraded(row, job.Plan{}, job.DefaultTiming(), start()) },
	} {
		if got, err := ask(); err != nil || got.Flow != "" || got.State != job.Queued {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	row.State, row.Look = job.Queued, start()
	if job.MayResend(&row, start()) {
		t.Error("the relay sends a message for it")
	}
	row.Flow = ""
	if !job.MayResend(&row, start()) {
		t.Error("the relay sends none for another")
	}
	row.State = job.Dead
	if got, err := job.Restarted(row, job.DefaultTiming(), start()); err != nil || got.State != job.Queued || got.Generation != 1 {
		t.Errorf("restarted: %+v, %v", got, err)
	}
}
