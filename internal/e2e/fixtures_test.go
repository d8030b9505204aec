package e2e_test

import (
	"math"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/stack"
)

// TestFixture has the twenty cases of the domain by name, each through the whole
// system: HTTP API, queue, function, provider, table, and back.
//
// The places are the real ones, what the provider shows there is made up: see
// fixturePlaces. Where a case names a flag of the quality analysis (high GPS error,
// land cover that does not fit, outside of the zone), what that analysis would start
// from is held here: the area, the share of water, the outcome.
//
// All readings are sent before the first is waited for, so that their waits pass
// together.
func TestFixture(t *testing.T) {
	t.Parallel()
	w := fixtureWorld(t)
	silent := w.sendSilent(t)
	w.mustBeSilent(t)
	early, seen := w.sendAll(t, fixtureRows()), w.sendUnpublished(t)
	pair, twice, crowd := w.sendField(t), w.sendTwice(t), w.sendCrowd(t)

	for _, r := range append(silent, early...) {
		t.Run(r.row.name, func(t *testing.T) { t.Parallel(); r.check(t) })
	}
	for _, r := range seen {
		t.Run(r.row.name, func(t *testing.T) { t.Parallel(); r.check(t) })
	}
	t.Run("04_field_before_and_after_harvest", func(t *testing.T) { t.Parallel(); checkField(t, pair) })
	t.Run("17_future", func(t *testing.T) { t.Parallel(); w.refusesTheFuture(t) })
	t.Run("18_bad_input", func(t *testing.T) { t.Parallel(); w.refusesBadInput(t) })
	t.Run("18_row_without_location", func(t *testing.T) { t.Parallel(); w.endsWithoutLocation(t) })
	t.Run("19_delivered_twice", func(t *testing.T) { t.Parallel(); twice.check(t) })
	t.Run("19_ten_at_the_limit", func(t *testing.T) { t.Parallel(); checkCrowd(t, crowd) })
}

// dayOfPasses is how long a day of waiting for an image takes here, before the
// stack's speed: the looks after 1, 3 and 7 days come after 1, 3 and 7 seconds.
const dayOfPasses = "60,180,420"

// fixtureWorld is a stack with the places of the fixtures, whose days pass in a
// second. Everything else is the template's.
func fixtureWorld(t *testing.T) *world {
	t.Helper()
	template := changedTemplate(t, `"86400,259200,604800"`, `"`+dayOfPasses+`"`)
	w := own(t, func(o *stack.Options) { o.Template = template; o.Root = "../.." })
	t.Cleanup(func() { w.mustBeAllowed(t) })
	if err := w.Provider().SetPlaces(fixturePlaces(time.Now().UTC())...); err != nil {
		t.Fatal(err)
	}
	return w
}

// mustBeAllowed holds that no role lacked a permission: what a function may not send,
// the relay would send later, and only the time would show it.
func (w *world) mustBeAllowed(t *testing.T) {
	t.Helper()
	for message, n := range w.Counters().Denied {
		t.Errorf("%d times: %s", n, message)
	}
}

// fixture is one case: a reading, and what must come of it.
type fixture struct {
	name     string
	lat, lon float64
	accuracy float64
	at       time.Time
	// What must come: the outcome, how many calls of each service it took, and for an
	// analysis how many days the image lies from the reading.
	outcome    job.Outcome
	statistics int
	catalog    int
	offset     int
	holds      func(t *testing.T, got result) // more about it; nil for nothing
}

// several stands for a number of calls that depends on the machine's speed, or on what
// the cache still knows.
const several = -1

// reading is a fixture's reading that was sent, by a user of its own.
type reading struct {
	w       *world
	row     fixture
	c       *client.Client
	created client.Created
}

// result is everything that came of a reading.
type result struct {
	job      client.Job
	analyses []client.Analysis
	usage    client.Usage
	asked    []cdse.Call // the questions about its place and day
}

// post sends a reading by a user.
func (w *world) post(t *testing.T, user string, row fixture) *reading {
	t.Helper()
	c := w.as(t, user, "free")
	created, err := c.CreatePoint(t.Context(), client.NewPoint{
		Latitude: row.lat, Longitude: row.lon, Accuracy: row.accuracy, Value: 12.5, CollectedAt: &row.at,
	})
	if err != nil {
		t.Fatalf("%s: %v", row.name, err)
	}
	return &reading{w: w, row: row, c: c, created: created}
}

// sendAll sends the readings of rows.
func (w *world) sendAll(t *testing.T, rows []fixture) []*reading {
	t.Helper()
	var all []*reading
	for _, row := range rows {
		all = append(all, w.post(t, "fixture-"+row.name, row))
	}
	return all
}

// result waits for the end of the reading's job and gathers what came of it.
func (r *reading) result(t *testing.T) result {
	t.Helper()
	got := result{job: ended(t, r.c, r.created.JobID)}
	var err error
	if got.analyses, err = r.c.Analyses(t.Context(), r.created.PointID); err != nil {
		t.Fatal(err)
	}
	if got.usage, err = r.c.Usage(t.Context()); err != nil {
		t.Fatal(err)
	}
	got.asked = r.w.asked(r.row.lat, r.row.lon, r.row.at)
	return got
}

// asked lists the calls about a place and a day, by the middle of their box.
func (w *world) asked(lat, lon float64, at time.Time) []cdse.Call {
	const near = 0.0005 // degrees, about 50 m
	var all []cdse.Call
	for _, call := range w.Provider().Calls().List {
		if b := call.BBox; len(b) != 4 || math.Abs((b[0]+b[2])/2-lon) > near || math.Abs((b[1]+b[3])/2-lat) > near {
			continue
		}
		// By the middle of what it is about, because the year that the catalog is asked
		// about holds other readings of the place, and a day that is asked for again may
		// not hold this one.
		if middle := call.From.Add(call.To.Sub(call.From) / 2); middle.Sub(at).Abs() < 30*24*time.Hour {
			all = append(all, call)
		}
	}
	return all
}

// count counts calls of an endpoint.
func count(calls []cdse.Call, endpoint string) int {
	n := 0
	for _, call := range calls {
		if call.Endpoint == endpoint {
			n++
		}
	}
	return n
}

// check waits for the reading's end and holds it against its row.
func (r *reading) check(t *testing.T) {
	t.Helper()
	got, row := r.result(t), r.row
	if got.job.State != job.Succeeded || got.job.Outcome != row.outcome || got.job.Attempts != 1 {
		t.Fatalf("ended as %s %s after %d attempts (error %+v, history %+v), want %s", got.job.State, got.job.Outcome, got.job.Attempts, got.job.Error, got.job.History, row.outcome)
	}
	billed := 0
	if row.outcome.Analysed() {
		billed = 1
	}
	if got.usage.Used != billed || got.usage.Reserved != 0 || len(got.analyses) != billed {
		t.Errorf("%d analyses, usage %+v; want %d billed", len(got.analyses), got.usage, billed)
	}
	s, c := count(got.asked, cdse.EndpointStatistics), count(got.asked, cdse.EndpointCatalog)
	if row.statistics == several {
		row.statistics = max(s, 1)
	}
	if s != row.statistics || c != row.catalog {
		t.Errorf("asked for statistics %d times and the catalog %d times, want %d and %d", s, c, row.statistics, row.catalog)
	}
	if billed == 1 && len(got.analyses) == 1 {
		checkAnalysis(t, got.analyses[0], row)
	}
	if row.holds != nil {
		row.holds(t, got)
	}
}

// checkAnalysis holds what every analysis must say of its day and area.
func checkAnalysis(t *testing.T, a client.Analysis, row fixture) {
	t.Helper()
	day := row.at.Truncate(24*time.Hour).AddDate(0, 0, row.offset)
	if a.DayOffset != row.offset || a.AcquiredOn != day.Format(time.DateOnly) {
		t.Errorf("image of %s, %d days from the reading; want %s, %d days", a.AcquiredOn, a.DayOffset, day.Format(time.DateOnly), row.offset)
	}
	half := max(60, row.accuracy)
	pixels := int(half/5) * int(half/5) // of 10 m
	if a.HalfSideM != half || a.PUSpent <= 0 || a.ValidFraction != 1 || a.Source != "Sentinel-2 L2A" {
		t.Errorf("analysis %+v", a)
	}
	for i, index := range a.Indices.InOrder() {
		if index == nil || index.SampleCount != pixels || index.NoDataCount != 0 || index.Min > index.Mean || index.Mean > index.Max {
			t.Errorf("index %d: %+v", i, index)
		}
	}
}

// of reads the date and time of a fixture.
func of(text string) time.Time {
	at, err := time.Parse("2006-01-02T15:04", text)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}
