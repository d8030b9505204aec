package copernicus_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/copernicus"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/scene"
	"orbitq/internal/memstore"
	"orbitq/internal/satellite"
)

// The credentials of the tests; no error may ever show the second one.
const (
	clientID     = "sh-test"
	clientSecret = "s3cret-never-to-be-seen"
)

// clock is a time that the test moves, and that moves by itself at each look when told to.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	step time.Duration
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// runs makes the clock move by itself at each look.
func (c *clock) runs(step time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step = step
}

// sharedScene is decoded once for all tests.
var sharedScene = sync.OnceValues(scene.Load)

// bench is a stand-in provider with a table for the token and any number of clients.
type bench struct {
	provider *cdse.Server
	url      string
	http     *http.Client // of its own: another server that closes would break off calls of the default one
	table    *memstore.Store
	clock    *clock
}

func start(t *testing.T, life time.Duration) *bench {
	t.Helper()
	pixels, err := sharedScene()
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	provider, err := cdse.New(cdse.Config{ClientID: clientID, ClientSecret: clientSecret, Clock: c.read, TokenLife: life, ScriptTimeout: time.Minute, Scene: pixels})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(provider)
	t.Cleanup(web.Close)
	return &bench{provider: provider, url: web.URL, http: web.Client(), table: memstore.New(job.DefaultTiming()), clock: c}
}

// fault sets the rules of the provider.
func (b *bench) fault(t *testing.T, rules ...cdse.Fault) {
	t.Helper()
	if err := b.provider.SetFaults(rules...); err != nil {
		t.Fatal(err)
	}
}

// client is one worker process: its own memory, the shared table.
func (b *bench) client(tokens copernicus.Tokens) *copernicus.Client {
	return copernicus.New(copernicus.Config{
		HTTP: b.http, APIURL: b.url, TokenURL: b.url + cdse.TokenPath,
		Secret: secret, Tokens: tokens, Gate: open{}, Now: b.clock.read,
	})
}

func secret(context.Context) (string, string, error) { return clientID, clientSecret, nil }

// calls holds how often each endpoint was called against what is wanted.
func (b *bench) calls(t *testing.T, token, statistics, catalog int) {
	t.Helper()
	got := b.provider.Calls().Counts
	if got[cdse.EndpointToken] != token || got[cdse.EndpointStatistics] != statistics || got[cdse.EndpointCatalog] != catalog {
		t.Errorf("calls are %v, want %d token, %d statistics, %d catalog", got, token, statistics, catalog)
	}
}

// sensed is the day of the scene.
func sensed() time.Time { return time.Date(2020, 2, 19, 0, 0, 0, 0, time.UTC) }

// week is the window that an enrichment asks for first.
func week() satellite.Window {
	return satellite.Windows(sensed().Add(11*time.Hour), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))[0]
}

// clearGround is looked for once: the search goes through every pixel of the scene.
var clearGround = sync.OnceValues(func() (satellite.Area, error) {
	pixels, err := sharedScene()
	if err != nil {
		return satellite.Area{}, err
	}
	p := pixels.PickPoints(scene.Clear, 1)[0]
	return satellite.AreaAround(p.Lat, p.Lon, 0), nil
})

// somewhere is an area of clear ground in the scene.
func somewhere(t *testing.T) satellite.Area {
	t.Helper()
	area, err := clearGround()
	if err != nil {
		t.Fatal(err)
	}
	return area
}

// scripted is a client of a server that answers the API as the handler says; tokens it gets.
func scripted(t *testing.T, handler http.HandlerFunc) *copernicus.Client {
	t.Helper()
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	table := memstore.New(job.DefaultTiming())
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if err := table.SaveToken(t.Context(), plantedToken, now.AddDate(100, 0, 0)); err != nil {
		t.Fatal(err)
	}
	return copernicus.New(copernicus.Config{
		HTTP: web.Client(), APIURL: web.URL, TokenURL: web.URL + "/token", Secret: secret, Tokens: table, Gate: open{}, Now: func() time.Time { return now },
	})
}

// plantedToken is the bearer token of scripted clients; no error may ever show it.
const plantedToken = "token-never-to-be-seen"

// saying answers everything with a status and body.
func saying(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// expect holds an error against its code, a part of its text, and what no error may hold.
func expect(t *testing.T, err error, code job.Code, part string) *job.Error {
	t.Helper()
	var coded *job.Error
	if !errors.As(err, &coded) || coded.Code != code || !strings.Contains(err.Error(), part) {
		t.Fatalf("got %v, want %s with %q", err, code, part)
	}
	discreet(t, err)
	return coded
}

// discreet looks for secrets in an error and in everything that it wraps, and wants a text that fits into a row.
func discreet(t *testing.T, err error) {
	t.Helper()
	if len(err.Error()) > 600 {
		t.Errorf("the text has %d bytes: %.300s", len(err.Error()), err)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		text := fmt.Sprintf("%v %+v", err, err)
		for _, hidden := range []string{clientSecret, plantedToken, "eyJ"} {
			if strings.Contains(text, hidden) {
				t.Errorf("%q tells a secret", text)
			}
		}
	}
}

// open is a gate that lets everybody pass.
type open struct{}

func (open) Enter(context.Context, *limit.Pass) error { return nil }

func (open) Working(context.Context) error { return nil }

func (open) Left(limit.Call) {}
