package cdse_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
)

func (s *service) faults(t *testing.T, rules ...cdse.Fault) {
	t.Helper()
	if err := s.server.SetFaults(rules...); err != nil {
		t.Fatal(err)
	}
}

func (s *service) enrich(t *testing.T) result {
	t.Helper()
	return s.post(t, cdse.StatisticsPath, request(fullScript(), clearBox, epsg29).json(t))
}

func TestErrorFaults(t *testing.T) {
	t.Parallel()
	s := start(t)
	for kind, want := range map[cdse.FaultKind]struct {
		status int
		code   string
	}{
		cdse.FaultBadRequest:  {400, "COMMON_BAD_PAYLOAD"},
		cdse.FaultUnauth:      {401, "COMMON_UNAUTHORIZED"},
		cdse.FaultQuota:       {403, "ACCESS_INSUFFICIENT_PROCESSING_UNITS"},
		cdse.FaultForbidden:   {403, "COMMON_INSUFFICIENT_PERMISSIONS"},
		cdse.FaultRateLimit:   {429, "RATE_LIMIT_EXCEEDED"},
		cdse.FaultInternal:    {500, "COMMON_EXCEPTION"},
		cdse.FaultUnavailable: {503, "COMMON_EXCEPTION"},
	} {
		s.faults(t, cdse.Fault{Kind: kind, RetryAfterMS: 3398})
		res := s.enrich(t)
		if p := res.problem(t); res.status != want.status || p.Error.Code != want.code {
			t.Errorf("%s: %d %s", kind, res.status, res.body)
		}
		retry := res.header.Get("Retry-After")
		if (retry == "3398") != (kind == cdse.FaultRateLimit) {
			t.Errorf("%s: Retry-After %q", kind, retry)
		}
		if res.header.Get("X-Processingunits-Spent") != "" {
			t.Errorf("%s: a failed call cost units", kind)
		}
		s.faults(t, cdse.Fault{Kind: kind, Bare: true})
		var bare struct{ Status int }
		if err := json.Unmarshal(s.enrich(t).body, &bare); err != nil || bare.Status != want.status {
			t.Errorf("%s without wrapper: %+v (%v)", kind, bare, err)
		}
	}
}

func TestDataFaults(t *testing.T) {
	t.Parallel()
	s := start(t)
	ask := func(b body, kind cdse.FaultKind) answer {
		s.faults(t, cdse.Fault{Kind: kind, Endpoint: cdse.EndpointStatistics})
		got, _ := s.ask(t, b)
		return got
	}
	week := func() body { return request(fullScript(), clearBox, epsg29) }

	got := ask(week(), cdse.FaultNaN)
	st := got.Data[0].Outputs["quality"].Bands["snow"].Stats
	if got.Status != "OK" || string(st.Mean) != `"NaN"` || st.NoDataCount != 144 || st.SampleCount != 144 {
		t.Errorf("nan: %+v", st)
	}
	if got = ask(week(), cdse.FaultEmpty); got.Status != "OK" || got.Data == nil || len(got.Data) != 0 {
		t.Errorf("empty: %+v", got)
	}
	got = ask(week(), cdse.FaultFailed)
	if got.Status != "FAILED" || len(got.Data) != 1 || got.Data[0].Error == nil || got.Data[0].Error.Type != "EXECUTION_ERROR" || got.Data[0].Outputs != nil {
		t.Errorf("failed: %+v", got)
	}
	got = ask(week(), cdse.FaultPartial)
	if got.Status != "PARTIAL" || len(got.Data) != 2 || got.Data[0].Error != nil || got.Data[1].Error == nil || got.Data[1].Interval.From != "2020-02-20T00:00:00Z" {
		t.Errorf("partial: %+v", got)
	}
	got = ask(week().with("aggregation.timeRange.to", "2020-02-20T00:00:00Z"), cdse.FaultPartial)
	if len(got.Data) != 2 || got.Data[0].Error == nil || got.Data[0].Interval.From != "2020-02-18T00:00:00Z" || got.Data[1].Outputs == nil {
		t.Errorf("partial at the end: %+v", got)
	}
}

func TestEmptyCatalogFault(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.faults(t, cdse.Fault{Kind: cdse.FaultEmpty, Endpoint: cdse.EndpointCatalog})
	if got := s.search(t, searchFor("")); len(got.Features) != 0 {
		t.Errorf("features %s", got.Features)
	}
}

func TestGatewayPage(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.faults(t, cdse.Fault{Kind: cdse.FaultHTML})
	res := s.enrich(t)
	if res.status != 502 || res.header.Get("Content-Type") != "text/html" || !strings.Contains(string(res.body), "<html>") {
		t.Errorf("%d %v %s", res.status, res.header, res.body)
	}
}

func TestReset(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.faults(t, cdse.Fault{Kind: cdse.FaultReset, Count: 1})
	_, err := s.try(t.Context(), http.MethodPost, cdse.StatisticsPath, "application/json", request(fullScript(), clearBox, epsg29).json(t))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error is %v, want a reset", err)
	}
	if res := s.enrich(t); res.status != 200 {
		t.Errorf("next call: %d %s", res.status, res.body)
	}
	if calls := s.server.Calls().List; calls[1].Status != 0 || calls[1].Fault != cdse.FaultReset {
		t.Errorf("log %+v", calls)
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.faults(t, cdse.Fault{Kind: cdse.FaultSlow, DelayMS: 30, Count: 1}, cdse.Fault{Kind: cdse.FaultSlow, DelayMS: 600_000})
	began := time.Now()
	if res := s.enrich(t); res.status != 200 || time.Since(began) < 30*time.Millisecond {
		t.Errorf("%d after %v", res.status, time.Since(began))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.try(ctx, http.MethodPost, cdse.StatisticsPath, "application/json", "{}")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v, want the client's deadline", err)
	}
}

func TestTokenFaults(t *testing.T) {
	t.Parallel()
	s := start(t)
	for kind, want := range map[cdse.FaultKind]string{
		cdse.FaultUnauth: "unauthorized_client", cdse.FaultRateLimit: "RATE_LIMIT_EXCEEDED", cdse.FaultUnavailable: "COMMON_EXCEPTION",
	} {
		s.faults(t, cdse.Fault{Kind: kind, Endpoint: cdse.EndpointToken, RetryAfterMS: 50})
		res := s.form(t, nil)
		if res.status < 400 || !strings.Contains(string(res.body), want) {
			t.Errorf("%s: %d %s", kind, res.status, res.body)
		}
		if other := s.enrich(t); other.status != 200 {
			t.Errorf("%s: the other endpoint answers %d", kind, other.status)
		}
	}
}

func TestWhichCallsAreHit(t *testing.T) {
	t.Parallel()
	scene := []float64{-11.5, 24.8, -10.9, 25.4}
	cases := []struct {
		name  string
		rules []cdse.Fault
		want  []int // statuses of successive calls
	}{
		{"none", nil, []int{200, 200}},
		{"all", []cdse.Fault{{Kind: "503"}}, []int{503, 503, 503}},
		{"first two", []cdse.Fault{{Kind: "503", Count: 2}}, []int{503, 503, 200, 200}},
		{"third", []cdse.Fault{{Kind: "503", Nth: 3, Count: 1}}, []int{200, 200, 503, 200}},
		{"from the second", []cdse.Fault{{Kind: "503", Nth: 2}}, []int{200, 503, 503}},
		{"two rules in turn", []cdse.Fault{{Kind: "429", Count: 2}, {Kind: "503", Nth: 3, Count: 1}}, []int{429, 429, 503, 200}},
		{"the first rule decides", []cdse.Fault{{Kind: "429", Count: 1}, {Kind: "503", Count: 2}}, []int{429, 503, 200}},
		{"other endpoint", []cdse.Fault{{Kind: "503", Endpoint: "catalog"}}, []int{200, 200}},
		{"in the box", []cdse.Fault{{Kind: "503", BBox: scene, Count: 1}}, []int{503, 200}},
		{"out of the box", []cdse.Fault{{Kind: "503", BBox: []float64{12, 55, 13, 56}}}, []int{200, 200}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.faults(t, c.rules...)
			for i, want := range c.want {
				if res := s.enrich(t); res.status != want {
					t.Errorf("call %d: %d, want %d", i+1, res.status, want)
				}
			}
		})
	}
}

func TestABoxIsMatchedInDegrees(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.faults(t, cdse.Fault{Kind: "503", BBox: []float64{-11.3, 25.1, -11.2, 25.3}})
	for text, want := range map[string]int{
		searchFor(`,"bbox":[-11.26,25.19,-11.25,25.2]`): 503,
		searchFor(`,"bbox":[-11.1,25.19,-11.0,25.2]`):   200,
		searchFor(""): 200,
		"[]":          400,
	} {
		if res := s.post(t, cdse.CatalogPath, text); res.status != want {
			t.Errorf("%s: %d, want %d", text, res.status, want)
		}
	}
	if res := s.enrich(t); res.status != 503 { // clearBox lies at -11.27, 25.19
		t.Errorf("projected box: %d", res.status)
	}
}

func TestControlEndpoint(t *testing.T) {
	t.Parallel()
	s := start(t)
	rules := `[{"kind":"429","endpoint":"statistics","nth":2,"count":1,"retry_after_ms":3398},{"kind":"slow","delay_ms":1}]`
	if res := s.post(t, cdse.FaultsPath, rules); res.status != http.StatusNoContent {
		t.Fatalf("%d %s", res.status, res.body)
	}
	if res := s.call(t, http.MethodGet, cdse.FaultsPath, "", ""); string(res.body) != rules {
		t.Errorf("rules are %s", res.body)
	}
	first, second, third := s.enrich(t).status, s.enrich(t), s.enrich(t).status
	if first != 200 || second.status != 429 || second.header.Get("Retry-After") != "3398" || third != 200 {
		t.Errorf("answers %d, %d, %d", first, second.status, third)
	}
	if res := s.post(t, cdse.FaultsPath, `[{"kind":"503"}]`); res.status != http.StatusNoContent || s.enrich(t).status != 503 {
		t.Errorf("replacing: %d", res.status)
	}
	if res := s.call(t, http.MethodDelete, cdse.FaultsPath, "", ""); res.status != http.StatusNoContent || s.enrich(t).status != 200 {
		t.Errorf("removing: %d", res.status)
	}
	if res := s.call(t, http.MethodGet, cdse.FaultsPath, "", ""); string(res.body) != "[]" {
		t.Errorf("rules are %s", res.body)
	}
	if res := s.call(t, http.MethodPut, cdse.FaultsPath, "", ""); res.status != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %d", res.status)
	}
}

func TestBadRulesAreRefusedAndTheOldOnesStay(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.faults(t, cdse.Fault{Kind: "503"})
	for _, rules := range []string{
		`{}`, `[{"kind":"418"}]`, `[{"kind":""}]`, `[{"kind":"503","when":"now"}]`, `[{"kind":"503","endpoint":"process"}]`,
		`[{"kind":"503","bbox":[1,2,3]}]`, `[{"kind":"503","bbox":[1,2,3,4],"endpoint":"token"}]`, `[{"kind":"503","nth":-1}]`,
		`[{"kind":"nan","endpoint":"token"}]`, `[{"kind":"partial","endpoint":"catalog"}]`,
		`[{"kind":"503"},{"kind":"503","count":-1}]`, `[`,
	} {
		if res := s.post(t, cdse.FaultsPath, rules); res.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", rules, res.status, res.body)
		}
	}
	if res := s.enrich(t); res.status != 503 {
		t.Errorf("the old rule is gone: %d", res.status)
	}
}
