package entry_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
)

// wished is a job with what its dispatch asked for.
type wished struct {
	ID        string
	Unique    string `json:"unique_key"`
	Tags      []string
	Duplicate bool
	StartBy   *time.Time `json:"start_by"`
}

// dispatch dispatches a job of the point and returns the accepted answer.
func (b *bench) dispatch(t *testing.T, pointID, more string) wished {
	t.Helper()
	var got wished
	b.do(t, call{method: http.MethodPost, path: "/v1/jobs", owner: ann, body: wish(pointID, more)}).into(t, http.StatusAccepted, &got)
	return got
}

// What a dispatch asks for comes back, at once and later, and finds the job.
func TestDispatchWithEverything(t *testing.T) {
	t.Parallel()
	b := start(t)
	pointID, first := b.seed(t, ann)
	other := b.point(t, ann)
	got := b.dispatch(t, other, `,"mode":"async","delay":600,"max_wait":3600,"unique_key":"k~!","tags":["weekly","b","a","b"]`)
	if got.Unique != "k~!" || !slices.Equal(got.Tags, []string{"a", "b", "weekly"}) || got.Duplicate || got.StartBy == nil || !got.StartBy.Equal(b.now.Add(70*time.Minute)) {
		t.Errorf("dispatched %+v", got)
	}
	var read wished
	b.do(t, call{method: "GET", path: "/v1/jobs/" + got.ID, owner: ann}).into(t, http.StatusOK, &read)
	if read.Unique != got.Unique || !slices.Equal(read.Tags, got.Tags) || read.StartBy == nil || !read.StartBy.Equal(*got.StartBy) {
		t.Errorf("read %+v", read)
	}
	for query, want := range map[string]bool{
		"tag=weekly": true, "tag=week": false, "kind=enrich": true, "kind=notify": false, "data_point_id=" + other: true, "data_point_id=" + pointID: false,
		"tag=a&kind=enrich&state=scheduled": true, "tag=a&queue=low": false,
	} {
		ids, _ := b.page(t, ann, query)
		if slices.Contains(ids, got.ID) != want || strings.HasPrefix(query, "tag") && slices.Contains(ids, first) {
			t.Errorf("%s finds %v", query, ids)
		}
		if ids, _ = b.page(t, ben, query); len(ids) > 0 {
			t.Errorf("%s shows another user %v", query, ids)
		}
	}
}

// The time by which a job must start is shown as long as it means something.
func TestStartByIsShownUntilTheStart(t *testing.T) {
	t.Parallel()
	b := start(t)
	for i, c := range []struct {
		state            job.State
		attempts, passes int
		want             bool
	}{
		{job.Queued, 0, 0, true},
		{job.Waiting, 0, 0, true},
		{job.Running, 1, 0, false},
		{job.Retrying, 1, 0, false},
		{job.Waiting, 0, 1, false},
		{job.Dead, 0, 0, false},
	} {
		b.put(t, job.Job{
			ID: id(i), Kind: "enrich", Owner: ann, Queue: "low", Point: id(9), State: c.state, MaxAttempts: 3, Created: b.now, Finished: b.now,
			Attempts: c.attempts, Passes: c.passes, StartBy: b.now.Add(time.Hour),
		})
		var got wished
		b.do(t, call{method: "GET", path: "/v1/jobs/" + id(i), owner: ann}).into(t, http.StatusOK, &got)
		if (got.StartBy != nil) != c.want {
			t.Errorf("%s, %d attempts, %d passes: %v", c.state, c.attempts, c.passes, got.StartBy)
		}
	}
}

func TestBadFiltersOfListsAreRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 101)
	for _, c := range []struct{ query, field, rule string }{
		{"kind=", "kind", "length"},
		{"kind=" + long, "kind", "length"},
		{"tag=", "tag", "charset"},
		{"tag=" + long, "tag", "charset"},
		{"tag=a%20b", "tag", "charset"},
		{"tag=%C3%A9", "tag", "charset"},
		{"data_point_id=", "data_point_id", "id"},
		{"data_point_id=628", "data_point_id", "id"},
	} {
		var p problem
		start(t).do(t, call{method: "GET", path: "/v1/jobs", owner: ann, query: c.query}).into(t, http.StatusUnprocessableEntity, &p)
		if p.Code != "INVALID_FIELD" || p.Field != c.field || p.Rule != c.rule {
			t.Errorf("%s: %+v", c.query, p)
		}
	}
}

// A held key: the answer is the job that holds it, says so, and sends nothing. Keys are their owner's own.
func TestHeldKey(t *testing.T) {
	t.Parallel()
	b := start(t)
	pointID, _ := b.seed(t, ann)
	holder := b.dispatch(t, pointID, `,"unique_key":"k","queue":"low"`)
	before := b.snapshot()
	again := b.dispatch(t, pointID, `,"unique_key":"k"`)
	if holder.Duplicate || !again.Duplicate || again.ID != holder.ID || b.snapshot() != before {
		t.Errorf("holder %+v, again %+v", holder, again)
	}
	var many struct {
		Accepted int
		Items    []struct{ Job wished }
	}
	b.many(t, nil, wish(pointID, `,"unique_key":"k"`), wish(pointID, `,"unique_key":"j","tags":["t"],"max_wait":60`)).into(t, http.StatusOK, &many)
	held, fresh := many.Items[0].Job, many.Items[1].Job
	if many.Accepted != 2 || held.ID != holder.ID || !held.Duplicate || fresh.Duplicate || fresh.Unique != "j" || len(fresh.Tags) != 1 || fresh.StartBy == nil {
		t.Errorf("many %+v", many)
	}
	bens, _ := b.seed(t, ben)
	var got wished
	b.do(t, call{method: "POST", path: "/v1/jobs", owner: ben, body: wish(bens, `,"unique_key":"k"`)}).into(t, http.StatusAccepted, &got)
	if got.Duplicate || got.ID == holder.ID {
		t.Errorf("another user's key gives %+v", got)
	}
	// With the holder taken back, the key is free.
	b.do(t, call{method: "POST", path: "/v1/jobs/" + holder.ID + "/cancel", owner: ann})
	if next := b.dispatch(t, pointID, `,"unique_key":"k"`); next.Duplicate || next.ID == holder.ID {
		t.Errorf("next %+v", next)
	}
}

// A dead job whose key another one holds by now cannot be retried, alone or among many, and stays dead.
func TestRetryOfAHeldKey(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.now = time.Now().UTC().Truncate(time.Millisecond)
	b.run = fails(job.InvalidRequest, 0)
	pointID, _ := b.seed(t, ann)
	var dead ran
	b.sync(t, pointID, `,"unique_key":"k"`, nil).into(t, http.StatusOK, &dead)
	holder := b.dispatch(t, pointID, `,"unique_key":"k"`)
	var p problem
	b.do(t, call{method: "POST", path: "/v1/failed/" + dead.ID + "/retry", owner: ann}).into(t, http.StatusConflict, &p)
	if p.Code != "UNIQUE_KEY_HELD" || !strings.Contains(p.Detail, holder.ID) {
		t.Errorf("problem %+v", p)
	}
	var done struct{ Matched, Retried int }
	b.do(t, call{method: "POST", path: "/v1/failed:retry", owner: ann, body: `{"all":true}`}).into(t, http.StatusOK, &done)
	if done.Matched != 1 || done.Retried != 0 || !slices.Equal(b.graves(t, ann, ""), []string{dead.ID}) {
		t.Errorf("done %+v", done)
	}
}

// Wrong items of many name their field; one that wants to run in the request is one of them.
func TestManyWithWrongWishes(t *testing.T) {
	t.Parallel()
	b := start(t)
	pointID := b.point(t, ann)
	before := b.snapshot()
	items, want := []string{}, [][2]string{
		{`"mode":"sync"`, "mode single"},
		{`"mode":""`, "mode enum"},
		{`"max_wait":0`, "max_wait range"},
		{`"max_wait":1.5`, "max_wait type"},
		{`"unique_key":""`, "unique_key min_length"},
		{`"tags":"weekly"`, "tags type"},
		{`"tags":["a b"]`, "tags[0] charset"},
		{`"tags":null`, "tags type"},
	}
	for _, w := range want {
		items = append(items, wish(pointID, ","+w[0]))
	}
	var got dispatched
	b.many(t, nil, items...).into(t, http.StatusOK, &got)
	for i, item := range got.Items {
		if item.Error == nil || item.Error.Code != "INVALID_FIELD" || item.Error.Field+" "+item.Error.Rule != want[i][1] || strings.Contains(item.Error.Detail, "another type") {
			t.Errorf("%s: %+v", want[i][0], item.Error)
		}
	}
	if got.Refused != len(want) || b.snapshot() != before {
		t.Errorf("refused %d", got.Refused)
	}
}
