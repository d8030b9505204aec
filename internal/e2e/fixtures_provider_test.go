package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
)

// providerRow is one way of the provider to fail, and what must come of a reading
// that meets it.
type providerRow struct {
	name   string
	faults []cdse.Fault // of the statistics at the row's place, unless they say otherwise

	state      job.State
	outcome    job.Outcome
	code       job.Code // of a dead job
	attempts   int
	statistics int
	catalog    int
	first      job.Code      // of the first attempt in the history, if it failed
	waits      time.Duration // between the first two calls, at least
}

// providerRows are the signals of the provider and what they mean, row by row. Only
// what another try cannot mend kills a job, and a wait that is nobody's fault costs
// no attempt.
func providerRows() []providerRow {
	const good, fine = job.Success, job.Succeeded
	one := func(kind cdse.FaultKind) []cdse.Fault { return []cdse.Fault{{Kind: kind, Count: 1}} }
	ever := func(kind cdse.FaultKind) []cdse.Fault { return []cdse.Fault{{Kind: kind}} }
	return []providerRow{
		{name: "429_in_milliseconds", faults: []cdse.Fault{{Kind: cdse.FaultRateLimit, Count: 1, RetryAfterMS: 3398}}, state: fine, outcome: good, attempts: 1, statistics: 2, waits: 3398 * time.Millisecond},
		{name: "429_without_wrapper", faults: []cdse.Fault{{Kind: cdse.FaultRateLimit, Count: 1, RetryAfterMS: 900, Bare: true}}, state: fine, outcome: good, attempts: 1, statistics: 2, waits: time.Second},
		{name: "503_twice", faults: []cdse.Fault{{Kind: cdse.FaultUnavailable, Count: 2}}, state: fine, outcome: good, attempts: 3, statistics: 3, first: job.ProviderUnavailable},
		{name: "503_for_ever", faults: ever(cdse.FaultUnavailable), state: job.Dead, code: job.ProviderUnavailable, attempts: 3, statistics: 3, first: job.ProviderUnavailable},
		{name: "500_once", faults: one(cdse.FaultInternal), state: fine, outcome: good, attempts: 2, statistics: 2, first: job.ProviderUnavailable},
		{name: "html_502_once", faults: one(cdse.FaultHTML), state: fine, outcome: good, attempts: 2, statistics: 2, first: job.ProviderUnavailable},
		{name: "reset_once", faults: one(cdse.FaultReset), state: fine, outcome: good, attempts: 2, statistics: 2, first: job.ProviderUnavailable},
		{name: "slow_once", faults: []cdse.Fault{{Kind: cdse.FaultSlow, Count: 1, DelayMS: 60_000}}, state: fine, outcome: good, attempts: 2, statistics: 2, first: job.AttemptTimeout},
		{name: "token_401_once", faults: one(cdse.FaultUnauth), state: fine, outcome: good, attempts: 1, statistics: 2},
		{name: "403_other", faults: ever(cdse.FaultForbidden), state: job.Dead, code: job.ProviderDenied, attempts: 1, statistics: 1, first: job.ProviderDenied},
		{name: "400", faults: ever(cdse.FaultBadRequest), state: job.Dead, code: job.InvalidRequest, attempts: 1, statistics: 1, first: job.InvalidRequest},
		{name: "numbers_that_are_NaN", faults: ever(cdse.FaultNaN), state: fine, outcome: job.Clouded, attempts: 1, statistics: 2},
		{name: "PARTIAL_once", faults: one(cdse.FaultPartial), state: fine, outcome: good, attempts: 1, statistics: 2},
		{name: "FAILED_once", faults: one(cdse.FaultFailed), state: fine, outcome: good, attempts: 1, statistics: 4}, // each of three days once more
		{name: "empty_data", faults: ever(cdse.FaultEmpty), state: fine, outcome: job.NoAcquisition, attempts: 1, statistics: 2, catalog: 1},
		{name: "empty_data_and_catalog", faults: []cdse.Fault{{Kind: cdse.FaultEmpty}, {Kind: cdse.FaultEmpty, Endpoint: cdse.EndpointCatalog}}, state: fine, outcome: job.OutOfCoverage, attempts: 1, statistics: 2, catalog: 1},
	}
}

// TestFixtureProvider is the twentieth case: every fault of the provider, each at a
// spot of its own in the park, so that all of them pass together.
func TestFixtureProvider(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	t.Cleanup(func() { w.mustBeAllowed(t) })
	if err := w.Provider().SetPlaces(fixturePlaces(time.Now().UTC())...); err != nil {
		t.Fatal(err)
	}
	rows := providerRows()
	spots := make([]fixture, len(rows))
	var faults []cdse.Fault
	for i, row := range rows {
		spots[i] = fixture{name: row.name, lat: parkLat - 0.015 + 0.004*float64(i%8), lon: parkLon + 0.004*float64(i/8), at: of("2025-08-15T10:00")}
		faults = append(faults, at(spots[i], row.faults)...)
	}
	if err := w.Provider().SetFaults(faults...); err != nil {
		t.Fatal(err)
	}
	readings := w.sendAll(t, spots)
	for i, row := range rows {
		t.Run("20_"+row.name, func(t *testing.T) { t.Parallel(); checkProvider(t, readings[i], row) })
	}
}

// TestFixtureProviderForAll is the rest of the twentieth case: what the provider says
// to one job but means for all, so that nothing else may run beside it.
func TestFixtureProviderForAll(t *testing.T) {
	t.Parallel()
	w := own(t, nil)
	t.Cleanup(func() { w.mustBeAllowed(t) })
	if err := w.Provider().SetPlaces(fixturePlaces(time.Now().UTC())...); err != nil {
		t.Fatal(err)
	}
	w.tokenIsThrottled(t)
	w.tokenIsRefused(t)
	w.quotaIsUsedUp(t)
}

// at limits faults to the spot of a reading.
func at(spot fixture, faults []cdse.Fault) []cdse.Fault {
	const near = 0.0015
	var all []cdse.Fault
	for _, f := range faults {
		if f.Endpoint == "" {
			f.Endpoint = cdse.EndpointStatistics
		}
		f.BBox = []float64{spot.lon - near, spot.lat - near, spot.lon + near, spot.lat + near}
		all = append(all, f)
	}
	return all
}

// checkProvider holds the end of a reading against its row.
func checkProvider(t *testing.T, r *reading, row providerRow) {
	t.Helper()
	got := r.result(t)
	if got.job.State != row.state || got.job.Outcome != row.outcome || got.job.Attempts != row.attempts {
		t.Fatalf("ended as %s %s after %d attempts (error %+v, history %+v)", got.job.State, got.job.Outcome, got.job.Attempts, got.job.Error, got.job.History)
	}
	if row.code != "" && (got.job.Error == nil || got.job.Error.Code != row.code) {
		t.Errorf("error %+v, want %s", got.job.Error, row.code)
	}
	billed := 0
	if row.outcome.Analysed() {
		billed = 1
	}
	if got.usage.Used != billed || got.usage.Reserved != 0 || len(got.analyses) != billed {
		t.Errorf("%d analyses, usage %+v; want %d billed", len(got.analyses), got.usage, billed)
	}
	if s, c := count(got.asked, cdse.EndpointStatistics), count(got.asked, cdse.EndpointCatalog); s != row.statistics || c != row.catalog {
		t.Errorf("asked for statistics %d times and the catalog %d times, want %d and %d", s, c, row.statistics, row.catalog)
	}
	if row.first == "" {
		row.first = job.Code(row.outcome) // the first attempt is the last
	}
	if len(got.job.History) != row.attempts || got.job.History[0].Code != row.first {
		t.Errorf("history %+v, want the first to be %q", got.job.History, row.first)
	}
	if len(got.asked) > 1 {
		// Read as seconds, 3398 would be most of an hour.
		if waited := got.asked[1].At.Sub(got.asked[0].At); waited < row.waits || waited > time.Minute {
			t.Errorf("asked again after %v, want at least %v", waited, row.waits)
		}
	}
}

// tokenIsThrottled lets the token endpoint ask for a pause before the first token. The
// pause is longer than the ten seconds for which a fetch that failed keeps the right
// to fetch: before them, the job would wait inside of its attempt.
func (w *world) tokenIsThrottled(t *testing.T) {
	t.Helper()
	if err := w.Provider().SetFaults(cdse.Fault{Kind: cdse.FaultRateLimit, Endpoint: cdse.EndpointToken, Count: 1, RetryAfterMS: 10_500}); err != nil {
		t.Fatal(err)
	}
	spot := fixture{name: "token 429", lat: parkLat + 0.0165, lon: parkLon, at: of("2025-08-15T10:00")}
	got := w.post(t, "fixture-20-token-429", spot).result(t)
	if got.job.Outcome != job.Success || got.job.Attempts != 1 || got.usage.Used != 1 || len(got.asked) != 1 {
		t.Errorf("token 429: job %+v, error %+v, usage %+v, calls %+v", got.job, got.job.Error, got.usage, got.asked)
	}
	if n := w.Provider().Calls().Counts[cdse.EndpointToken]; n != 2 {
		t.Errorf("token 429: asked for a token %d times", n)
	}
}

// tokenIsRefused lets the provider refuse new tokens, too: another try cannot mend it.
func (w *world) tokenIsRefused(t *testing.T) {
	t.Helper()
	if err := w.Provider().SetFaults(cdse.Fault{Kind: cdse.FaultUnauth, Endpoint: cdse.EndpointStatistics}); err != nil {
		t.Fatal(err)
	}
	spot := fixture{name: "token 401", lat: parkLat + 0.0165, lon: parkLon + 0.004, at: of("2025-08-15T10:00")}
	got := w.post(t, "fixture-20-token-401", spot).result(t)
	if got.job.State != job.Dead || got.job.Error == nil || got.job.Error.Code != job.ProviderDenied || got.job.Attempts != 1 || got.usage.Used != 0 || got.usage.Reserved != 0 {
		t.Errorf("token 401: job %+v, error %+v, usage %+v", got.job, got.job.Error, got.usage)
	}
	if n := count(got.asked, cdse.EndpointStatistics); n != 2 {
		t.Errorf("token 401: asked %d times, want one refresh", n)
	}
}

// quotaIsUsedUp lets the provider's month be used up: the job waits for the next,
// keeps its attempts, and its owner may take it back.
func (w *world) quotaIsUsedUp(t *testing.T) {
	t.Helper()
	if err := w.Provider().SetFaults(cdse.Fault{Kind: cdse.FaultQuota, Endpoint: cdse.EndpointStatistics}); err != nil {
		t.Fatal(err)
	}
	spot := fixture{name: "403 quota", lat: parkLat + 0.0165, lon: parkLon + 0.008, at: of("2025-08-15T10:00")}
	r := w.post(t, "fixture-20-quota", spot)
	next := time.Now().UTC().AddDate(0, 1, 1-time.Now().UTC().Day()).Truncate(24 * time.Hour)
	eventually(t, func() error {
		j, err := r.c.Job(t.Context(), r.created.JobID)
		if err == nil && (j.State != job.Waiting || j.Error == nil || j.Error.Code != job.ProviderQuota || j.NextAt == nil || j.Attempts != 0) {
			err = fmt.Errorf("job %+v, error %+v", j, j.Error)
		}
		return err
	})
	if j, err := r.c.Job(t.Context(), r.created.JobID); err != nil || j.NextAt.Sub(next).Abs() > time.Minute {
		t.Errorf("403 quota: next at %v, want %v (%v)", j.NextAt, next, err)
	}
	if got, err := r.c.Cancel(t.Context(), r.created.JobID); err != nil || got.State != job.Cancelled {
		t.Errorf("403 quota: cancelled %+v, %v", got, err)
	}
	if u, err := r.c.Usage(t.Context()); err != nil || u.Used != 0 || u.Reserved != 0 || len(w.asked(spot.lat, spot.lon, spot.at)) != 1 {
		t.Errorf("usage %+v, %v", u, err)
	}
}
