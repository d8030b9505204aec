package entry_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/openapi"
	"orbitq/internal/satellite"
)

// put stores a job row of the owner in any state, as no write of the API could.
func (b *bench) put(t *testing.T, j job.Job) {
	t.Helper()
	if _, existed, err := b.store.Store.Accept(t.Context(), &j); err != nil || existed {
		t.Fatalf("store job: %v, existed %v", err, existed)
	}
}

// id returns the n-th id of a test.
func id(n int) string { return job.DerivedID("test", string(rune(n))) }

func TestPublicRoutesNeedNoToken(t *testing.T) {
	t.Parallel()
	b := start(t)
	var health object
	got := b.do(t, call{method: "GET", path: "/v1/health"})
	got.into(t, http.StatusOK, &health)
	if health["status"] != "ok" || health["version"] != "0.1.0+7" || got.headers["cache-control"] != "no-store" {
		t.Errorf("%v %v", health, got.headers)
	}
	if got := b.do(t, call{method: "GET", path: "/openapi.yaml"}); got.status != http.StatusOK || got.body != string(openapi.YAML()) {
		t.Errorf("status %d, %d bytes", got.status, len(got.body))
	}
}

// Every state of a job has an answer that keeps the contract, with exactly the times that mean something in it.
func TestJobInEveryState(t *testing.T) {
	t.Parallel()
	b := start(t)
	full := job.Job{
		Kind: "enrich", Owner: ann, Tier: "free", Limit: 10, Queue: "low", Point: id(999), MaxAttempts: 3, Attempts: 2, Generation: 1,
		Created: b.now, Due: b.now.Add(time.Minute), Look: b.now.Add(time.Hour), Deadline: b.now.Add(24 * time.Hour),
		Started: b.now.Add(time.Second), Lease: "secret-lease", LeaseUntil: b.now.Add(time.Minute), UsageKey: "USAGE#x",
	}
	for i, state := range job.States() {
		j := full
		j.ID, j.State = id(i), state
		if !state.Open() {
			j.Finished = b.now.Add(time.Minute)
		}
		b.put(t, j)
		var got object
		raw := b.do(t, call{method: "GET", path: "/v1/jobs/" + j.ID, owner: ann})
		raw.into(t, http.StatusOK, &got)
		_, next := got["next_at"]
		_, finished := got["finished_at"]
		// A skipped job has a time as well: when its owner has new units.
		waits := state == job.Waiting || state == job.Retrying || state == job.Scheduled || state == job.Skipped
		if got["state"] != string(state) || next != waits || finished == state.Open() || got["generation"] != 1.0 || got["queue"] != "low" {
			t.Errorf("%s: %v", state, got)
		}
		for _, inside := range []string{"secret-lease", "USAGE", ann, "free"} {
			if strings.Contains(raw.body, inside) {
				t.Errorf("%s: %q is nobody's business: %s", state, inside, raw.body)
			}
		}
	}
}

func TestJobTellsItsHistory(t *testing.T) {
	t.Parallel()
	b := start(t)
	j := job.Job{
		ID: id(1), Kind: "enrich", Owner: ann, Queue: "default", Point: id(2), State: job.Succeeded, Outcome: job.Clouded, Attempts: 2, MaxAttempts: 3,
		Created: b.now, Code: job.ProviderTimeout, Reason: "provider did not answer in time",
		History: []job.Attempt{
			{Number: 1, Started: b.now, Ended: b.now.Add(time.Second), Code: job.ProviderTimeout, Version: "0.1.0+7", RequestID: "r-1"},
			{Number: 2, Started: b.now.Add(time.Minute), Ended: b.now.Add(2 * time.Minute)},
		},
	}
	b.put(t, j)
	var got struct {
		Outcome string
		Error   struct{ Code, Message string }
		History []struct {
			Number        int
			Code, Version string
			Started       time.Time `json:"started_at"`
			Ended         time.Time `json:"ended_at"`
			RequestID     string    `json:"request_id"`
		}
	}
	b.do(t, call{method: "GET", path: "/v1/jobs/" + j.ID, owner: ann}).into(t, http.StatusOK, &got)
	if got.Outcome != "CLOUDED" || got.Error.Code != "PROVIDER_TIMEOUT" || got.Error.Message != j.Reason || len(got.History) != 2 {
		t.Fatalf("job is %+v", got)
	}
	first, second := got.History[0], got.History[1]
	if first.Code != "PROVIDER_TIMEOUT" || first.RequestID != "r-1" || first.Version != "0.1.0+7" || !first.Ended.Equal(b.now.Add(time.Second)) {
		t.Errorf("first attempt is %+v", first)
	}
	if second.Number != 2 || second.Code != "CLOUDED" || !second.Started.Equal(b.now.Add(time.Minute)) {
		t.Errorf("second attempt is %+v: one without a failure has the job's outcome", second)
	}
}

// settle ends a fresh job of the owner with an analysis, by the protocol's own steps.
func (b *bench) settle(t *testing.T, owner string, a satellite.Analysis) (pointID, jobID string) {
	t.Helper()
	pointID, jobID = b.seed(t, owner)
	message := b.sender.sent[len(b.sender.sent)-1].message
	claim, err := b.store.Claim(t.Context(), job.ClaimRequest{
		Message: message, Now: b.now, Lease: job.Lease{Token: "t", Until: b.now.Add(time.Minute)},
	})
	if err != nil || claim.Verdict != job.Run {
		t.Fatalf("claim: %v %v", claim.Verdict, err)
	}
	a.Point, a.Job, a.Revision, a.CreatedAt = pointID, jobID, 1, b.now
	ended := job.Ended(claim.Job, a.Outcome(), job.Report{Now: b.now})
	if _, err := b.store.Settle(t.Context(), &claim.Job, &ended, &a); err != nil {
		t.Fatal(err)
	}
	return pointID, jobID
}

func TestAnalyses(t *testing.T) {
	t.Parallel()
	b := start(t)
	fresh, _ := b.seed(t, ann)
	if got := b.do(t, call{method: "GET", path: "/v1/data-points/" + fresh + "/analyses", owner: ann}); got.body != `{"items":[],"next_cursor":null}` {
		t.Errorf("no analysis yet: %s", got.body)
	}
	day := satellite.Day{Date: time.Date(2020, 2, 21, 0, 0, 0, 0, time.UTC), CloudFraction: 0.25, SnowFraction: 0.5, WaterFraction: 1, ValidFraction: 0.75}
	for i := range satellite.IndexCount - 1 { // the last index has no pixel
		day.Indices[i] = &satellite.Stats{Mean: float64(i) / 10, Min: -1, Max: 1, StDev: 0.5, SampleCount: 144, NoDataCount: 36}
	}
	pointID, jobID := b.settle(t, ann, satellite.Analysis{
		Day: day, Partial: true, DayOffset: 2, TemporalQuality: "excellent", HalfSide: 60, PUSpent: 0.03, ScriptVersion: "v1",
	})
	var list struct {
		Items []struct {
			ID, Outcome, Source string
			JobID               string                        `json:"job_id"`
			Indices             map[string]map[string]float64 `json:"indices"`
			Acquired            string                        `json:"acquired_on"`
			Offset              int                           `json:"day_offset"`
			Cloud               float64                       `json:"cloud_fraction"`
			Valid               float64                       `json:"valid_fraction"`
			Request             *string                       `json:"request_id"`
		}
	}
	b.do(t, call{method: "GET", path: "/v1/data-points/" + pointID + "/analyses", owner: ann}).into(t, http.StatusOK, &list)
	if len(list.Items) != 1 {
		t.Fatalf("%d analyses", len(list.Items))
	}
	a := list.Items[0]
	if a.ID == "" || a.JobID != jobID || a.Outcome != "PARTIAL" || a.Source != "Sentinel-2 L2A" || a.Acquired != "2020-02-21" || a.Offset != 2 || a.Cloud != 0.25 || a.Valid != 0.75 {
		t.Errorf("analysis is %+v", a)
	}
	if a.Request == nil {
		t.Error("a provider that names no request still gives a field: clients need not ask whether it is there")
	}
	if len(a.Indices) != 7 || a.Indices["gndvi"] != nil || a.Indices["savi"]["mean"] != 0.5 || a.Indices["ndvi"]["no_data_count"] != 36 {
		t.Errorf("indices are %v", a.Indices)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.settle(t, ann, satellite.Analysis{TemporalQuality: "good", HalfSide: 60, ScriptVersion: "v1"})
	// A second job runs: its unit is reserved, and gone for whoever plans with what remains.
	b.seed(t, ann)
	claim := job.ClaimRequest{
		Message: b.sender.sent[1].message, Now: b.now, Lease: job.Lease{Token: "t", Until: b.now.Add(time.Minute)},
	}
	if _, err := b.store.Claim(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		owner, tier    string
		used, reserved float64
		limit, remains any
	}{
		{ann, "", 1, 1, 10.0, 8.0},
		{ann, "gold", 1, 1, 10.0, 8.0},  // an unknown tier is the smallest
		{ann, "pro", 1, 1, 100.0, 98.0}, // a change of plan does not begin at zero
		{ann, "enterprise", 1, 1, nil, nil},
		{ben, "", 0, 0, 10.0, 10.0},
	} {
		var got object
		b.do(t, call{method: "GET", path: "/v1/usage", owner: c.owner, tier: c.tier}).into(t, http.StatusOK, &got)
		if got["used"] != c.used || got["reserved"] != c.reserved || got["limit"] != c.limit || got["remaining"] != c.remains {
			t.Errorf("%s %q: %v", c.owner, c.tier, got)
		}
		if got["resets_at"] != "2026-04-01T00:00:00Z" || got["resource"] != "satellite_analyses" {
			t.Errorf("%s %q: %v", c.owner, c.tier, got)
		}
	}
}

// page reads one page of a list.
func (b *bench) page(t *testing.T, owner, query string) (ids []string, next string) {
	t.Helper()
	var list struct {
		Items []struct{ ID string }
		Next  *string `json:"next_cursor"`
	}
	b.do(t, call{method: "GET", path: "/v1/jobs", owner: owner, query: query}).into(t, http.StatusOK, &list)
	for _, j := range list.Items {
		ids = append(ids, j.ID)
	}
	if list.Next != nil {
		next = *list.Next
	}
	return ids, next
}

// Whatever the page size, the pages together are the list: newest first, nothing twice, nothing of others.
func TestListIsCutIntoPages(t *testing.T) {
	t.Parallel()
	b := start(t)
	var want []string
	queues, states := []string{"high", "default", "low"}, []job.State{job.Queued, job.Succeeded}
	for i := range 25 {
		j := job.Job{
			ID: id(i), Kind: "enrich", Owner: ann, Queue: queues[i%3], Point: id(999), State: states[i%2], MaxAttempts: 3,
			Created: b.now.Add(time.Duration(i/2) * time.Millisecond), // two of each age
		}
		b.put(t, j)
		j.ID, j.Owner = id(100+i), ben
		b.put(t, j)
		want = append(want, id(i))
	}
	slices.SortFunc(want, func(a, c string) int {
		ja, _ := b.store.Job(context.Background(), a)
		jc, _ := b.store.Job(context.Background(), c)
		return strings.Compare(jc.Position(), ja.Position())
	})
	for _, c := range []struct {
		query string
		n     int
	}{
		{"", 25},
		{"limit=1", 25},
		{"limit=2", 25},
		{"limit=7", 25},
		{"limit=25", 25},
		{"limit=100", 25},
		{"queue=low&limit=3", 8},
		{"state=succeeded&limit=5", 12},
		{"state=queued&queue=high&limit=2", 5},
		{"state=dead", 0},
	} {
		t.Run(c.query, func(t *testing.T) {
			t.Parallel()
			var got []string
			for cursor, more := "", true; more; more = cursor != "" {
				query := c.query
				if cursor != "" {
					query += "&cursor=" + cursor
				}
				var ids []string
				ids, cursor = b.page(t, ann, query)
				got = append(got, ids...)
			}
			left := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return !slices.Contains(got, id) })
			if len(got) != c.n || !slices.Equal(got, left) {
				t.Errorf("%d jobs in order %v, want %d in order %v", len(got), got, c.n, left)
			}
		})
	}
}

// A cursor belongs to the list that gave it: another owner, another filter and another list
// refuse it, and so does any other spelling. An empty end would look as if there were no more.
func TestCursorOfAnotherList(t *testing.T) {
	t.Parallel()
	b := start(t)
	for i := range 3 {
		b.put(t, job.Job{ID: id(i), Kind: "enrich", Owner: ann, Queue: "default", Point: id(9), State: job.Queued, MaxAttempts: 3, Created: b.now.Add(time.Duration(i) * time.Hour)})
	}
	b.put(t, job.Job{ID: id(50), Kind: "enrich", Owner: ben, Queue: "default", Point: id(9), State: job.Queued, MaxAttempts: 3, Created: b.now})
	_, cursor := b.page(t, ann, "limit=1&state=queued")
	if ids, _ := b.page(t, ann, "limit=2&state=queued&cursor="+cursor); len(ids) != 2 {
		t.Errorf("the list itself, by another limit, shows %v", ids)
	}
	for _, c := range []struct{ owner, path, query string }{
		{ben, "/v1/jobs", "state=queued&cursor=" + cursor},
		{ann, "/v1/jobs", "cursor=" + cursor},
		{ann, "/v1/jobs", "state=dead&cursor=" + cursor},
		{ann, "/v1/jobs", "state=queued&queue=default&cursor=" + cursor},
		{ann, "/v1/jobs", "state=queued&cursor=" + cursor[:8] + "%0D" + cursor[8:]},
		{ann, "/v1/chains", "cursor=" + cursor},
		{ann, "/v1/batches", "cursor=" + cursor},
		{ann, "/v1/notifications", "cursor=" + cursor},
		{ann, "/v1/failed", "cursor=" + cursor},
	} {
		var p problem
		b.do(t, call{method: "GET", path: c.path, owner: c.owner, query: c.query}).into(t, http.StatusUnprocessableEntity, &p)
		if p.Code != "INVALID_CURSOR" || p.Field != "cursor" {
			t.Errorf("%s %s?%s: %+v", c.owner, c.path, c.query, p)
		}
	}
}

func TestBadListsAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, code, field, rule string }{
		{"limit=0", "INVALID_FIELD", "limit", "range"},
		{"limit=101", "INVALID_FIELD", "limit", "range"},
		{"limit=-1", "INVALID_FIELD", "limit", "range"},
		{"limit=%2B5", "INVALID_FIELD", "limit", "range"},
		{"limit=ten", "INVALID_FIELD", "limit", "range"},
		{"limit=1.5", "INVALID_FIELD", "limit", "range"},
		{"limit=", "INVALID_FIELD", "limit", "range"},
		{"limit=5&limit=6", "INVALID_FIELD", "limit", "unique"},
		{"kind=enrich&kin%64=enrich", "INVALID_FIELD", "kind", "unique"}, // a kind "enrich,enrich" would match nothing
		{"limit=99999999999999999999", "INVALID_FIELD", "limit", "range"},
		{"state=lost", "INVALID_FIELD", "state", "enum"},
		{"state=DEAD", "INVALID_FIELD", "state", "enum"},
		{"state=", "INVALID_FIELD", "state", "enum"},
		{"queue=fast", "INVALID_FIELD", "queue", "enum"},
		{"queue=", "INVALID_FIELD", "queue", "enum"},
		{"stat=dead", "UNKNOWN_FIELD", "stat", "known"},
		{"Limit=5", "UNKNOWN_FIELD", "Limit", "known"},
		{"owner=user-ben", "UNKNOWN_FIELD", "owner", "known"},
		{"limit=0&owner=x&state=lost", "INVALID_FIELD", "limit", "range"},
		{"cursor=", "INVALID_CURSOR", "cursor", "opaque"},
		{"cursor=%00", "INVALID_CURSOR", "cursor", "opaque"},
		{"cursor=abc", "INVALID_CURSOR", "cursor", "opaque"},
		{"cursor=MXp6eg", "INVALID_CURSOR", "cursor", "opaque"},                                                  // "1zzz"
		{"cursor=MTE3NzIzNjY0MDAwMDA", "INVALID_CURSOR", "cursor", "opaque"},                                     // a time alone
		{"cursor=MjE3NzIzNjY0MDAwMDAjMDFKTThXUTVaM1Q1VjlCMEMyRDRFNkY4R0g", "INVALID_CURSOR", "cursor", "opaque"}, // of another form
		{"cursor=" + strings.Repeat("A", 2000), "INVALID_CURSOR", "cursor", "opaque"},
	} {
		t.Run(c.query[:min(len(c.query), 40)], func(t *testing.T) {
			t.Parallel()
			b := start(t)
			var p problem
			for range 3 { // the same request gets the same answer
				b.do(t, call{method: "GET", path: "/v1/jobs", owner: ann, query: c.query}).into(t, http.StatusUnprocessableEntity, &p)
				if p.Code != c.code || p.Field != c.field || p.Rule != c.rule || len(p.Errors) == 0 {
					t.Errorf("problem is %+v", p)
				}
			}
		})
	}
}
