package entry_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"orbitq/internal/job"
)

// dispatched is the answer to a request for many jobs.
type dispatched struct {
	Accepted, Refused int
	Items             []struct {
		Index int
		Job   *struct{ ID, State, Queue string }
		Error *struct{ Code, Detail, Field, Rule string }
	}
}

// many sends a request for many jobs.
func (b *bench) many(t *testing.T, headers map[string]string, items ...string) answer {
	t.Helper()
	return b.do(t, call{
		method: http.MethodPost, path: "/v1/jobs:batch-dispatch", owner: ann, headers: headers, body: `{"items":[` + strings.Join(items, ",") + `]}`,
	})
}

// point stores a point of somebody and returns its id.
func (b *bench) point(t *testing.T, owner string) string {
	t.Helper()
	var created struct {
		ID string `json:"data_point_id"`
	}
	b.do(t, call{method: http.MethodPost, path: "/v1/data-points", owner: owner, body: `{"latitude":1,"longitude":2,"value":3}`}).into(t, http.StatusCreated, &created)
	return created.ID
}

// wish is one job of a request.
func wish(point, more string) string {
	return fmt.Sprintf(`{"kind":"enrich","data_point_id":%q%s}`, point, more)
}

func TestManyJobsAreAcceptedOneByOne(t *testing.T) {
	t.Parallel()
	b := start(t)
	mine, foreign := b.point(t, ann), b.point(t, ben)
	before := len(b.sender.sent)
	var got dispatched
	b.many(t, nil,
		wish(mine, ""), wish(mine, `,"queue":"low"`), wish(foreign, ""), wish("628", ""), `{"kind":"mine","data_point_id":"`+mine+`"}`,
		wish(mine, `,"queue":"urgent"`), wish(mine, `,"owner":"me"`), wish(mine, `,"delay":3600`), `7`, wish(mine, `,"run_at":"soon"`),
	).into(t, http.StatusOK, &got)
	want := []string{"queued", "queued", "NOT_FOUND", "INVALID_FIELD", "UNKNOWN_KIND", "INVALID_FIELD", "UNKNOWN_FIELD", "scheduled", "INVALID_JSON", "INVALID_FIELD"}
	for i, item := range got.Items {
		said := ""
		if item.Job != nil {
			said = item.Job.State
		}
		if item.Error != nil {
			said = item.Error.Code
		}
		if item.Index != i || said != want[i] || (item.Job == nil) == (item.Error == nil) {
			t.Errorf("item %d: %+v %+v, want %s", i, item.Job, item.Error, want[i])
		}
	}
	if got.Accepted != 3 || got.Refused != 7 || len(b.sender.sent) != before+2 {
		t.Errorf("accepted %d, refused %d, sent %v", got.Accepted, got.Refused, b.sender.sent[before:])
	}
}

func TestARepeatedRequestForManyAcceptsOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := start(t)
	mine := b.point(t, ann)
	key := map[string]string{"idempotency-key": "import-1"}
	var first, again, other dispatched
	b.many(t, key, wish(mine, ""), wish(mine, "")).into(t, http.StatusOK, &first)
	sent := len(b.sender.sent)
	b.many(t, key, wish(mine, ""), wish(mine, ""), wish(mine, "")).into(t, http.StatusOK, &again)
	if first.Items[0].Job.ID == first.Items[1].Job.ID || again.Items[0].Job.ID != first.Items[0].Job.ID || again.Items[1].Job.ID != first.Items[1].Job.ID {
		t.Errorf("first %+v, again %+v", first.Items, again.Items)
	}
	if again.Accepted != 3 || len(b.sender.sent) != sent+1 {
		t.Errorf("accepted %d, sent %d more", again.Accepted, len(b.sender.sent)-sent)
	}
	b.many(t, key, wish(mine, `,"queue":"low"`)).into(t, http.StatusOK, &other)
	if e := other.Items[0].Error; e == nil || e.Code != string(job.KeyReused) {
		t.Errorf("another body: %+v", other.Items[0])
	}
}

func TestTooManyOrNoneAreRefused(t *testing.T) {
	t.Parallel()
	b := start(t)
	before := b.snapshot()
	for _, n := range []int{0, 501} {
		var p problem
		b.many(t, nil, strings.Split(strings.TrimSuffix(strings.Repeat("7 ", n), " "), " ")[:n]...).into(t, http.StatusUnprocessableEntity, &p)
		if p.Field != "items" || p.Rule != "count" {
			t.Errorf("%d: %+v", n, p)
		}
	}
	if b.snapshot() != before {
		t.Error("the table changed")
	}
}

func TestManyWithoutAQueueOrATableSayWhichOnesFailed(t *testing.T) {
	t.Parallel()
	b := start(t)
	mine := b.point(t, ann)
	b.sender.err = errors.New("no queue")
	var got dispatched
	b.many(t, nil, wish(mine, "")).into(t, http.StatusOK, &got)
	if got.Accepted != 1 || !strings.Contains(b.log.String(), "the relay repeats it") {
		t.Errorf("got %+v, log %s", got, b.log)
	}
	b.store.err = errors.New("table secret-name is gone")
	b.many(t, nil, wish(mine, "")).into(t, http.StatusOK, &got)
	if e := got.Items[0].Error; got.Refused != 1 || e == nil || e.Code != string(job.Unavailable) || strings.Contains(e.Detail, "secret-name") {
		t.Errorf("got %+v", got)
	}
}
