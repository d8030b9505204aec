package cdse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/local/cdse"
	"orbitq/internal/local/scene"
)

// service is a running server with a client that holds a token.
type service struct {
	server *cdse.Server
	url    string
	http   *http.Client // of its own: another server that closes would break off calls of the default one
	token  string
	clock  *clock
}

// clock is a settable time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// sharedScene is decoded once for all tests.
var sharedScene = sync.OnceValues(scene.Load)

func start(t *testing.T) *service {
	t.Helper()
	return startWith(t, time.Minute)
}

// startWith sets the time a script may take; tests that do not wait for its end leave plenty.
func startWith(t *testing.T, scriptTimeout time.Duration) *service {
	t.Helper()
	pixels, err := sharedScene()
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	server, err := cdse.New(cdse.Config{
		ClientID: "sh-test", ClientSecret: "s3cret", Clock: c.read, TokenLife: 10 * time.Minute, ScriptTimeout: scriptTimeout, Scene: pixels,
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	s := &service{server: server, url: web.URL, http: web.Client(), clock: c}
	s.login(t)
	return s
}

func (s *service) login(t *testing.T) {
	t.Helper()
	res := s.form(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"sh-test"}, "client_secret": {"s3cret"}})
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(res.body, &token); err != nil || res.status != http.StatusOK {
		t.Fatalf("login: %d %s", res.status, res.body)
	}
	s.token = token.AccessToken
}

type result struct {
	status int
	header http.Header
	body   []byte
}

func (s *service) form(t *testing.T, values url.Values) result {
	t.Helper()
	return s.call(t, http.MethodPost, cdse.TokenPath, "application/x-www-form-urlencoded", values.Encode())
}

func (s *service) post(t *testing.T, path, body string) result {
	t.Helper()
	return s.call(t, http.MethodPost, path, "application/json", body)
}

func (s *service) call(t *testing.T, method, path, media, body string) result {
	t.Helper()
	res, err := s.try(t.Context(), method, path, media, body)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (s *service) try(ctx context.Context, method, path, media, body string) (result, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return result{}, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Content-Type", media)
	req.Header.Set("Authorization", "Bearer "+s.token)
	res, err := s.http.Do(req)
	if err != nil {
		return result{}, fmt.Errorf("call service: %w", err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return result{}, fmt.Errorf("read answer: %w", err)
	}
	return result{res.StatusCode, res.Header, raw}, nil
}

// answer is the client's view of a statistical answer; numbers stay raw because they may be "NaN".
type answer struct {
	Status string `json:"status"`
	Data   []struct {
		Interval struct{ From, To string } `json:"interval"`
		Outputs  map[string]struct {
			Bands map[string]struct {
				Stats stat `json:"stats"`
			} `json:"bands"`
		} `json:"outputs"`
		Error *struct{ Type string } `json:"error"`
	} `json:"data"`
}

type stat struct {
	Min         json.RawMessage `json:"min"`
	Max         json.RawMessage `json:"max"`
	Mean        json.RawMessage `json:"mean"`
	StDev       json.RawMessage `json:"stDev"`
	SampleCount int             `json:"sampleCount"`
	NoDataCount int             `json:"noDataCount"`
}

// body is a valid request that tests change by a path such as "aggregation.width".
type body map[string]any

func request(script, bbox, crs string) body {
	text := fmt.Sprintf(`{"input":{"bounds":{"bbox":%s,"properties":{"crs":"http://www.opengis.net/def/crs/%s"}},
		"data":[{"type":"sentinel-2-l2a","dataFilter":{"mosaickingOrder":"leastCC","maxCloudCoverage":100},
			"processing":{"harmonizeValues":true}}]},
		"aggregation":{"timeRange":{"from":"2020-02-12T00:00:00Z","to":"2020-02-27T00:00:00Z"},
			"aggregationInterval":{"of":"P1D"},"width":12,"height":12}}`, bbox, crs)
	out := body{}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		out["broken"] = err.Error()
	}
	return out.with("aggregation.evalscript", script)
}

// with sets a member by its dotted path; nil removes it.
func (b body) with(path string, value any) body {
	keys := strings.Split(path, ".")
	at := map[string]any(b)
	for _, key := range keys[:len(keys)-1] {
		next, ok := at[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	if value == nil {
		delete(at, keys[len(keys)-1])
		return b
	}
	at[keys[len(keys)-1]] = value
	return b
}

func (b body) json(tb testing.TB) string {
	tb.Helper()
	raw, err := json.Marshal(b)
	if err != nil {
		tb.Fatal(err)
	}
	return string(raw)
}

// ask sends a request that has to succeed.
func (s *service) ask(t *testing.T, b body) (answer, http.Header) {
	t.Helper()
	res := s.post(t, cdse.StatisticsPath, b.json(t))
	if res.status != http.StatusOK {
		t.Fatalf("status %d: %s", res.status, res.body)
	}
	var out answer
	if err := json.Unmarshal(res.body, &out); err != nil {
		t.Fatalf("decode %s: %v", res.body, err)
	}
	return out, res.header
}

func (s *service) stats(t *testing.T, script, bbox, crs string) answer {
	t.Helper()
	out, _ := s.ask(t, request(script, bbox, crs))
	return out
}

// box60 is the default area of interest: 60 m to each side of a point, in degrees.
func box60(lon, lat float64) string {
	dLat := 60 / 111320.0
	dLon := 60 / (111320.0 * math.Cos(lat*math.Pi/180))
	return fmt.Sprintf("[%.9f,%.9f,%.9f,%.9f]", lon-dLon, lat-dLat, lon+dLon, lat+dLat)
}

// clearBox is an area inside pixel (100, 60), bare soil, in the scene's zone.
const clearBox = "[271220,2787860,271340,2787980]"

// fullScript computes the seven indices and the quality shares the way an enrichment asks for them.
func fullScript() string {
	return `//VERSION=3
function setup() {
  return {
    input: [{bands: ["B02", "B03", "B04", "B05", "B08", "B8A", "B11", "SCL", "dataMask"]}],
    output: [
      {id: "indices", bands: ["ndvi", "ndmi", "ndre", "evi", "msi", "savi", "gndvi"], sampleType: "FLOAT32"},
      {id: "quality", bands: ["cloud", "snow", "water"], sampleType: "UINT8"},
      {id: "dataMask", bands: ["indices", "quality"]}
    ]
  };
}
function evaluatePixel(s) {
  const ratio = (a, b) => (a - b) / (a + b);
  const evi = s.B08 + 6 * s.B04 - 7.5 * s.B02 + 1;
  const usable = s.dataMask === 1 && ![0, 1, 3, 8, 9, 10].includes(s.SCL) && evi !== 0 &&
    s.B08 + s.B04 !== 0 && s.B8A + s.B11 !== 0 && s.B08 + s.B05 !== 0 && s.B08 !== 0 && s.B08 + s.B03 !== 0;
  return {
    indices: [
      ratio(s.B08, s.B04), ratio(s.B8A, s.B11), ratio(s.B08, s.B05),
      Math.max(-1, Math.min(1, 2.5 * (s.B08 - s.B04) / evi)), Math.min(3, s.B11 / s.B08),
      1.5 * (s.B08 - s.B04) / (s.B08 + s.B04 + 0.5), ratio(s.B08, s.B03)
    ],
    quality: [[8, 9, 10].includes(s.SCL) ? 1 : 0, s.SCL === 11 ? 1 : 0, s.SCL === 6 ? 1 : 0],
    dataMask: [usable ? 1 : 0, s.dataMask]
  };
}`
}
