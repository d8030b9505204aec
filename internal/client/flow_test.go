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
	chainID     = "01JM8WR5B0E2F4G6H8J0K2M4N6"
	batchID     = "01JM8WR6C1F3G5H7J9K1M3N5P7"
	noticeID    = "01JM8WR7D2G4H6J8K0M2N4P6Q8"
	stepJobJSON = `{"id":"` + jobID + `","kind":"enrich","state":"succeeded","outcome":"SUCCEEDED","data_point_id":"` + pointID + `","queue":"low",` +
		`"attempts":1,"max_attempts":3,"generation":0,"created_at":"2026-11-25T08:00:00Z","started_at":"2026-11-25T08:00:01Z",` +
		`"finished_at":"2026-11-25T08:00:02Z","flow":"chain/` + chainID + `"}`
	chainJSON = `{"id":"` + chainID + `","state":"failed","data_point_id":"` + pointID + `","steps":[{"kind":"enrich","state":"succeeded","job":` + stepJobJSON +
		`},{"kind":"notify","state":"pending"}],"failed_step":"notify","error":{"code":"ATTEMPTS_SPENT","message":"three times"},"outcome":"SUCCEEDED",` +
		`"queue":"low","tags":["t"],"generation":1,"execution":"` + chainID + `-1","created_at":"2026-11-25T08:00:00Z","finished_at":"2026-11-25T08:01:00Z"}`
	runningChainJSON = `{"id":"` + chainID + `","state":"running","data_point_id":"` + pointID + `","steps":[{"kind":"enrich","state":"pending"}],"next_step":"enrich",` +
		`"queue":"default","generation":0,"execution":"` + chainID + `-0","created_at":"2026-11-25T08:00:00Z"}`
	batchJSON = `{"id":"` + batchID + `","name":"May","state":"running","total":3,"steps":["enrich"],"queue":"default","allow_failures":false,"round":0,"executions":1,` +
		`"created_at":"2026-11-25T08:00:00Z"}`
	overviewJSON = `{"id":"` + batchID + `","name":"May","state":"finished","stop_reason":"failed","total":3,` +
		`"counts":{"pending":0,"running":0,"succeeded":1,"skipped":0,"failed":1,"cancelled":1},"progress":100,"steps":["enrich","notify"],"queue":"low","tags":["t"],` +
		`"allow_failures":true,"round":1,"executions":2,"callbacks":[{"name":"then","notify":true,"state":"waiting","failed_tries":0},` +
		`{"name":"finally","webhook":"https://example.org/hook","state":"given_up","event_id":"` + batchID + `-1-finally","fired_at":"2026-11-25T08:02:00Z","failed_tries":4,"reason":"410 Gone"},` +
		`{"name":"catch","job":{"kind":"notify","data_point_id":"` + pointID + `"},"state":"pending","failed_tries":1,"next_try_at":"2026-11-25T08:03:00Z"}],` +
		`"eta":"2026-11-25T08:02:00Z","cost_so_far":` + costJSON + `,"created_at":"2026-11-25T08:00:00Z","finished_at":"2026-11-25T08:02:00Z"}`
	costJSON     = `{"state_transitions":13,"invocations":6,"write_units":49,"read_units":9,"provider_requests":3,"usd":0.000368,"priced_on":"2026-10"}`
	estimateJSON = `{"dry_run":true,"total":3,"expected_cost":` + costJSON + `}`
	itemJSON     = `{"data_point_id":"` + pointID + `","state":"failed","step":"enrich","job_id":"` + jobID + `","error":{"code":"INVALID_REQUEST","message":"bad"},` +
		`"finished_at":"2026-11-25T08:01:00Z"}`
	noticeJSON = `{"id":"` + noticeID + `","type":"enrichment.succeeded","title":"Satellite statistics are there","text":"All seven.","data_point_id":"` + pointID + `","revision":1,` +
		`"job_id":"` + jobID + `","facts":{"day_offset":1,"ndvi":0.0813},"created_at":"2026-11-25T08:00:03Z"}`
	preferencesJSON = `{"muted":["enrichment.skipped"],"webhook_url":"https://example.org/hook","topic":false}`
	qualityJSON     = `{"data_point_id":"` + pointID + `","revision":1,"rule_version":"2026-11.1","score":85,"recommendation":"review","outcome":"SUCCEEDED","flags":[` +
		`{"type":"high_gps_error","reason":"rough","severity":"warning","automatic":true,"flagged_at":"2026-11-25T08:00:00Z","details":{"accuracy":80}}],` +
		`"job_id":"` + jobID + `","analysed_at":"2026-11-25T08:00:00Z"}`
	unjudgedJSON = `{"data_point_id":"` + pointID + `","revision":1,"rule_version":null,"score":null,"recommendation":null,"flags":[]}`
	reviewedJSON = `{"id":"` + pointID + `","latitude":28.2841,"longitude":-10.0973,"accuracy":8,"value":21.5,"collected_at":"2020-02-19T11:21:00Z","status":"approved",` +
		`"reviewed_at":"2026-11-25T09:00:00Z","review_notes":"fine","revision":1,"created_at":"2026-11-25T08:00:00Z"}`
	zonesJSON = `{"id":"dunes 1","zones":[{"name":"north","ring":[[-11.3,25],[-11.2,25],[-11.2,25.1]]}]}`
)

// exchange is one call of the client: what it asks, and its answer written as JSON again.
type exchange struct {
	name  string
	reply reply
	call  func(ctx context.Context, c *client.Client) (any, error)
	asked string // method, address, key and body
	want  string
}

// exchanged holds calls against what they should ask and give.
func exchanged(t *testing.T, all []exchange) {
	t.Helper()
	for _, c := range all {
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
			asked := strings.TrimSpace(api.got[0].method + " " + api.got[0].uri + " " + api.got[0].key + " " + api.got[0].body)
			if len(api.got) != 1 || asked != c.asked {
				t.Errorf("asked %q\nwant  %q", asked, c.asked)
			}
		})
	}
}

// items is a page that is the last one.
func items(all string) reply {
	return reply{http.StatusOK, nil, `{"items":[` + all + `],"next_cursor":null}`}
}

func TestChainCalls(t *testing.T) {
	t.Parallel()
	at := location("/v1/chains/" + chainID)
	exchanged(t, []exchange{
		{
			"start with everything", reply{http.StatusAccepted, at, runningChainJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.StartChain(ctx, client.NewChain{PointID: pointID, Steps: []string{"enrich", "notify"}, Queue: "low", Tags: []string{"t"}, Key: "k-1"})
			}, `POST /v1/chains k-1 {"data_point_id":"` + pointID + `","steps":["enrich","notify"],"queue":"low","tags":["t"]}`, runningChainJSON,
		},
		{
			"start with defaults", reply{http.StatusAccepted, at, runningChainJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.StartChain(ctx, client.NewChain{PointID: pointID})
			}, `POST /v1/chains  {"data_point_id":"` + pointID + `"}`, runningChainJSON,
		},
		{
			"show",
			reply{http.StatusOK, nil, chainJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Chain(ctx, chainID) },
			"GET /v1/chains/" + chainID, chainJSON,
		},
		{
			"cancel",
			reply{http.StatusOK, nil, chainJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.CancelChain(ctx, chainID) },
			"POST /v1/chains/" + chainID + "/cancel", chainJSON,
		},
		{
			"redrive",
			reply{http.StatusAccepted, at, runningChainJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.RedriveChain(ctx, chainID) },
			"POST /v1/chains/" + chainID + "/redrive", runningChainJSON,
		},
		{
			"list", items(runningChainJSON),
			func(ctx context.Context, c *client.Client) (any, error) { return collect(c.Chains(ctx, 7)) },
			"GET /v1/chains?limit=7", "[" + runningChainJSON + "]",
		},
	})
}

func TestBatchCalls(t *testing.T) {
	t.Parallel()
	at, from := location("/v1/batches/"+batchID), time.Date(2020, 2, 1, 0, 0, 0, 0, time.UTC)
	exchanged(t, []exchange{
		{
			"start with ids", reply{http.StatusAccepted, at, batchJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.StartBatch(ctx, client.NewBatch{Name: "May", PointIDs: []string{pointID}, Then: &client.Callback{Webhook: "https://example.org/hook"}, Key: "k-1"})
			}, `POST /v1/batches k-1 {"name":"May","data_point_ids":["` + pointID + `"],"then":{"webhook":"https://example.org/hook"}}`, batchJSON,
		},
		{
			"start with a filter", reply{http.StatusAccepted, at, batchJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.StartBatch(ctx, client.NewBatch{
					Name: "May", Filter: &client.PointFilter{CampaignID: "dunes", MetricID: "m", CollectedFrom: &from, CollectedTo: &from}, Steps: []string{"enrich"},
					Queue: "low", Tags: []string{"t"}, AllowFailures: true, Catch: &client.Callback{Notify: true},
					Finally: &client.Callback{Job: &client.CallbackJob{Kind: "notify", PointID: pointID}},
				})
			}, `POST /v1/batches  {"name":"May","filter":{"campaign_id":"dunes","metric_id":"m","collected_from":"2020-02-01T00:00:00Z","collected_to":"2020-02-01T00:00:00Z"},` +
				`"steps":["enrich"],"queue":"low","tags":["t"],"allow_failures":true,"catch":{"notify":true},"finally":{"job":{"kind":"notify","data_point_id":"` + pointID + `"}}}`, batchJSON,
		},
		{
			"estimate", reply{http.StatusOK, nil, estimateJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.EstimateBatch(ctx, client.NewBatch{Name: "May", PointIDs: []string{pointID}, Key: "not sent: nothing is stored"})
			}, `POST /v1/batches  {"name":"May","data_point_ids":["` + pointID + `"],"dry_run":true}`, estimateJSON,
		},
		{
			"show",
			reply{http.StatusOK, nil, overviewJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Batch(ctx, batchID) },
			"GET /v1/batches/" + batchID, overviewJSON,
		},
		{
			"list", items(batchJSON),
			func(ctx context.Context, c *client.Client) (any, error) { return collect(c.Batches(ctx, 0)) },
			"GET /v1/batches?", "[" + batchJSON + "]",
		},
		{
			"items", items(itemJSON),
			func(ctx context.Context, c *client.Client) (any, error) {
				return collect(c.BatchItems(ctx, batchID, 100))
			},
			"GET /v1/batches/" + batchID + "/items?limit=100", "[" + itemJSON + "]",
		},
		{
			"add",
			reply{http.StatusAccepted, at, batchJSON},
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.AddBatchItems(ctx, batchID, []string{pointID})
			},
			"POST /v1/batches/" + batchID + `/items  {"data_point_ids":["` + pointID + `"]}`, batchJSON,
		},
		{
			"cancel",
			reply{http.StatusOK, nil, batchJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.CancelBatch(ctx, batchID) },
			"POST /v1/batches/" + batchID + "/cancel", batchJSON,
		},
		{
			"retry",
			reply{http.StatusAccepted, at, batchJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.RetryBatch(ctx, batchID) },
			"POST /v1/batches/" + batchID + "/retry", batchJSON,
		},
	})
}

func TestNoticeAndQualityCalls(t *testing.T) {
	t.Parallel()
	hook := "https://example.org/hook"
	exchanged(t, []exchange{
		{
			"notifications", items(noticeJSON),
			func(ctx context.Context, c *client.Client) (any, error) { return collect(c.Notifications(ctx, 2)) },
			"GET /v1/notifications?limit=2", "[" + noticeJSON + "]",
		},
		{
			"preferences",
			reply{http.StatusOK, nil, preferencesJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Preferences(ctx) },
			"GET /v1/notifications/preferences", preferencesJSON,
		},
		{
			"signing secret",
			reply{http.StatusOK, nil, `{"webhook_secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`},
			func(ctx context.Context, c *client.Client) (any, error) { return c.SigningSecret(ctx) },
			"GET /v1/notifications/secret", `"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"`,
		},
		{
			"set preferences", reply{http.StatusOK, nil, preferencesJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.SetPreferences(ctx, client.Preferences{Muted: []string{"enrichment.skipped"}, WebhookURL: &hook})
			}, `PUT /v1/notifications/preferences  {"muted":["enrichment.skipped"],"topic":false,"webhook_url":"https://example.org/hook"}`, preferencesJSON,
		},
		{
			"set none", reply{http.StatusOK, nil, `{"muted":[],"webhook_url":null,"topic":true}`}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.SetPreferences(ctx, client.Preferences{Topic: true})
			}, `PUT /v1/notifications/preferences  {"muted":[],"topic":true}`, `{"muted":[],"webhook_url":null,"topic":true}`,
		},
		{
			"quality",
			reply{http.StatusOK, nil, qualityJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Quality(ctx, pointID) },
			"GET /v1/data-points/" + pointID + "/quality", qualityJSON,
		},
		{
			"no verdict yet",
			reply{http.StatusOK, nil, unjudgedJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Quality(ctx, pointID) },
			"GET /v1/data-points/" + pointID + "/quality", unjudgedJSON,
		},
		{
			"review", reply{http.StatusOK, nil, reviewedJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.Review(ctx, pointID, client.Opinion{Status: "approved", Notes: "fine", Flag: "manual_review", Reason: "looked at"})
			}, "POST /v1/data-points/" + pointID + `/review  {"status":"approved","notes":"fine","flag":"manual_review","reason":"looked at"}`, reviewedJSON,
		},
		{
			"zones",
			reply{http.StatusOK, nil, zonesJSON},
			func(ctx context.Context, c *client.Client) (any, error) { return c.Zones(ctx, "dunes 1") },
			"GET /v1/campaigns/dunes%201/zones", zonesJSON,
		},
		{
			"set zones", reply{http.StatusOK, nil, zonesJSON}, func(ctx context.Context, c *client.Client) (any, error) {
				return c.SetZones(ctx, "dunes 1", []client.Zone{{Name: "north", Ring: [][2]float64{{-11.3, 25}, {-11.2, 25}, {-11.2, 25.1}}}})
			}, `PUT /v1/campaigns/dunes%201/zones  {"zones":[{"name":"north","ring":[[-11.3,25],[-11.2,25],[-11.2,25.1]]}]}`, zonesJSON,
		},
		{
			"remove zones",
			reply{http.StatusOK, nil, `{"id":"d","zones":[]}`},
			func(ctx context.Context, c *client.Client) (any, error) { return c.SetZones(ctx, "d", nil) },
			`PUT /v1/campaigns/d/zones  {"zones":[]}`, `{"id":"d","zones":[]}`,
		},
		{
			"a point alone",
			reply{http.StatusCreated, location("/v1/data-points/" + pointID), `{"data_point_id":"` + pointID + `","data_point":` + pointJSON + `}`},
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.CreatePoint(ctx, client.NewPoint{Latitude: 1, Longitude: 2, Value: 3, Enrich: new(bool)})
			}, `POST /v1/data-points  {"latitude":1,"longitude":2,"value":3,"enrich":false}`, `{"data_point_id":"` + pointID + `","data_point":` + pointJSON + `}`,
		},
	})
}

// collect walks through a list.
func collect[Item any](all func(func(Item, error) bool)) ([]Item, error) {
	var got []Item
	for item, err := range all {
		if err != nil {
			return got, err
		}
		got = append(got, item)
	}
	return got, nil
}

// A chain is waited for until it is final, or its step waits for another day.
func TestWaitChain(t *testing.T) {
	t.Parallel()
	waits := strings.Replace(strings.Replace(runningChainJSON, `"state":"pending"`, `"state":"waiting","job":`+heldJSON, 1), `"state":"waiting","data_point_id"`, `"state":"waiting","outcome":"NOT_YET_AVAILABLE","data_point_id"`, 1)
	busy := strings.Replace(runningChainJSON, `"state":"pending"`, `"state":"queued","job":`+queuedJSON, 1)
	for _, c := range []struct {
		name    string
		replies []string
		want    job.TrackState
	}{
		{"final at once", []string{chainJSON}, job.TrackFailed},
		{"final in the end", []string{runningChainJSON, busy, chainJSON}, job.TrackFailed},
		{"another day", []string{busy, waits}, job.TrackRunning},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var all []reply
			for _, body := range c.replies {
				all = append(all, reply{http.StatusOK, nil, body})
			}
			cl, api := serve(t, all...)
			looks := 0
			got, err := cl.WaitChain(t.Context(), chainID, time.Millisecond, func(client.Chain) { looks++ })
			if err != nil || got.State != c.want || len(api.got) != len(c.replies) || looks != len(c.replies) {
				t.Errorf("got %s after %d looks, %v", got.State, len(api.got), err)
			}
		})
	}
}

func TestWaitChainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	cl, _ := serve(t, reply{http.StatusOK, nil, runningChainJSON})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if got, err := cl.WaitChain(ctx, chainID, time.Hour, func(client.Chain) {}); !errors.Is(err, context.Canceled) || got.ID != chainID {
		t.Errorf("got %+v, %v, want canceled and what was seen last", got, err)
	}
}

// Every look is shown, up to the end; who gives up, or loses the API, gets what was seen last.
func TestWatchBatch(t *testing.T) {
	t.Parallel()
	runs, ended := reply{http.StatusOK, nil, batchJSON}, reply{http.StatusOK, nil, overviewJSON}
	cl, api := serve(t, runs, runs, ended)
	looks := 0
	got, err := cl.WatchBatch(t.Context(), batchID, time.Millisecond, func(client.Batch) { looks++ })
	if err != nil || !got.Ended() || looks != 3 || len(api.got) != 3 || got.Counts.Failed != 1 {
		t.Errorf("got %+v after %d looks, %v", got, looks, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cl, _ = serve(t, runs)
	got, err = cl.WatchBatch(ctx, batchID, time.Millisecond, func(client.Batch) { cancel() })
	if !errors.Is(err, context.Canceled) || got.ID != batchID || got.Ended() {
		t.Errorf("given up: %+v, %v", got, err)
	}

	cl, _ = serve(t, runs, reply{http.StatusInternalServerError, nil, `{"message":"Internal Server Error"}`})
	var refused *client.Refused
	if got, err = cl.WatchBatch(t.Context(), batchID, time.Millisecond, func(client.Batch) {}); !errors.As(err, &refused) || got.ID != batchID {
		t.Errorf("broken: %+v, %v", got, err)
	}
}
