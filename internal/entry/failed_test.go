package entry_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
)

// bury stores the n-th dead job of the owner; later ones died later.
func (b *bench) bury(t *testing.T, owner string, n int, code job.Code) string {
	t.Helper()
	j := job.Job{
		ID: job.DerivedID("dead", owner, strconv.Itoa(n)), Kind: "enrich", Owner: owner, Tier: "free", Limit: 10, Queue: []string{"high", "default", "low"}[n%3],
		Point: id(999), State: job.Dead, Code: code, Reason: "provider refused us", Attempts: 3, MaxAttempts: 3, Ticket: 4, ValidTicket: 1,
		Created: b.now.Add(-time.Hour), Finished: b.now.Add(time.Duration(n) * time.Minute), DeadTicket: 4,
		History: []job.Attempt{{Number: 3, Started: b.now, Ended: b.now, Code: code}},
	}
	b.put(t, j)
	return j.ID
}

func TestDeadJobIsRetried(t *testing.T) {
	t.Parallel()
	b := start(t)
	deadID := b.bury(t, ann, 1, job.ProviderDenied)
	for range 2 {
		var got object
		answer := b.do(t, call{method: "POST", path: "/v1/failed/" + deadID + "/retry", owner: ann})
		if len(b.sender.sent) == 1 && answer.status == http.StatusConflict {
			continue // the second time: it runs already
		}
		answer.into(t, http.StatusAccepted, &got)
		want := sent{"default", job.Message{Version: 1, Job: deadID, Generation: 1, Ticket: 5}}
		if got["state"] != "queued" || got["generation"] != 1.0 || got["attempts"] != 0.0 || answer.headers["location"] != "/v1/jobs/"+deadID || !slices.Equal(b.sender.sent, []sent{want}) {
			t.Errorf("%v, sent %+v", got, b.sender.sent)
		}
	}
}

// A queue that does not answer does not lose the retry: the row says queued, and the relay sends.
func TestRetryWithoutAQueue(t *testing.T) {
	t.Parallel()
	b := start(t)
	deadID := b.bury(t, ann, 1, job.ProviderDenied)
	b.sender.err = errAWS
	if got := b.do(t, call{method: "POST", path: "/v1/failed/" + deadID + "/retry", owner: ann}); got.status != http.StatusAccepted {
		t.Errorf("%d %s", got.status, got.body)
	}
	if row, err := b.store.Job(t.Context(), deadID); err != nil || row.State != job.Queued || !row.Look.After(b.now) {
		t.Errorf("row is %+v, %v", row, err)
	}
}

// Each action x each state: allowed, harmless when repeated, or a conflict that says why and changes nothing.
func TestActionsByState(t *testing.T) {
	t.Parallel()
	const once, conflict = 200, http.StatusConflict
	open := []job.State{job.Scheduled, job.Queued, job.Running, job.Waiting, job.Retrying}
	for _, action := range []struct {
		name, method, path string
		allowed            []job.State
		status             int
		again              job.State
	}{
		{"cancel", "POST", "/v1/jobs/%s/cancel", open, 200, job.Cancelled},
		{"retry", "POST", "/v1/failed/%s/retry", []job.State{job.Dead, job.Skipped}, 202, ""},
		{"forget", "DELETE", "/v1/failed/%s", []job.State{job.Dead}, 200, job.Forgotten},
	} {
		for i, state := range job.States() {
			t.Run(action.name+" "+string(state), func(t *testing.T) {
				t.Parallel()
				b := start(t)
				b.put(t, job.Job{ID: id(i), Kind: "enrich", Owner: ann, Queue: "low", Point: id(9), State: state, MaxAttempts: 3, Created: b.now, Due: b.now, Finished: b.now})
				before := b.snapshot()
				got := b.do(t, call{method: action.method, path: fmt.Sprintf(action.path, id(i)), owner: ann})
				want := conflict
				switch {
				case slices.Contains(action.allowed, state):
					want = action.status
				case state == action.again:
					want = once
				}
				if got.status != want {
					t.Fatalf("%d, want %d: %s", got.status, want, got.body)
				}
				if changed := b.snapshot() != before; changed != slices.Contains(action.allowed, state) {
					t.Errorf("changed: %v", changed)
				}
				if want == conflict {
					var p problem
					got.into(t, conflict, &p)
					if p.Code != "STATE_CONFLICT" || !strings.Contains(p.Detail, string(state)) {
						t.Errorf("problem is %+v", p)
					}
				}
			})
		}
	}
}

// graves reads all pages of the list of failures.
func (b *bench) graves(t *testing.T, owner, query string) []string {
	t.Helper()
	var ids []string
	for cursor, more := "", true; more; more = cursor != "" {
		var list struct {
			Items []struct{ ID, State string }
			Next  *string `json:"next_cursor"`
		}
		at := query
		if cursor != "" {
			at += "&cursor=" + cursor
		}
		b.do(t, call{method: "GET", path: "/v1/failed", owner: owner, query: at}).into(t, http.StatusOK, &list)
		cursor = ""
		if list.Next != nil {
			cursor = *list.Next
		}
		for _, j := range list.Items {
			ids = append(ids, j.ID)
			if j.State != "dead" {
				t.Errorf("%s is %s", j.ID, j.State)
			}
		}
	}
	return ids
}

// The latest death comes first, whatever the page size; nothing alive and nothing of others is in the list.
func TestListOfFailures(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.seed(t, ann)
	var all, denied, low []string
	for n := range 9 {
		code := []job.Code{job.ProviderDenied, job.AttemptsSpent}[n%2]
		deadID := b.bury(t, ann, n, code)
		b.bury(t, ben, n, code)
		all = append(all, deadID)
		if code == job.ProviderDenied {
			denied = append(denied, deadID)
		}
		if n%3 == 2 {
			low = append(low, deadID)
		}
	}
	for _, c := range []struct {
		query string
		want  []string
	}{
		{"", all},
		{"limit=1", all},
		{"limit=4", all},
		{"code=PROVIDER_DENIED&limit=2", denied},
		{"queue=low&limit=2", low},
		{"code=NO_SUCH_CODE", nil},
	} {
		want := slices.Clone(c.want)
		slices.Reverse(want)
		if got := b.graves(t, ann, c.query); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", c.query, got, want)
		}
	}
}

func TestBadListsOfFailuresAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, code, field, rule string }{
		{"limit=0", "INVALID_FIELD", "limit", "range"},
		{"queue=fast", "INVALID_FIELD", "queue", "enum"},
		{"state=dead", "UNKNOWN_FIELD", "state", "known"},
		{"kode=X", "UNKNOWN_FIELD", "kode", "known"},
		{"code=", "INVALID_FIELD", "code", "length"},
		{"code=" + strings.Repeat("X", 65), "INVALID_FIELD", "code", "length"},
		{"cursor=abc", "INVALID_CURSOR", "cursor", "opaque"},
		{"cursor=", "INVALID_CURSOR", "cursor", "opaque"},
	} {
		t.Run(c.query[:min(len(c.query), 20)], func(t *testing.T) {
			t.Parallel()
			var p problem
			start(t).do(t, call{method: "GET", path: "/v1/failed", owner: ann, query: c.query}).into(t, http.StatusUnprocessableEntity, &p)
			if p.Code != c.code || p.Field != c.field || p.Rule != c.rule {
				t.Errorf("problem is %+v", p)
			}
		})
	}
}

// A filter, or everything said in words; a dry run counts the same jobs and touches none.
func TestRetryOfMany(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"all":true}`, 9},
		{`{"all":true,"dry_run":false}`, 9},
		{`{"code":"PROVIDER_DENIED"}`, 5},
		{`{"queue":"low"}`, 3},
		{`{"code":"PROVIDER_DENIED","queue":"low","all":false}`, 2},
		{`{"code":"NO_SUCH_CODE"}`, 0},
	} {
		t.Run(c.body, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			for n := range 9 {
				b.bury(t, ann, n, []job.Code{job.ProviderDenied, job.AttemptsSpent}[n%2])
				b.bury(t, ben, n, job.ProviderDenied)
			}
			before := b.snapshot()
			var done struct{ Matched, Retried int }
			dry := strings.NewReplacer(`,"dry_run":false`, "", "}", `,"dry_run":true}`).Replace(c.body)
			b.do(t, call{method: "POST", path: "/v1/failed:retry", owner: ann, body: dry}).into(t, http.StatusOK, &done)
			if done.Matched != c.want || done.Retried != 0 || b.snapshot() != before {
				t.Errorf("dry run: %+v", done)
			}
			b.do(t, call{method: "POST", path: "/v1/failed:retry", owner: ann, body: c.body}).into(t, http.StatusOK, &done)
			if done.Matched != c.want || done.Retried != c.want || len(b.sender.sent) != c.want || len(b.graves(t, ann, "")) != 9-c.want || len(b.graves(t, ben, "")) != 9 {
				t.Errorf("%+v, %d sent", done, len(b.sender.sent))
			}
		})
	}
}

// A long list is retried in several requests, each of which says where the next one begins.
func TestRetryOfVeryMany(t *testing.T) {
	t.Parallel()
	b := start(t)
	for n := range 250 {
		b.bury(t, ann, n, job.ProviderDenied)
	}
	var done struct {
		Matched, Retried int
		Next             *string `json:"next_cursor"`
	}
	b.do(t, call{method: "POST", path: "/v1/failed:retry", owner: ann, body: `{"all":true}`}).into(t, http.StatusOK, &done)
	if done.Retried != 200 || done.Next == nil {
		t.Fatalf("first: %+v", done)
	}
	b.do(t, call{method: "POST", path: "/v1/failed:retry", owner: ann, body: `{"all":true,"cursor":"` + *done.Next + `"}`}).into(t, http.StatusOK, &done)
	if done.Retried != 50 || done.Next != nil || len(b.graves(t, ann, "")) != 0 {
		t.Errorf("second: %+v", done)
	}
}

func TestBadRetriesOfManyAreRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []refusal{
		{name: "nothing", body: `{}`, field: "all", rule: "filter"},
		{name: "not all", body: `{"all":false}`, field: "all", rule: "filter"},
		{name: "dry run of nothing", body: `{"dry_run":true}`, field: "all", rule: "filter"},
		{name: "all and a filter", body: `{"all":true,"code":"POISON"}`, field: "all", rule: "filter"},
		{name: "all and an empty filter", body: `{"all":true,"code":""}`, field: "code", rule: "length"},
		{name: "empty filter", body: `{"code":""}`, field: "code", rule: "length"},
		{name: "endless code", body: `{"code":"` + strings.Repeat("X", 65) + `"}`, field: "code", rule: "length"},
		{name: "unknown queue", body: `{"queue":"fast"}`, field: "queue", rule: "enum"},
		{name: "empty queue", body: `{"queue":""}`, field: "queue", rule: "enum"},
		{name: "all is text", body: `{"all":"true"}`, field: "all", rule: "type"},
		{name: "all is null", body: `{"all":null}`, field: "all", rule: "type"},
		{name: "misspelt dry run", body: `{"all":true,"dryrun":true}`, code: "UNKNOWN_FIELD", field: "dryrun", rule: "known"},
		{name: "forged cursor", body: `{"all":true,"cursor":"abc"}`, code: "INVALID_CURSOR", field: "cursor", rule: "opaque"},
		{name: "empty cursor", body: `{"all":true,"cursor":""}`, code: "INVALID_CURSOR", field: "cursor", rule: "opaque"},
	} {
		r.status = http.StatusUnprocessableEntity
		if r.code == "" {
			r.code = "INVALID_FIELD"
		}
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.refused(t, "/v1/failed:retry") })
	}
	for _, r := range shapeless() {
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.refused(t, "/v1/failed:retry") })
	}
}

// A job for later: parked until it is due, at once when that has passed, refused when it is too far or said twice.
func TestJobForLater(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body  string
		due         time.Duration
		field, rule string
	}{
		{"in a minute", `"delay":60`, time.Minute, "", ""},
		{"at a time", `"run_at":"2026-03-01T13:00:00+00:30"`, 30 * time.Minute, "", ""},
		{"in a year", `"delay":31622400`, 366 * 24 * time.Hour, "", ""},
		{"now", `"delay":0`, 0, "", ""},
		{"long ago", `"run_at":"1999-01-01T00:00:00Z"`, 0, "", ""},
		{"negative", `"delay":-1`, 0, "delay", "range"},
		{"a second too far", `"delay":31622401`, 0, "delay", "range"},
		{"overflow of a duration", `"delay":9223372037`, 0, "delay", "range"},
		{"twice an overflow", `"delay":18446744074`, 0, "delay", "range"},
		{"overflow of a number", `"delay":9223372036854775808`, 0, "delay", "type"},
		{"fraction", `"delay":1.5`, 0, "delay", "type"},
		{"text", `"delay":"60"`, 0, "delay", "type"},
		{"too far ahead", `"run_at":"2027-03-02T12:00:01Z"`, 0, "run_at", "range"},
		{"year 9999", `"run_at":"9999-12-31T23:59:59Z"`, 0, "run_at", "range"},
		{"no time", `"run_at":"tomorrow"`, 0, "run_at", "rfc3339"},
		{"both", `"delay":60,"run_at":"2026-03-01T13:00:00Z"`, 0, "run_at", "exclusive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := refusal{body: `{"kind":"enrich","data_point_id":"$POINT",` + c.body + `}`, status: 422, code: "INVALID_FIELD", field: c.field, rule: c.rule}
			if c.field != "" {
				r.refused(t, "/v1/jobs")
				return
			}
			b := start(t)
			pointID, _ := b.seed(t, ann)
			var got struct {
				ID   string
				Next *time.Time `json:"next_at"`
			}
			b.do(t, call{method: "POST", path: "/v1/jobs", owner: ann, body: strings.ReplaceAll(r.body, "$POINT", pointID)}).into(t, http.StatusAccepted, &got)
			if c.due > 0 && (got.Next == nil || got.Next.Sub(b.now) != c.due) {
				t.Errorf("next at %v, want %s later", got.Next, c.due)
			}
			row, err := b.store.Job(t.Context(), got.ID)
			if err != nil || row.Deadline.Sub(b.now) != c.due+24*time.Hour {
				t.Errorf("deadline %s, %v", row.Deadline, err)
			}
		})
	}
}
