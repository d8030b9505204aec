package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/openapi/contracttest"
)

// reply is one scripted answer.
type reply struct {
	status int
	header map[string]string // Content-Type is application/json unless it is here
	body   string
}

// sent is one request as the server saw it.
type sent struct {
	method, uri, token, key, body string
}

// scripted is an API that gives its replies in turn, and holds both sides of every exchange against the contract.
type scripted struct {
	replies []reply
	got     []sent
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	next := s.replies[min(len(s.got), len(s.replies)-1)]
	s.got = append(s.got, sent{r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("Idempotency-Key"), string(body)})
	w.Header().Set("Content-Type", "application/json")
	for name, value := range next.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(next.status)
	_, _ = w.Write([]byte(next.body))
}

// contracted is a transport that checks each exchange.
type contracted struct{ t *testing.T }

func (c contracted) RoundTrip(r *http.Request) (*http.Response, error) {
	sentBody, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(sentBody))
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(got))
	contracttest.Check(c.t, r, sentBody, resp, got)
	return resp, nil
}

// serve starts an API with the replies and returns a client of it.
func serve(t *testing.T, replies ...reply) (*client.Client, *scripted) {
	t.Helper()
	api := &scripted{replies: replies}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return client.New(client.Config{BaseURL: server.URL + "/", Token: "t0k", HTTP: &http.Client{Transport: contracted{t}}}), api
}

const (
	pointID = "01JM8WQ5Z3T5V9B0C2D4E6F8GH"
	jobID   = "01JM8WQ5Z4A1B2C3D4E5F6G7H8"

	pointJSON = `{"id":"` + pointID + `","latitude":28.2841,"longitude":-10.0973,"accuracy":8,"value":21.5,` +
		`"collected_at":"2020-02-19T11:21:00Z","metric_id":"temperature","status":"pending","revision":1,"created_at":"2026-11-25T08:00:00Z"}`
	queuedJSON = `{"id":"` + jobID + `","kind":"enrich","state":"queued","data_point_id":"` + pointID + `","queue":"high",` +
		`"attempts":0,"max_attempts":3,"generation":0,"created_at":"2026-11-25T08:00:00Z"}`
	doneJSON = `{"id":"` + jobID + `","kind":"enrich","state":"succeeded","outcome":"PARTIAL","data_point_id":"` + pointID + `","queue":"high",` +
		`"attempts":2,"max_attempts":3,"generation":0,"created_at":"2026-11-25T08:00:00Z","started_at":"2026-11-25T08:00:01Z",` +
		`"finished_at":"2026-11-25T08:00:02Z","error":{"code":"PROVIDER_TIMEOUT","message":"no answer"},` +
		`"history":[{"number":1,"started_at":"2026-11-25T08:00:01Z","code":"PROVIDER_TIMEOUT"}]}`
	statsJSON    = `{"mean":0.12,"min":0.07,"max":0.29,"st_dev":0.03,"sample_count":144,"no_data_count":3}`
	analysisJSON = `{"id":"x1","data_point_id":"` + pointID + `","job_id":"` + jobID + `","revision":1,"outcome":"PARTIAL","indices":{"ndvi":` + statsJSON +
		`,"ndmi":` + statsJSON + `,"ndre":` + statsJSON + `,"evi":` + statsJSON + `,"msi":` + statsJSON + `,"savi":` + statsJSON + `,"gndvi":null},` +
		`"cloud_fraction":0.02,"snow_fraction":0,"water_fraction":0,"valid_fraction":0.98,"acquired_on":"2020-02-19","day_offset":-3,` +
		`"temporal_quality":"excellent","aoi_half_m":60,"pu_spent":0.03,"cost_credits":1,"script_version":"v","request_id":"r","source":"Sentinel-2 L2A","created_at":"2026-11-25T08:00:03Z"}`
	usageJSON = `{"tier":"free","resource":"satellite_analyses","cycle":{"start":"2026-11-01T00:00:00Z","end":"2026-12-01T00:00:00Z"},` +
		`"used":7,"reserved":1,"limit":10,"remaining":2,"resets_at":"2026-12-01T00:00:00Z","data_points":{"used":null,"limit":null}}`
)

func location(path string) map[string]string { return map[string]string{"Location": path} }

func TestCreatePoint(t *testing.T) {
	t.Parallel()
	c, api := serve(t, reply{
		status: http.StatusCreated, header: location("/v1/data-points/" + pointID),
		body: `{"data_point_id":"` + pointID + `","job_id":"` + jobID + `","data_point":` + pointJSON + `,"job":` + queuedJSON + `}`,
	})
	collected := time.Date(2020, 2, 19, 11, 21, 0, 0, time.UTC)
	got, err := c.CreatePoint(t.Context(), client.NewPoint{
		Latitude: 0, Longitude: -10.0973, Value: 21.5, CollectedAt: &collected, Queue: "high", Key: "k-1",
	})
	if err != nil {
		t.Fatalf("create point: %v", err)
	}
	if got.PointID != pointID || got.JobID != jobID || got.Point.MetricID != "temperature" || got.Job.State != job.Queued {
		t.Errorf("got %+v", got)
	}
	want := sent{
		"POST", "/v1/data-points", "Bearer t0k", "k-1",
		`{"latitude":0,"longitude":-10.0973,"value":21.5,"collected_at":"2020-02-19T11:21:00Z","queue":"high"}`,
	}
	if len(api.got) != 1 || api.got[0] != want {
		t.Errorf("sent %+v, want %+v", api.got, want)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body, uri string
		call            func(ctx context.Context, c *client.Client) (any, error)
		want            string // the answer, written as JSON again
	}{
		{
			"point", pointJSON, "/v1/data-points/" + pointID,
			func(ctx context.Context, c *client.Client) (any, error) { return c.Point(ctx, pointID) }, pointJSON,
		},
		{
			"analyses", `{"items":[` + analysisJSON + `],"next_cursor":null}`, "/v1/data-points/" + pointID + "/analyses",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Analyses(ctx, pointID) }, "[" + analysisJSON + "]",
		},
		{
			"job", doneJSON, "/v1/jobs/" + jobID,
			func(ctx context.Context, c *client.Client) (any, error) { return c.Job(ctx, jobID) }, doneJSON,
		},
		{
			"usage", usageJSON, "/v1/usage",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Usage(ctx) }, usageJSON,
		},
		{
			"unlimited usage", strings.NewReplacer(`"limit":10`, `"limit":null`, `"remaining":2`, `"remaining":null`).Replace(usageJSON), "/v1/usage",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Usage(ctx) },
			strings.NewReplacer(`"limit":10`, `"limit":null`, `"remaining":2`, `"remaining":null`).Replace(usageJSON),
		},
		{
			"health", `{"status":"ok","version":"1"}`, "/v1/health",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Health(ctx) }, `{"status":"ok","version":"1"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl, api := serve(t, reply{status: http.StatusOK, body: c.body})
			got, err := c.call(t.Context(), cl)
			if err != nil {
				t.Fatalf("call: %v", err)
			}
			if text, _ := json.Marshal(got); string(text) != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
			if len(api.got) != 1 || api.got[0].uri != c.uri || api.got[0].body != "" {
				t.Errorf("sent %+v, want %s", api.got, c.uri)
			}
		})
	}
}

func TestIndicesInOrder(t *testing.T) {
	t.Parallel()
	indices := client.Indices{NDVI: &client.Stats{Mean: 1}, MSI: &client.Stats{Mean: 5}, GNDVI: &client.Stats{Mean: 7}}
	for i, s := range indices.InOrder() {
		if s != nil && s.Mean != float64(i+1) {
			t.Errorf("place %d holds %v", i, s.Mean)
		}
	}
}

func TestDispatchAndWait(t *testing.T) {
	t.Parallel()
	c, api := serve(t,
		reply{status: http.StatusAccepted, header: location("/v1/jobs/" + jobID), body: queuedJSON},
		reply{status: http.StatusOK, body: queuedJSON},
		reply{status: http.StatusOK, body: doneJSON},
	)
	accepted, err := c.Dispatch(t.Context(), client.NewJob{Kind: "enrich", PointID: pointID})
	if err != nil {
		t.Fatalf("dispatch: %v", err)
	}
	done, err := c.Wait(t.Context(), accepted.ID, time.Millisecond)
	if err != nil || done.State != job.Succeeded || done.Outcome != job.Partial {
		t.Errorf("got %+v, %v", done, err)
	}
	if len(api.got) != 3 || api.got[0].body != `{"kind":"enrich","data_point_id":"`+pointID+`"}` {
		t.Errorf("sent %+v", api.got)
	}
}

// readTransport calls a function when an answer was read to its end and closed.
type readTransport struct {
	http.RoundTripper

	read func()
}

func (r readTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = readBody{resp.Body, r.read}
	}
	return resp, err
}

type readBody struct {
	io.ReadCloser

	read func()
}

func (b readBody) Close() error {
	defer b.read()
	return b.ReadCloser.Close()
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&scripted{replies: []reply{{status: http.StatusOK, body: queuedJSON}}})
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := client.New(client.Config{BaseURL: server.URL, HTTP: &http.Client{Transport: readTransport{contracted{t}, cancel}}})
	if j, err := c.Wait(ctx, jobID, time.Hour); !errors.Is(err, context.Canceled) || j.State != job.Queued {
		t.Errorf("got %v with the job %s, want canceled and what was seen last", err, j.State)
	}
}

func TestJobsFollowsTheCursor(t *testing.T) {
	t.Parallel()
	c, api := serve(t,
		reply{status: http.StatusOK, body: `{"items":[` + queuedJSON + `,` + queuedJSON + `],"next_cursor":"a/b+c"}`},
		reply{status: http.StatusOK, body: `{"items":[` + doneJSON + `],"next_cursor":null}`},
	)
	var states []job.State
	for j, err := range c.Jobs(t.Context(), client.Filter{Queue: "high", Page: 2}) {
		if err != nil {
			t.Fatalf("list: %v", err)
		}
		states = append(states, j.State)
	}
	if len(states) != 3 || states[2] != job.Succeeded {
		t.Errorf("got %v", states)
	}
	if len(api.got) != 2 || api.got[0].uri != "/v1/jobs?limit=2&queue=high" || api.got[1].uri != "/v1/jobs?cursor=a%2Fb%2Bc&limit=2&queue=high" {
		t.Errorf("sent %+v", api.got)
	}
}

func TestJobsStopsWhenTheCallerDoes(t *testing.T) {
	t.Parallel()
	c, api := serve(t, reply{status: http.StatusOK, body: `{"items":[` + queuedJSON + `],"next_cursor":"more"}`})
	for range c.Jobs(t.Context(), client.Filter{State: job.Queued}) {
		break
	}
	if len(api.got) != 1 || api.got[0].uri != "/v1/jobs?state=queued" {
		t.Errorf("sent %+v, want one page", api.got)
	}
}
