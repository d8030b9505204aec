package copernicus_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/copernicus"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/local/cdse"
	"orbitq/internal/memstore"
	"orbitq/internal/satellite"
)

// door is a gate that remembers who passed, and what each call came to.
type door struct {
	passed  []*limit.Pass
	left    []limit.Call
	refuses int   // the n-th pass, from 1; 0 for none
	err     error // of the refusal
}

func (d *door) Enter(_ context.Context, p *limit.Pass) error {
	if len(d.passed)+1 == d.refuses {
		return d.err
	}
	d.passed = append(d.passed, p)
	return nil
}

// Working is asked before the fetch of a token, which takes no slot.
func (d *door) Working(ctx context.Context) error { return d.Enter(ctx, nil) }

func (d *door) Left(c limit.Call) { d.left = append(d.left, c) }

// said are the types and verdicts of the calls that were made.
func (d *door) said() (types []string, verdicts []limit.Verdict) {
	for i := range d.left {
		types, verdicts = append(types, d.left[i].Type), append(verdicts, d.left[i].Verdict)
	}
	return types, verdicts
}

// behind puts a door before a client.
func behind(c *copernicus.Client, d *door) *copernicus.Client {
	c.Gate = d
	return c
}

// TestEveryCallPassesTheDoor, also those for a token and into the catalog, in the name
// of the job that makes them.
func TestEveryCallPassesTheDoor(t *testing.T) {
	t.Parallel()
	b, d := start(t, time.Hour), &door{}
	c := behind(b.client(b.table), d)
	pass := &limit.Pass{Job: "j", Owner: "u", Point: "p", Attempt: 2}
	if _, err := c.Statistics(t.Context(), pass, somewhere(t), week()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Seen(t.Context(), pass, somewhere(t), week()); err != nil {
		t.Fatal(err)
	}
	b.calls(t, 1, 1, 1)
	types, verdicts := d.said()
	if len(d.passed) != 3 || !slices.Equal(types, []string{limit.TokenFetch, limit.Enrichment, limit.Search}) || slices.Max(verdicts) != limit.Answered {
		t.Errorf("%d passed, %v came to %v", len(d.passed), types, verdicts)
	}
	for i := range d.left {
		c := &d.left[i]
		if c.Job != "j" || c.Owner != "u" || c.Point != "p" || c.Attempt != 2 || c.Status != 200 || c.Code != "" || !c.At.Equal(b.clock.read()) || c.Cached {
			t.Errorf("call %+v", c)
		}
		if (c.Units > 0) != (c.Type == limit.Enrichment) || (d.passed[i] == nil) != (c.Type == limit.TokenFetch) {
			t.Errorf("call %+v", c)
		}
	}
}

// TestAClosedDoorKeepsCallsIn: nobody is asked, and the refusal arrives as it is.
func TestAClosedDoorKeepsCallsIn(t *testing.T) {
	t.Parallel()
	for refuses, calls := range map[int][3]int{1: {0, 0, 0}, 2: {1, 0, 0}} {
		b := start(t, time.Hour)
		refusal := &job.Error{Code: job.Limited, Message: "full", RetryAfter: time.Minute, Slot: time.Date(2026, 3, 1, 12, 1, 0, 0, time.UTC)}
		d := &door{refuses: refuses, err: refusal}
		_, err := behind(b.client(b.table), d).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
		if got, ok := errors.AsType[*job.Error](err); !ok || got != refusal || len(d.left) != refuses-1 {
			t.Errorf("refusal %d: %v after %+v", refuses, err, d.left)
		}
		b.calls(t, calls[0], calls[1], calls[2])
	}
}

// TestVerdicts: what each answer says about the provider, for breaker and budget.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	denied := []limit.Verdict{limit.Throttled, limit.Answered, limit.Rejected} // revoked; a new one; it is us
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    []limit.Verdict
		code    job.Code
		status  int // of the last call
	}{
		{"an answer", saying(200, `{"features":[]}`), []limit.Verdict{limit.Answered}, "", 200},
		{"our question is wrong", saying(400, ""), []limit.Verdict{limit.Answered}, job.InvalidRequest, 400},
		{"a limit", saying(429, ""), []limit.Verdict{limit.Throttled}, job.ProviderRateLimit, 429},
		{"the month is over", saying(403, `{"error":{"code":"ACCESS_INSUFFICIENT_PROCESSING_UNITS","message":"x"}}`), []limit.Verdict{limit.UsedUp}, job.ProviderQuota, 403},
		{"we are not allowed to", saying(403, `{"error":{"code":"ACCESS_DENIED","message":"x"}}`), []limit.Verdict{limit.Rejected}, job.ProviderDenied, 403},
		{"it is broken", saying(500, ""), []limit.Verdict{limit.Failed}, job.ProviderUnavailable, 500},
		{"it is away", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, []limit.Verdict{limit.Failed}, job.ProviderUnavailable, 0},
		{"a token that is refused, and the next one, too", tokens(1e9), denied, job.ProviderDenied, 401},
		{"no token for the one that was revoked", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(map[bool]int{true: 500, false: 401}[r.URL.Path == "/token"])
		}, []limit.Verdict{limit.Throttled, limit.Failed}, job.ProviderUnavailable, 500},
		{"a token that was revoked", tokens(1), []limit.Verdict{limit.Throttled, limit.Answered, limit.Answered}, "", 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := &door{}
			_, err := behind(scripted(t, c.handler), d).Seen(t.Context(), &limit.Pass{}, somewhere(t), week())
			_, got := d.said()
			if code := job.CodeOf(err); !slices.Equal(got, c.want) || (err != nil) != (c.code != "") || err != nil && code != c.code {
				t.Fatalf("got %v, %v, want %v", got, err, c.want)
			}
			if last := d.left[len(d.left)-1]; last.Status != c.status || last.Code != string(c.code) {
				t.Errorf("last call %+v", last)
			}
		})
	}
}

// tokens grants tokens and refuses the first n calls with one.
func tokens(n int) http.HandlerFunc {
	calls := 0
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_, _ = w.Write([]byte(`{"access_token":"another","expires_in":600}`))
			return
		}
		if calls++; calls <= n {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"features":[]}`))
	}
}

// TestUnitsAreWhatTheProviderSays: nonsense is nothing, for the budget adds it up.
func TestUnitsAreWhatTheProviderSays(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]float64{"0.25": 0.25, "1e-3": 0.001, "": 0, "some": 0, "-1": 0, "NaN": 0, "Inf": 0} {
		d := &door{}
		c := behind(scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Processingunits-Spent", header)
			_, _ = w.Write([]byte(`{"features":[]}`))
		}), d)
		if _, err := c.Seen(t.Context(), &limit.Pass{}, somewhere(t), week()); err != nil || len(d.left) != 1 || math.Abs(d.left[0].Units-want) > 1e-9 {
			t.Errorf("%q: %+v, %v", header, d.left, err)
		}
	}
}

// TestARefusedClientIsTheOnlyFatalOne: a secret that was rotated says nothing about
// the provider, the one that is current does.
func TestARefusedClientIsTheOnlyFatalOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		current string
		err     error
		want    []limit.Verdict
		code    job.Code
	}{
		{"rotated", "new", nil, []limit.Verdict{limit.Throttled, limit.Answered, limit.Answered}, ""},
		{"wrong for good", "old", nil, []limit.Verdict{limit.Rejected}, job.ProviderDenied},
		{"wrong again", "older", nil, []limit.Verdict{limit.Throttled, limit.Rejected}, job.ProviderDenied},
		{"it cannot be looked at", "new", job.Errorf(job.Throttled, "slow down"), []limit.Verdict{limit.Throttled}, job.Throttled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d, known, err := &door{}, "old", error(nil)
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path != "/token":
					_, _ = w.Write([]byte(`{"features":[]}`))
				case r.ParseForm() == nil && r.PostForm.Get("client_secret") == "new":
					_, _ = w.Write([]byte(`{"access_token":"t","expires_in":600}`))
				default:
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			t.Cleanup(web.Close)
			client := copernicus.New(copernicus.Config{
				HTTP: web.Client(), APIURL: web.URL, TokenURL: web.URL + "/token", Tokens: memstore.New(job.DefaultTiming()), Gate: d, Now: time.Now,
				Secret: func(context.Context) (string, string, error) { return "sh", known, err },
				Renew:  func() { known, err = c.current, c.err },
			})
			_, got := client.Seen(t.Context(), &limit.Pass{}, somewhere(t), week())
			if _, verdicts := d.said(); !slices.Equal(verdicts, c.want) || (got != nil) != (c.code != "") || got != nil && job.CodeOf(got) != c.code {
				t.Errorf("%v, %v", verdicts, got)
			}
		})
	}
}

// TestAddressesThatAreNone: a deployment with a broken address fails as ours.
func TestAddressesThatAreNone(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	nowhere := satellite.AreaAround(math.NaN(), math.NaN(), 0)
	if _, err := b.client(b.table).Seen(t.Context(), &limit.Pass{}, nowhere, week()); job.CodeOf(err) != job.Internal || !strings.Contains(err.Error(), "encode request") {
		t.Errorf("an area of no numbers: %v", err)
	}
	for name, spoil := range map[string]func(c *copernicus.Client){
		"build request":       func(c *copernicus.Client) { c.APIURL = "http://a b" },
		"build token request": func(c *copernicus.Client) { c.TokenURL = "http://a b" + cdse.TokenPath },
	} {
		c := b.client(memstore.New(job.DefaultTiming()))
		spoil(c)
		if _, err := c.Seen(t.Context(), &limit.Pass{}, somewhere(t), week()); job.CodeOf(err) != job.Internal || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
