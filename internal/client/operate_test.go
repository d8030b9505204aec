package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

const (
	operationID   = "01JM8WR2D0K3N5Q7S9V1X3Z5B7"
	operationJSON = `{"id":"` + operationID + `","state":"running","canary":true,"rate":200,"step":0,"retried":0,"mended":0,"returned":0,"open":0,` +
		`"created_at":"2026-11-25T08:00:00Z","updated_at":"2026-11-25T08:00:00Z"}`
	stoppedJSON = `{"id":"` + operationID + `","state":"stopped","reason":"job x failed again","canary":true,"rate":200,"step":2,"retried":25,"mended":5,"returned":1,"open":19,` +
		`"created_at":"2026-11-25T08:00:00Z","updated_at":"2026-11-25T08:02:00Z"}`
	heldJSON = `{"id":"` + jobID + `","kind":"enrich","state":"waiting","data_point_id":"` + pointID + `","queue":"high","attempts":0,"max_attempts":3,"generation":0,` +
		`"created_at":"2026-11-25T08:00:00Z","next_at":"2026-11-25T09:00:00Z","start_by":"2026-11-25T09:00:00Z","unique_key":"k","tags":["a","b"],"duplicate":true}`
	callJSON = `{"at":"2026-11-25T08:00:01Z","call_type":"enrichment","cached":false,"response_time_ms":812,"status":503,"code":"PROVIDER_UNAVAILABLE",` +
		`"cost_credits":1,"pu_spent":0.03,"attempt":1}`
	entryJSON = `{"at":"2026-11-25T08:00:03Z","resource":"satellite_analyses","units":1,"job_id":"` + jobID + `","data_point_id":"` + pointID +
		`","revision":1,"outcome":"PARTIAL","cost_credits":0.75}`
	queuesJSON   = `[{"queue":"high","feed":"enabled","waiting":1,"in_flight":2,"delayed":3},{"queue":"dead","waiting":4,"in_flight":0,"delayed":0}]`
	providerJSON = `{"breaker":"open","open_until":"2026-11-25T08:05:00Z","recent_failures":10,"next_slot":"2026-11-25T08:00:07Z","next_high_slot":"2026-11-25T08:00:00Z",` +
		`"month":"2026-11","requests":8120,"pu":243.6,"budget_percent":81.2}`
	poisonJSON = `{"message_id":"m","queue":"orbitq-satellite","reason":"message is not JSON","payload":"hello","receives":8,` +
		`"sent_at":"2026-11-25T08:00:00Z","recorded_at":"2026-11-25T08:01:00Z"}`
)

// Each call asks as the contract says, and its answer, written as JSON again, is what the API sent.
func TestOperatorsCalls(t *testing.T) {
	t.Parallel()
	list := func(items string) string { return `{"items":[` + items + `],"next_cursor":null}` }
	for _, c := range []struct {
		name  string
		reply reply
		call  func(ctx context.Context, c *client.Client) (any, error)
		asked string
		want  string
	}{
		{
			"a synchronous job", reply{200, location("/v1/jobs/" + jobID), doneJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.Dispatch(ctx, client.NewJob{Kind: "enrich", PointID: pointID, Mode: "sync"})
			}, `POST /v1/jobs {"kind":"enrich","data_point_id":"` + pointID + `","mode":"sync"}`, doneJSON,
		},
		{
			"a held key", reply{202, location("/v1/jobs/" + jobID), heldJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.Dispatch(ctx, client.NewJob{Kind: "enrich", PointID: pointID, Unique: "k", Tags: []string{"a", "b"}, MaxWait: 60})
			}, `POST /v1/jobs {"kind":"enrich","data_point_id":"` + pointID + `","max_wait":60,"unique_key":"k","tags":["a","b"]}`, heldJSON,
		},
		{
			"snooze", reply{200, location("/v1/jobs/" + jobID), heldJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.Snooze(ctx, jobID, 90*time.Minute)
			}, `POST /v1/jobs/` + jobID + `/snooze {"seconds":5400}`, heldJSON,
		},
		{
			"a canary", reply{202, location("/v1/operations/" + operationID), operationJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.StartRetry(ctx, client.FailedFilter{Fingerprint: "f", Since: "2026-11-25T08:00:00Z", Until: "2026-11-25T09:00:00Z"}, true, 0)
			}, `POST /v1/failed:retry {"canary":true,"fingerprint":"f","since":"2026-11-25T08:00:00Z","until":"2026-11-25T09:00:00Z"}`, operationJSON,
		},
		{
			"all at a rate", reply{202, location("/v1/operations/" + operationID), operationJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.StartRetry(ctx, client.FailedFilter{}, false, 7)
			}, `POST /v1/failed:retry {"all":true,"canary":false,"rate":7}`, operationJSON,
		},
		{
			"an operation",
			reply{200, nil, stoppedJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Operation(ctx, operationID) },
			`GET /v1/operations/` + operationID + ` `, stoppedJSON,
		},
		{
			"abort",
			reply{200, nil, stoppedJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Abort(ctx, operationID) },
			`POST /v1/operations/` + operationID + `/abort `, stoppedJSON,
		},
		{
			"calls",
			reply{200, nil, list(callJSON)},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Calls(ctx, jobID) },
			`GET /v1/jobs/` + jobID + `/calls `, `[` + callJSON + `]`,
		},
		{
			"queues",
			reply{200, nil, list(strings.Trim(queuesJSON, "[]"))},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Queues(ctx) },
			`GET /v1/queues `, queuesJSON,
		},
		{
			"pause",
			reply{202, nil, `{"queue":"low","feed":"disabling"}`},
			func(ctx context.Context, c *client.Client) (any, error) { return c.SetQueue(ctx, "low", false) },
			`POST /v1/queues/low/pause `, `{"queue":"low","feed":"disabling","waiting":0,"in_flight":0,"delayed":0}`,
		},
		{
			"resume",
			reply{202, nil, `{"queue":"low","feed":"enabling"}`},
			func(ctx context.Context, c *client.Client) (any, error) { return c.SetQueue(ctx, "low", true) },
			`POST /v1/queues/low/resume `, `{"queue":"low","feed":"enabling","waiting":0,"in_flight":0,"delayed":0}`,
		},
		{
			"provider",
			reply{200, nil, providerJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Provider(ctx) },
			`GET /v1/provider `, providerJSON,
		},
		{
			"poison",
			reply{200, nil, list(poisonJSON)},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Poison(ctx, 7) },
			`GET /v1/failed/poison?limit=7 `, `[` + poisonJSON + `]`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl, api := serve(t, c.reply)
			got, err := c.call(t.Context(), cl)
			if err != nil {
				t.Fatalf("call: %v", err)
			}
			if text, _ := json.Marshal(got); string(text) != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
			if asked := api.got[0].method + " " + api.got[0].uri + " " + api.got[0].body; len(api.got) != 1 || asked != c.asked {
				t.Errorf("asked %q\nwant  %q", asked, c.asked)
			}
		})
	}
}

// What means many asks until nothing is left, and adds up.
func TestFlushAndMakeUpAskUntilTheEnd(t *testing.T) {
	t.Parallel()
	c, api := serve(t, reply{200, nil, `{"matched":200,"forgotten":199,"next_cursor":"n"}`}, reply{200, nil, `{"matched":2,"forgotten":2,"next_cursor":null}`})
	if done, err := c.Flush(t.Context(), client.FailedFilter{Code: job.ProviderDenied}, false); err != nil || done.Matched != 202 || done.Forgotten != 201 {
		t.Errorf("flushed %+v, %v", done, err)
	}
	if want := `{"code":"PROVIDER_DENIED","confirm":"forget these failed jobs","cursor":"n","dry_run":false}`; len(api.got) != 2 || api.got[1].body != want {
		t.Errorf("asked %+v", api.got)
	}
	c, api = serve(t, reply{200, nil, `{"matched":3,"made_up":1,"next_cursor":"n"}`}, reply{http.StatusInternalServerError, nil, `{"message":"Internal Server Error"}`})
	if done, err := c.MakeUp(t.Context(), true); err == nil || done.Matched != 3 || done.MadeUp != 1 || api.got[0].body != `{"dry_run":true}` {
		t.Errorf("made up %+v, %v, asked %+v", done, err, api.got)
	}
}

// The ledger is one list over its pages; whoever walks again begins again.
func TestLedgerFollowsPages(t *testing.T) {
	t.Parallel()
	first := reply{200, nil, `{"items":[` + entryJSON + `,` + entryJSON + `],"next_cursor":"n"}`}
	last := reply{200, nil, `{"items":[` + entryJSON + `],"next_cursor":null}`}
	c, api := serve(t, first, last, first, last)
	all := c.Ledger(t.Context(), 2)
	for range 2 {
		n := 0
		for e, err := range all {
			text, encodeErr := json.Marshal(e)
			if err := errors.Join(err, encodeErr); err != nil || string(text) != entryJSON {
				t.Fatalf("entry %s, %v", text, err)
			}
			n++
		}
		if n != 3 {
			t.Errorf("%d entries", n)
		}
	}
	for i, want := range []string{"/v1/usage/ledger?limit=2", "/v1/usage/ledger?cursor=n&limit=2", "/v1/usage/ledger?limit=2", "/v1/usage/ledger?cursor=n&limit=2"} {
		if api.got[i].uri != want {
			t.Errorf("asked %s, want %s", api.got[i].uri, want)
		}
	}
}

// Each new step is shown once, up to the end; who gives up gets what was seen last.
func TestFollow(t *testing.T) {
	t.Parallel()
	step := func(n string) reply {
		return reply{200, nil, strings.Replace(operationJSON, `"step":0`, `"step":`+n, 1)}
	}
	c, api := serve(t, step("0"), step("1"), step("1"), reply{200, nil, stoppedJSON})
	begun := client.Operation{ID: operationID, State: "running"}
	var steps []int
	op, err := c.Follow(t.Context(), begun, time.Millisecond, func(o client.Operation) { steps = append(steps, o.Step) })
	if err != nil || op.State != "stopped" || len(steps) != 2 || steps[0] != 1 || steps[1] != 2 || len(api.got) != 4 {
		t.Errorf("%+v after %v, %d asked, %v", op, steps, len(api.got), err)
	}
	if again, err := c.Follow(t.Context(), op, time.Hour, nil); err != nil || again != op {
		t.Errorf("followed what has ended: %+v, %v", again, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c, _ = serve(t, step("1"))
	op, err = c.Follow(ctx, begun, time.Millisecond, func(client.Operation) { cancel() })
	if !errors.Is(err, context.Canceled) || op.Step != 1 || op.State != "running" {
		t.Errorf("given up: %+v, %v", op, err)
	}
}
