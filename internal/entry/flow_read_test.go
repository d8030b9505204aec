package entry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
)

// pages reads a list page by page and returns what one field of its items says.
func (b *bench) pages(t *testing.T, owner, path, field string, size int) (all []string) {
	t.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		query := fmt.Sprintf("limit=%d", size)
		if cursor != "" {
			query += "&cursor=" + cursor
		}
		var page struct {
			Items []object
			Next  *string `json:"next_cursor"`
		}
		b.do(t, call{method: "GET", path: path, owner: owner, query: query}).into(t, http.StatusOK, &page)
		if len(page.Items) > size {
			t.Fatalf("%s: %d items on a page of %d", path, len(page.Items), size)
		}
		for _, item := range page.Items {
			all = append(all, fmt.Sprint(item[field]))
		}
		if cursor = ""; page.Next != nil {
			cursor = *page.Next
		}
	}
	return all
}

// notice stores a message to somebody.
func (b *bench) notice(t *testing.T, owner string, n int) string {
	t.Helper()
	m := job.Notice{
		ID: job.DerivedID("notice", owner, strconv.Itoa(n)), Owner: owner, Type: "enrichment.no_data", At: b.now.Add(time.Duration(n/2) * time.Millisecond),
		Point: id(1), Revision: 1, Job: id(2), Title: "No satellite statistics", Text: "The reading has no coordinates.",
		URL: "https://hooks.example.com/planted", Facts: map[string]any{"ndvi": 0.5, "flags": "a,b"},
	}
	if n%2 == 1 {
		m = job.Notice{ID: m.ID, Owner: owner, Type: "batch.finally", At: m.At, Batch: id(3), Title: "coast: finished", Text: "3 of 3 items succeeded."}
	}
	if err := b.store.PutNotice(t.Context(), &m); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

// Whatever the page size, the pages together are the list, the newest first, nothing twice and nothing of others.
func TestListsOfFlowsAreCutIntoPages(t *testing.T) {
	t.Parallel()
	b := start(t)
	want := map[string][]string{}
	for n := range 5 {
		b.now = b.now.Add(time.Second)
		batch, _ := b.batch(t, ann, 1, "")
		want["/v1/chains"] = append(want["/v1/chains"], b.chain(t, ann, "").ID)
		want["/v1/batches"] = append(want["/v1/batches"], batch.ID)
		want["/v1/notifications"] = append(want["/v1/notifications"], b.notice(t, ann, 2*n))
	}
	b.chain(t, ben, "")
	b.batch(t, ben, 1, "")
	b.notice(t, ben, 1)
	for path, all := range want {
		slices.Reverse(all)
		for _, size := range []int{1, 2, 5, 100} {
			if got := b.pages(t, ann, path, "id", size); !slices.Equal(got, all) {
				t.Errorf("%s by %d: %v, want %v", path, size, got, all)
			}
		}
		if got := b.pages(t, ben, path, "id", 2); len(got) != 1 {
			t.Errorf("%s of ben: %v", path, got)
		}
		if got := b.do(t, call{method: "GET", path: path, owner: "user-cho"}); got.body != `{"items":[],"next_cursor":null}` {
			t.Errorf("%s of nobody: %s", path, got.body)
		}
	}
	batch, points := b.batch(t, ann, 5, "")
	for _, size := range []int{1, 2, 5, 100} {
		if got := b.pages(t, ann, "/v1/batches/"+batch.ID+"/items", "data_point_id", size); !slices.Equal(got, points) {
			t.Errorf("items by %d: %v, want %v", size, got, points)
		}
	}
}

// Messages show what they are about, and not where they are sent.
func TestMessagesShowWhatTheyAreAbout(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.notice(t, ann, 0)
	b.notice(t, ann, 3)
	got := b.do(t, call{method: "GET", path: "/v1/notifications", owner: ann})
	var list struct{ Items []object }
	got.into(t, http.StatusOK, &list)
	if len(list.Items) != 2 || strings.Contains(got.body, "planted") || strings.Contains(got.body, ann) {
		t.Fatalf("list is %s", got.body)
	}
	batch, reading := list.Items[0], list.Items[1]
	if batch["type"] != "batch.finally" || batch["batch_id"] != id(3) || batch["data_point_id"] != nil || batch["facts"] != nil || batch["revision"] != nil {
		t.Errorf("message about a batch is %v", batch)
	}
	if facts, ok := reading["facts"].(object); !ok || facts["ndvi"] != 0.5 || reading["data_point_id"] != id(1) || reading["job_id"] != id(2) || reading["revision"] != 1.0 {
		t.Errorf("message about a reading is %v", reading)
	}
}

func TestBadListsOfFlowsAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	batch, _ := b.batch(t, ann, 1, "")
	ofJobs, ofItems := "MTE3NzIzNjY0MDAwMDAjMDFKTThXUTVaM1Q1VjlCMEMyRDRFNkY4R0g", "MTAxSk04V1E1WjNUNVY5QjBDMkQ0RTZGOEdI"
	for _, path := range []string{"/v1/chains", "/v1/batches", "/v1/notifications", "/v1/batches/" + batch.ID + "/items"} {
		other := ofItems
		if strings.HasSuffix(path, "/items") {
			other = ofJobs
		}
		for _, c := range []struct{ query, code, field, rule string }{
			{"limit=0", "INVALID_FIELD", "limit", "range"},
			{"limit=101", "INVALID_FIELD", "limit", "range"},
			{"limit=", "INVALID_FIELD", "limit", "range"},
			{"limit=NaN", "INVALID_FIELD", "limit", "range"},
			{"state=running", "UNKNOWN_FIELD", "state", "known"}, // these lists have no filter
			{"owner=user-ben", "UNKNOWN_FIELD", "owner", "known"},
			{"cursor=", "INVALID_CURSOR", "cursor", "opaque"},
			{"cursor=abc", "INVALID_CURSOR", "cursor", "opaque"},
			{"cursor=%00%ff", "INVALID_CURSOR", "cursor", "opaque"},
			{"cursor=MXp6eg", "INVALID_CURSOR", "cursor", "opaque"},
			{"cursor=" + strings.Repeat("A", 2000), "INVALID_CURSOR", "cursor", "opaque"},
			{"cursor=" + other, "INVALID_CURSOR", "cursor", "opaque"}, // of another list
		} {
			var p problem
			b.do(t, call{method: "GET", path: path, owner: ann, query: c.query}).into(t, http.StatusUnprocessableEntity, &p)
			if p.Code != c.code || p.Field != c.field || p.Rule != c.rule {
				t.Errorf("%s?%.40s: %+v", path, c.query, p)
			}
		}
	}
}

// A cursor of another owner's chains is refused, and shows nothing.
func TestCursorOfAnothersFlows(t *testing.T) {
	t.Parallel()
	b := start(t)
	for range 2 {
		b.chain(t, ann, "")
		b.now = b.now.Add(time.Second)
	}
	b.chain(t, ben, "")
	var page struct {
		Next string `json:"next_cursor"`
	}
	b.do(t, call{method: "GET", path: "/v1/chains", owner: ann, query: "limit=1"}).into(t, http.StatusOK, &page)
	var p problem
	b.do(t, call{method: "GET", path: "/v1/chains", owner: ben, query: "cursor=" + page.Next}).into(t, http.StatusUnprocessableEntity, &p)
	if p.Code != "INVALID_CURSOR" || page.Next == "" {
		t.Errorf("cursor %q: %+v", page.Next, p)
	}
}

// Items show the step and the job that they are at.
func TestItemsShowWhereTheyStand(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	batch, points := b.batch(t, ann, 2, `,"steps":["enrich","analyze"],"allow_failures":true`)
	if _, err := b.step(t, event("items", batch.ID, points[0])); err != nil {
		t.Fatal(err)
	}
	b.run = dying(job.ProviderDenied)
	list := func() (all []object) {
		var page struct{ Items []object }
		b.do(t, call{method: "GET", path: "/v1/batches/" + batch.ID + "/items", owner: ann}).into(t, http.StatusOK, &page)
		return page.Items
	}
	done, fresh := list()[0], list()[1]
	if done["state"] != "succeeded" || done["step"] != nil || done["outcome"] != "NO_ACQUISITION" || done["job_id"] != job.StepID(batch.ID+"/"+points[0], "analyze") || done["finished_at"] == nil {
		t.Errorf("done: %v", done)
	}
	if fresh["state"] != "pending" || fresh["step"] != "enrich" || fresh["outcome"] != nil || fresh["error"] != nil {
		t.Errorf("fresh: %v", fresh)
	}
	if _, err := b.step(t, event("items", batch.ID, points[1])); err != nil {
		t.Fatal(err)
	}
	dead := list()[1]
	if why, ok := dead["error"].(object); !ok || why["code"] != "PROVIDER_DENIED" || dead["state"] != "failed" || dead["step"] != "enrich" {
		t.Errorf("dead: %v", dead)
	}
	var one object
	b.do(t, call{method: "GET", path: fmt.Sprint("/v1/jobs/", dead["job_id"]), owner: ann}).into(t, http.StatusOK, &one)
	if one["state"] != "dead" || one["flow"] != "batch/"+batch.ID {
		t.Errorf("its job: %v", one)
	}
}

// A list reads no jobs, and says all the same how far each chain has come and where one has failed.
func TestListedChainsShowTheirSteps(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	for _, c := range []struct {
		run  kind
		want string
	}{
		{b.run, `[{"kind":"enrich","state":"succeeded"},{"kind":"analyze","state":"pending"}]`},
		{dying(job.ProviderDenied), `[{"kind":"enrich","state":"dead"},{"kind":"analyze","state":"pending"}]`},
	} {
		b.now, b.run = b.now.Add(time.Second), c.run
		chain := b.chain(t, ann, `,"steps":["enrich","analyze"]`)
		_, _ = b.step(t, event("chain", chain.ID)) // that one of them fails is what is wanted
		var page struct {
			Items []struct{ Steps json.RawMessage }
		}
		b.do(t, call{method: "GET", path: "/v1/chains", owner: ann, query: "limit=1"}).into(t, http.StatusOK, &page)
		if len(page.Items) != 1 || string(page.Items[0].Steps) != c.want {
			t.Errorf("listed: %s, want %s", page.Items, c.want)
		}
	}
}

// What the rules say comes first, then what people say; neither changes the other.
func TestQualityAfterAnAnalysis(t *testing.T) {
	t.Parallel()
	b := start(t).live()
	chain := b.chain(t, ann, `,"steps":["enrich","analyze"]`)
	var shown struct {
		Point string `json:"data_point_id"`
	}
	b.do(t, call{method: "GET", path: "/v1/chains/" + chain.ID, owner: ann}).into(t, http.StatusOK, &shown)
	path := "/v1/data-points/" + shown.Point
	b.do(t, call{method: "POST", path: path + "/review", owner: ann, body: `{"flag":"duplicate_reading","reason":"sent twice"}`})
	for range 2 {
		if _, err := b.step(t, event("chain", chain.ID)); err != nil {
			t.Fatal(err)
		}
	}
	var got struct {
		Score          int
		Version        string `json:"rule_version"`
		Recommendation string
		Outcome        string
		Job            string `json:"job_id"`
		Flags          []struct {
			Type      string
			Automatic bool
			Details   map[string]float64
		}
	}
	b.do(t, call{method: "GET", path: path + "/quality", owner: ann}).into(t, http.StatusOK, &got)
	if got.Score != 85 || got.Version == "" || got.Recommendation != "review" || got.Outcome != "NO_ACQUISITION" || got.Job != job.StepID(chain.ID, "analyze") {
		t.Errorf("quality is %+v", got)
	}
	if len(got.Flags) != 2 || !got.Flags[0].Automatic || got.Flags[0].Details["accuracy_m"] != 60 || got.Flags[1].Type != "duplicate_reading" || got.Flags[1].Automatic {
		t.Errorf("flags are %+v", got.Flags)
	}
}
