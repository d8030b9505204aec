package copernicus_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"orbitq/internal/copernicus"
	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/local/cdse"
	"orbitq/internal/memstore"
)

// ask asks for statistics that must come.
func ask(t *testing.T, c *copernicus.Client) {
	t.Helper()
	if series, err := c.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week()); err != nil || len(series.Days) != 1 {
		t.Errorf("%+v, %v", series, err)
	}
}

// together runs f twenty times at once.
func together(f func(n int)) {
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() { f(n) })
	}
	wg.Wait()
}

func TestTokenIsFetchedOnce(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	one := b.client(b.table)
	together(func(int) { ask(t, one) })
	b.calls(t, 1, 20, 0)
	// Other processes, which start with empty memories, find it in the table.
	together(func(int) { ask(t, b.client(b.table)) })
	b.calls(t, 1, 40, 0)
}

// Twenty processes start at once with an empty table: the lock lets one of them fetch.
func TestManyProcessesFetchOneToken(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	together(func(int) { ask(t, b.client(b.table)) })
	b.calls(t, 1, 20, 0)
}

// A token is renewed min(60 s, a tenth of its life) before its end, so that it does not end on the way.
func TestTokenIsRenewedBeforeItsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ life, margin time.Duration }{
		{time.Hour, time.Minute}, {10 * time.Minute, time.Minute}, {5 * time.Minute, 30 * time.Second}, {100 * time.Second, 10 * time.Second},
	} {
		t.Run(c.life.String(), func(t *testing.T) {
			t.Parallel()
			b := start(t, c.life)
			client := b.client(b.table)
			ask(t, client)
			if _, end, err := b.table.Token(t.Context()); err != nil || !end.Equal(b.clock.read().Add(c.life-c.margin)) {
				t.Errorf("stored until %s, %v", end, err)
			}
			b.clock.advance(c.life - c.margin - time.Millisecond)
			ask(t, client)
			ask(t, b.client(b.table))
			b.calls(t, 1, 3, 0)
			b.clock.advance(time.Millisecond)
			ask(t, client)
			b.calls(t, 2, 4, 0)
		})
	}
}

func TestOneRefreshOn401(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	client := b.client(b.table)
	ask(t, client)
	b.fault(t, cdse.Fault{Kind: cdse.FaultUnauth, Endpoint: cdse.EndpointStatistics, Count: 1})
	ask(t, client)
	b.calls(t, 2, 3, 0)
	ask(t, client)
	b.calls(t, 2, 4, 0)
	// The Catalog is behind the same door.
	b.fault(t, cdse.Fault{Kind: cdse.FaultUnauth, Endpoint: cdse.EndpointCatalog, Count: 1})
	if seen, err := client.Seen(t.Context(), &limit.Pass{}, somewhere(t), week()); err != nil || !seen {
		t.Errorf("seen %v, %v", seen, err)
	}
	b.calls(t, 3, 4, 2)
}

func TestSecond401IsDenied(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	b.fault(t, cdse.Fault{Kind: cdse.FaultUnauth, Endpoint: cdse.EndpointStatistics})
	_, err := b.client(b.table).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	expect(t, err, job.ProviderDenied, "401")
	b.calls(t, 2, 2, 0)
}

// A token that was revoked before its time: everybody is refused, one fetches, everybody goes on.
func TestRevokedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	if err := b.table.SaveToken(t.Context(), plantedToken, b.clock.read().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	clients := []*copernicus.Client{b.client(b.table), b.client(b.table), b.client(b.table)}
	together(func(n int) { ask(t, clients[n%3]) })
	if got := b.provider.Calls().Counts; got[cdse.EndpointToken] != 1 || got[cdse.EndpointStatistics] > 40 {
		t.Errorf("calls are %v, want 1 token", got)
	}
}

// Another process fetched a new token meanwhile: it is in the table, no call is needed.
func TestTokenOfAnotherProcessIsTaken(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	if err := b.table.SaveToken(t.Context(), plantedToken, b.clock.read().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	late := b.client(b.table)
	b.fault(t, cdse.Fault{Kind: cdse.FaultBadRequest, Endpoint: cdse.EndpointStatistics, Count: 1})
	_, err := late.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week()) // reads the old token into its memory
	expect(t, err, job.InvalidRequest, "400")
	ask(t, b.client(b.table)) // 401, then a new token
	b.calls(t, 1, 3, 0)
	ask(t, late) // 401, then the one in the table
	b.calls(t, 1, 5, 0)
}

// The holder of the lock crashed: the lock ends by itself, and the next one fetches.
func TestLockOfACrashedWorkerIsTakenOver(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	now := b.clock.read()
	if mine, err := b.table.LockToken(t.Context(), now, now.Add(10*time.Second)); err != nil || !mine {
		t.Fatal(mine, err)
	}
	b.clock.runs(3 * time.Second)
	ask(t, b.client(b.table))
	b.calls(t, 1, 1, 0)
}

// A fetch that failed leaves the lock to end as well: nobody hammers a token endpoint that is down.
func TestFetchIsRepeatedAfterTheLock(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	b.fault(t, cdse.Fault{Kind: cdse.FaultUnavailable, Endpoint: cdse.EndpointToken, Count: 1})
	client := b.client(b.table)
	_, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	expect(t, err, job.ProviderUnavailable, "token endpoint answered 503")
	b.calls(t, 1, 0, 0)
	b.clock.runs(3 * time.Second)
	ask(t, client)
	b.calls(t, 2, 1, 0)
}

// relayed is a table in which somebody else's fetch ends after some looks.
type relayed struct {
	*memstore.Store

	mu    sync.Mutex
	looks int
	token string
	ends  time.Time
}

func (r *relayed) LockToken(ctx context.Context, _, _ time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looks++; r.looks == 3 && r.token != "" {
		return false, r.SaveToken(ctx, r.token, r.ends)
	}
	return false, nil
}

func TestWaitForTheFetchOfAnother(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	ask(t, b.client(b.table))
	token, ends, err := b.table.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	table := &relayed{Store: memstore.New(job.DefaultTiming()), token: token, ends: ends}
	ask(t, b.client(table))
	b.calls(t, 1, 2, 0)
	if table.looks != 3 {
		t.Errorf("%d looks at the lock, want 3", table.looks)
	}
}

// TestWaitersForATokenLookSeldom: a fetch that is not answered for long does not make the
// others ask the table all the while.
func TestWaitersForATokenLookSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := &relayed{Store: memstore.New(job.DefaultTiming())}
		c := copernicus.New(copernicus.Config{HTTP: &http.Client{}, Tokens: table, Gate: open{}, Now: time.Now})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // as long as a lock
		defer cancel()
		_, err := c.Statistics(ctx, &limit.Pass{}, somewhere(t), week())
		expect(t, err, job.ProviderTimeout, "no token in time")
		if table.looks > 11 {
			t.Errorf("%d looks in ten seconds", table.looks)
		}
	})
}

func TestWaitForATokenEndsWithTheContext(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err := b.client(&relayed{Store: memstore.New(job.DefaultTiming())}).Statistics(ctx, &limit.Pass{}, somewhere(t), week())
	expect(t, err, job.ProviderTimeout, "no token in time")
	b.calls(t, 0, 0, 0)
}

// broken is a table that fails at one step.
type broken struct {
	*memstore.Store

	step string
}

var errTable = job.Errorf(job.Throttled, "table is busy")

func (b broken) Token(ctx context.Context) (string, time.Time, error) {
	if b.step == "read" {
		return "", time.Time{}, errTable
	}
	return b.Store.Token(ctx)
}

func (b broken) LockToken(ctx context.Context, now, until time.Time) (bool, error) {
	if b.step == "lock" {
		return false, errTable
	}
	return b.Store.LockToken(ctx, now, until)
}

func (b broken) SaveToken(ctx context.Context, value string, expires time.Time) error {
	if b.step == "save" {
		return errTable
	}
	return b.Store.SaveToken(ctx, value, expires)
}

// A table that does not answer is not the provider's fault: the code stays the table's.
func TestTableOfTheTokenFails(t *testing.T) {
	t.Parallel()
	for step, calls := range map[string]int{"read": 0, "lock": 0, "save": 1} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			b := start(t, time.Hour)
			_, err := b.client(broken{memstore.New(job.DefaultTiming()), step}).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
			expect(t, err, job.Throttled, step)
			b.calls(t, calls, 0, 0)
		})
	}
}

func TestSecretFails(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	gone := errors.New("secrets manager is gone")
	client := copernicus.New(copernicus.Config{
		HTTP: b.http, APIURL: b.url, TokenURL: b.url + cdse.TokenPath, Tokens: b.table, Gate: open{}, Now: b.clock.read,
		Secret: func(context.Context) (string, string, error) { return "", "", gone },
	})
	if _, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week()); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	b.calls(t, 0, 0, 0)
}

// Every way in which the token endpoint can fail, and what it means for the job.
func TestTokenEndpointFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault cdse.Fault
		code  job.Code
		part  string
		after time.Duration
	}{
		{"rate limit", cdse.Fault{Kind: cdse.FaultRateLimit, RetryAfterMS: 3398}, job.ProviderRateLimit, "429", 3398 * time.Millisecond},
		{"rate limit without a time", cdse.Fault{Kind: cdse.FaultRateLimit}, job.ProviderRateLimit, "429", 30 * time.Second},
		{"client refused", cdse.Fault{Kind: cdse.FaultUnauth}, job.ProviderDenied, "401", 0},
		{"bad request", cdse.Fault{Kind: cdse.FaultBadRequest}, job.ProviderDenied, "400", 0},
		{"forbidden", cdse.Fault{Kind: cdse.FaultForbidden}, job.ProviderDenied, "403", 0},
		{"internal", cdse.Fault{Kind: cdse.FaultInternal}, job.ProviderUnavailable, "500", 0},
		{"page of a gateway", cdse.Fault{Kind: cdse.FaultHTML}, job.ProviderUnavailable, "502", 0},
		{"reset", cdse.Fault{Kind: cdse.FaultReset}, job.ProviderUnavailable, "connection to the provider broke", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, time.Hour)
			c.fault.Endpoint = cdse.EndpointToken
			b.fault(t, c.fault)
			_, err := b.client(b.table).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
			if e := expect(t, err, c.code, c.part); e.RetryAfter != c.after {
				t.Errorf("retry after %s, want %s", e.RetryAfter, c.after)
			}
			b.calls(t, 1, 0, 0)
		})
	}
}

// Answers of a token endpoint that gives no usable token. None may be stored, and none may loop.
func TestUnusableTokens(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"not JSON": plantedToken, "empty": "", "null": "null", "no token": `{"expires_in":600}`, "empty token": `{"access_token":"","expires_in":600}`,
		"no life": `{"access_token":"` + plantedToken + `"}`, "life over": `{"access_token":"` + plantedToken + `","expires_in":-1}`,
		"life is text": `{"access_token":"` + plantedToken + `","expires_in":"600"}`, "token is a list": `{"access_token":["` + plantedToken + `"],"expires_in":600}`,
		"truncated": `{"access_token":"` + plantedToken, "too long": strings.Repeat(" ", 5<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, table, calls := tokenServer(t, body)
			_, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
			expect(t, err, job.ProviderUnavailable, "")
			if value, _, err := table.Token(t.Context()); value != "" || err != nil || *calls != 1 {
				t.Errorf("%d calls, stored %q, %v", *calls, value, err)
			}
		})
	}
}

// A life longer than a Duration can hold must not wrap around into one that is over.
func TestEndlessToken(t *testing.T) {
	t.Parallel()
	client, table, calls := tokenServer(t, `{"access_token":"t","expires_in":1e300}`)
	for range 3 {
		if _, err := client.Seen(t.Context(), &limit.Pass{}, somewhere(t), week()); err != nil {
			t.Fatal(err)
		}
	}
	if _, ends, err := table.Token(t.Context()); *calls != 1 || err != nil || time.Until(ends) > 25*time.Hour {
		t.Errorf("%d token calls, until %s, %v", *calls, ends, err)
	}
}

// tokenServer gives a token by the given body, checks that it is asked as OAuth wants it, and has one feature for everybody.
func tokenServer(t *testing.T, body string) (*copernicus.Client, *memstore.Store, *int) {
	t.Helper()
	calls := new(int)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/token" {
			_, _ = w.Write([]byte(`{"features":[{}]}`))
			return
		}
		*calls++
		form, err := io.ReadAll(r.Body)
		want := "client_id=sh-test&client_secret=" + clientSecret + "&grant_type=client_credentials"
		if err != nil || string(form) != want || r.URL.RawQuery != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("token request is %s, %v", form, err)
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(web.Close)
	table := memstore.New(job.DefaultTiming())
	return copernicus.New(copernicus.Config{
		HTTP: web.Client(), APIURL: web.URL, TokenURL: web.URL + "/token", Secret: secret, Tokens: table, Gate: open{}, Now: time.Now,
	}), table, calls
}
