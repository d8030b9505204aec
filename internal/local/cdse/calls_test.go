package cdse_test

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
)

func TestTheCallLog(t *testing.T) {
	t.Parallel()
	s := start(t)
	begin := s.clock.read()
	s.clock.advance(time.Second)
	s.enrich(t)
	s.faults(t, cdse.Fault{Kind: "429"})
	s.clock.advance(time.Second)
	s.enrich(t)
	s.faults(t)
	s.search(t, searchFor(""))
	var got cdse.Calls
	res := s.call(t, http.MethodGet, cdse.CallsPath, "", "")
	if err := json.Unmarshal(res.body, &got); err != nil {
		t.Fatal(err)
	}
	box := []float64{271220, 2787860, 271340, 2787980}
	day := func(month time.Month, day int) time.Time { return time.Date(2020, month, day, 0, 0, 0, 0, time.UTC) }
	want := []cdse.Call{
		{At: begin, Endpoint: "token", Status: 200},
		{At: begin.Add(time.Second), Endpoint: "statistics", Status: 200, Units: 0.053333333, BBox: box, From: day(2, 12), To: day(2, 27)},
		{At: begin.Add(2 * time.Second), Endpoint: "statistics", Status: 429, Fault: "429", BBox: box, From: day(2, 12), To: day(2, 27)},
		{At: begin.Add(2 * time.Second), Endpoint: "catalog", Status: 200, From: day(1, 1), To: day(12, 31)},
	}
	if len(got.List) != len(want) || got.Counts["statistics"] != 2 || got.Counts["token"] != 1 || got.Counts["catalog"] != 1 {
		t.Fatalf("log %s", res.body)
	}
	for i, call := range got.List {
		call.DurationMS, call.Units = 0, math.Round(call.Units*1e9)/1e9
		if !reflect.DeepEqual(call, want[i]) {
			t.Errorf("call %d is %+v, want %+v", i, call, want[i])
		}
	}
	s.server.ResetCalls()
	if left := s.server.Calls(); len(left.List) != 0 || len(left.Counts) != 0 {
		t.Errorf("after the reset: %+v", left)
	}
}

func TestBusiest(t *testing.T) {
	t.Parallel()
	at := func(seconds ...int) cdse.Calls {
		var c cdse.Calls
		for _, s := range seconds {
			c.List = append(c.List, cdse.Call{At: time.Unix(int64(s), 0), Endpoint: "statistics"}, cdse.Call{At: time.Unix(int64(s), 0), Endpoint: "token"})
		}
		return c
	}
	for _, c := range []struct {
		name  string
		calls cdse.Calls
		want  int
	}{
		{"none", at(), 0},
		{"one", at(5), 1},
		{"at the distance of the window", at(0, 60, 120), 1},
		{"just inside", at(0, 59, 118), 2},
		{"in any order", at(100, 0, 70, 110, 65), 4},
	} {
		if got := c.calls.Busiest("statistics", time.Minute); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestConcurrentCallsAreIndependentAndCounted(t *testing.T) {
	t.Parallel()
	s := start(t)
	points := s.server.Scene().PickPoints(0, 8)
	want := make([]string, len(points))
	for i, p := range points {
		want[i] = string(s.stats(t, fullScript(), box60(p.Lon, p.Lat), "OGC/1.3/CRS84").Data[0].Outputs["indices"].Bands["ndvi"].Stats.Mean)
	}
	var group sync.WaitGroup
	for range 10 {
		for i, p := range points {
			group.Go(func() {
				got := s.stats(t, fullScript(), box60(p.Lon, p.Lat), "OGC/1.3/CRS84").Data[0].Outputs["indices"].Bands["ndvi"].Stats.Mean
				if string(got) != want[i] {
					t.Errorf("point %d: %s, want %s", i, got, want[i])
				}
			})
		}
	}
	group.Wait()
	if n := s.server.Calls().Counts["statistics"]; n != 88 {
		t.Errorf("%d calls counted, want 88", n)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	s := start(t)
	res := s.call(t, http.MethodGet, cdse.HealthPath, "", "")
	var got map[string]string
	if err := json.Unmarshal(res.body, &got); err != nil || res.status != 200 || got["status"] != "ok" {
		t.Errorf("%d %s", res.status, res.body)
	}
	if got["attribution"] != "Contains modified Copernicus Sentinel data 2020" {
		t.Errorf("attribution %q", got["attribution"])
	}
}

// BenchmarkEnrichment is the call of one enrichment without the network: 12 x 12 pixels, nine inputs, ten outputs.
func BenchmarkEnrichment(b *testing.B) {
	server, err := cdse.New(cdse.Config{ClientID: "a", ClientSecret: "b"})
	if err != nil {
		b.Fatal(err)
	}
	token := benchToken(b, server)
	p := server.Scene().PickPoints(0, 1)[0]
	text := request(fullScript(), box60(p.Lon, p.Lat), "OGC/1.3/CRS84").json(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if res := direct(b, server, cdse.StatisticsPath, "application/json", text, token); res.Code != http.StatusOK {
				b.Errorf("%d %s", res.Code, res.Body)
			}
		}
	})
}

func benchToken(b *testing.B, server *cdse.Server) string {
	b.Helper()
	res := direct(b, server, cdse.TokenPath, "application/x-www-form-urlencoded", "grant_type=client_credentials&client_id=a&client_secret=b", "")
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(res.Body.Bytes(), &token); err != nil {
		b.Fatal(err)
	}
	return token.AccessToken
}

func direct(tb testing.TB, server *cdse.Server, path, media, text, token string) *httptest.ResponseRecorder {
	tb.Helper()
	req := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, path, readerOf(text))
	req.Header.Set("Content-Type", media)
	req.Header.Set("Authorization", "Bearer "+token)
	rec := httptest.NewRecorder()
	server.ServeHTTP(rec, req)
	return rec
}
