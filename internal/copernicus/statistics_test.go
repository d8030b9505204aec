package copernicus_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/limit"
	"orbitq/internal/local/cdse"
	"orbitq/internal/satellite"
)

// numbers is one band's statistics as the provider writes them.
func numbers(mean string, samples, noData int) string {
	return fmt.Sprintf(`{"stats":{"min":%s,"max":%s,"mean":%s,"stDev":0.1,"sampleCount":%d,"noDataCount":%d}}`, mean, mean, mean, samples, noData)
}

// interval is one day of an answer; a band may be given anew, "" leaves it out.
func interval(day string, bands map[string]string) string {
	next, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return "not a day"
	}
	band := func(names []string, usual string) string {
		var all []string
		for _, name := range names {
			text, changed := bands[name]
			if !changed {
				text = usual
			}
			if text != "" {
				all = append(all, fmt.Sprintf("%q:%s", name, text))
			}
		}
		return strings.Join(all, ",")
	}
	names := satellite.IndexNames()
	return fmt.Sprintf(`{"interval":{"from":"%sT00:00:00Z","to":"%sT00:00:00Z"},"outputs":{"indices":{"bands":{%s}},"quality":{"bands":{%s}}}}`,
		day, next.AddDate(0, 0, 1).Format(time.DateOnly), band(names[:], numbers("0.25", 144, 36)), band([]string{"cloud", "snow", "water"}, numbers("0.5", 144, 0)))
}

// failedInterval is a day that the provider could not compute.
func failedInterval(day, kind string) string {
	head, _, _ := strings.Cut(interval(day, nil), `,"outputs"`)
	return head + `,"error":{"type":"` + kind + `"}}`
}

// ok is an answer with the intervals.
func ok(intervals ...string) string {
	return `{"status":"OK","data":[` + strings.Join(intervals, ",") + `]}`
}

// statistics asks for a week and gets the body.
func statistics(t *testing.T, body string) (satellite.Series, error) {
	t.Helper()
	return scripted(t, saying(http.StatusOK, body)).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
}

func TestStatisticsAreRead(t *testing.T) {
	t.Parallel()
	client := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Processingunits-Spent", "0.027")
		w.Header().Set("X-Request-Id", "request-9")
		_, _ = w.Write([]byte(ok(interval("2020-02-18", nil), interval("2020-02-19", map[string]string{"snow": numbers("1", 144, 0), "cloud": numbers("0", 144, 0)}))))
	})
	series, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	if err != nil || len(series.Days) != 2 || series.PUSpent != 0.027 || series.RequestID != "request-9" || series.Failed != 0 {
		t.Fatalf("%+v, %v", series, err)
	}
	day := series.Days[1]
	want := satellite.Stats{Mean: 0.25, Min: 0.25, Max: 0.25, StDev: 0.1, SampleCount: 144, NoDataCount: 36}
	if !day.Date.Equal(sensed()) || day.ValidFraction != 0.75 || day.SnowFraction != 1 || day.WaterFraction != 0.5 || day.CloudFraction != 0 {
		t.Errorf("day is %+v", day)
	}
	for i, s := range day.Indices {
		if s == nil || *s != want {
			t.Errorf("%s is %+v", satellite.IndexNames()[i], s)
		}
	}
}

// The request is the published shape, with nothing that filters by the metadata of a tile.
func TestQuestionIsThePublishedShape(t *testing.T) {
	t.Parallel()
	var got map[string]any
	client := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(raw, &got) != nil {
			t.Errorf("request is %s, %v", raw, err)
		}
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+plantedToken || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		_, _ = w.Write([]byte(ok()))
	})
	area := satellite.Area{West: -10.5, South: 28.25, East: -10.25, North: 28.5, Width: 12, Height: 13}
	if _, err := client.Statistics(t.Context(), &limit.Pass{}, area, week()); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	script, err := json.Marshal(satellite.Evalscript())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"aggregation":{"aggregationInterval":{"of":"P1D"},"evalscript":` + string(script) + `,"height":13,` +
		`"timeRange":{"from":"2020-02-12T00:00:00Z","to":"2020-02-27T00:00:00Z"},"width":12},` +
		`"input":{"bounds":{"bbox":[-10.5,28.25,-10.25,28.5],"properties":{"crs":"http://www.opengis.net/def/crs/OGC/1.3/CRS84"}},` +
		`"data":[{"dataFilter":{"maxCloudCoverage":100,"mosaickingOrder":"leastCC"},"processing":{"harmonizeValues":true},"type":"sentinel-2-l2a"}]}}`
	if string(raw) != want {
		t.Errorf("request is\n%s\nwant\n%s", raw, want)
	}
}

// Numbers that JSON cannot hold come as text; an index without a finite value has none, the others keep theirs.
func TestNumbersThatJSONCannotHold(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"NaN"`, `"Infinity"`, `"-Infinity"`, `"inf"`, "null"} {
		series, err := statistics(t, ok(interval("2020-02-19", map[string]string{"evi": numbers(text, 144, 144), "msi": numbers(text, 144, 0)})))
		if err != nil || len(series.Days) != 1 {
			t.Fatalf("%s: %+v, %v", text, series, err)
		}
		for i, s := range series.Days[0].Indices {
			name := satellite.IndexNames()[i]
			if (s == nil) != (name == "evi" || name == "msi") {
				t.Errorf("%s: %s is %+v", text, name, s)
			}
		}
	}
}

// A day under cloud, as the stand-in makes it of real pixels.
func TestEveryPixelMasked(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	b.fault(t, cdse.Fault{Kind: cdse.FaultNaN})
	series, err := b.client(b.table).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	if err != nil || len(series.Days) != 1 || series.Days[0].ValidFraction != 0 || slices.ContainsFunc(series.Days[0].Indices[:], func(s *satellite.Stats) bool { return s != nil }) {
		t.Errorf("%+v, %v", series, err)
	}
}

// PARTIAL: only the days that failed are asked for again, each alone; what they cost is added.
func TestFailedDaysAreAskedForAgain(t *testing.T) {
	t.Parallel()
	b := start(t, time.Hour)
	b.fault(t, cdse.Fault{Kind: cdse.FaultPartial, Endpoint: cdse.EndpointStatistics, Count: 1})
	series, err := b.client(b.table).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	if err != nil || len(series.Days) != 1 || series.Failed != 0 {
		t.Errorf("%+v, %v", series, err)
	}
	b.calls(t, 1, 2, 0)
	b.fault(t, cdse.Fault{Kind: cdse.FaultFailed, Endpoint: cdse.EndpointStatistics, Count: 1})
	series, err = b.client(b.table).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	if err != nil || len(series.Days) != 1 || !series.Days[0].Date.Equal(sensed()) || series.Failed != 0 {
		t.Errorf("after FAILED: %+v, %v", series, err)
	}
	b.calls(t, 1, 4, 0)
	b.fault(t, cdse.Fault{Kind: cdse.FaultFailed, Endpoint: cdse.EndpointStatistics})
	series, err = b.client(b.table).Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	if err != nil || len(series.Days) != 0 || series.Failed != 1 {
		t.Errorf("after FAILED twice: %+v, %v", series, err)
	}
	b.calls(t, 1, 6, 0)
}

// Which windows are asked again, in what order, and what their answers add up to.
func TestSecondQuestions(t *testing.T) {
	t.Parallel()
	var asked []string
	client := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Aggregation struct {
				TimeRange struct{ From, To string } `json:"timeRange"`
			} `json:"aggregation"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		from := q.Aggregation.TimeRange.From[:10]
		asked = append(asked, from+"/"+q.Aggregation.TimeRange.To[:10])
		w.Header().Set("X-Processingunits-Spent", "0.5")
		switch from {
		case "2020-02-12":
			_, _ = w.Write([]byte(`{"status":"PARTIAL","data":[` + strings.Join([]string{
				failedInterval("2020-02-13", "TIMEOUT"), interval("2020-02-15", nil), failedInterval("2020-02-20", "EXECUTION_ERROR"), failedInterval("2020-02-23", "SOMETHING_NEW"),
			}, ",") + `]}`))
		case "2020-02-13":
			_, _ = w.Write([]byte(ok(interval("2020-02-13", nil))))
		case "2020-02-20":
			_, _ = w.Write([]byte(ok()))
		default:
			_, _ = w.Write([]byte(`{"status":"FAILED","data":[` + failedInterval("2020-02-23", "TIMEOUT") + `]}`))
		}
	})
	series, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	if err != nil || len(series.Days) != 2 || series.Failed != 1 || series.PUSpent != 2 {
		t.Errorf("%+v, %v", series, err)
	}
	want := []string{"2020-02-12/2020-02-27", "2020-02-13/2020-02-14", "2020-02-20/2020-02-21", "2020-02-23/2020-02-24"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
}

// The second question fails: half an answer would choose among half of the days.
func TestSecondQuestionFails(t *testing.T) {
	t.Parallel()
	calls := 0
	client := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls > 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"status":"PARTIAL","data":[` + interval("2020-02-15", nil) + "," + failedInterval("2020-02-19", "TIMEOUT") + `]}`))
	})
	series, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	expect(t, err, job.ProviderUnavailable, "503")
	if len(series.Days) != 0 {
		t.Errorf("%+v", series)
	}
}

// Answers with status 200 that are none. Each would otherwise end as a value, or as a job's final outcome.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	with := func(bands map[string]string) string { return ok(interval("2020-02-19", bands)) }
	many := make([]string, 16)
	for i := range many {
		many[i] = failedInterval("2020-02-19", "TIMEOUT")
	}
	for _, c := range []struct {
		name, body string
		code       job.Code
	}{
		{"nothing", "", ""},
		{"page", "<html><body>Welcome</body></html>", ""},
		{"null", "null", ""},
		{"empty object", "{}", ""},
		{"list", "[]", ""},
		{"truncated", ok(interval("2020-02-19", nil))[:200], ""},
		{"two answers", ok() + ok(), ""},
		{"error object", `{"error":{"status":500,"message":"boom"}}`, ""},
		{"FAILED and no word why", `{"status":"FAILED","data":[]}`, ""},
		{"PARTIAL and nothing failed", `{"status":"PARTIAL","data":[` + interval("2020-02-15", nil) + `]}`, ""},
		{"status of another kind", `{"status":"` + strings.Repeat("x", 9000) + `","data":[]}`, ""},
		{"our interval was wrong", `{"status":"PARTIAL","data":[` + failedInterval("2020-02-19", "BAD_REQUEST") + `]}`, job.InvalidRequest},
		{"no outputs", ok(strings.Replace(interval("2020-02-19", nil), `"outputs"`, `"output"`, 1)), ""},
		{"an index is missing", with(map[string]string{"msi": ""}), ""},
		{"the first index is missing", with(map[string]string{"ndvi": ""}), ""},
		{"a share is missing", with(map[string]string{"cloud": ""}), ""},
		{"a band without numbers", with(map[string]string{"msi": `{"stats":{}}`}), ""},
		{"no pixels at all", with(map[string]string{"msi": numbers("0.1", 0, 0)}), ""},
		{"more without data than there are", with(map[string]string{"msi": numbers("0.1", 144, 145)}), ""},
		{"fewer than none without data", with(map[string]string{"snow": numbers("0.1", 144, -1)}), ""},
		{"half a pixel", with(map[string]string{"msi": `{"stats":{"sampleCount":1.5}}`}), ""},
		{"number is text", with(map[string]string{"msi": numbers(`"none"`, 144, 0)}), ""},
		{"number is an object", with(map[string]string{"msi": numbers(`{"a":1}`, 144, 0)}), ""},
		{"number is a token", with(map[string]string{"msi": numbers(`"`+plantedToken+`"`, 144, 0)}), ""},
		{"number is endless", with(map[string]string{"msi": numbers(`"`+strings.Repeat("x", 9000)+`"`, 144, 0)}), ""},
		{"time is endless", ok(strings.Replace(interval("2020-02-19", nil), "2020-02-19T", strings.Repeat("2", 9000), 1)), ""},
		{"no interval", `{"status":"OK","data":[{}]}`, ""},
		{"day before the window", ok(interval("2020-02-11", nil)), ""},
		{"day after the window", ok(interval("2020-02-27", nil)), ""},
		{"failed day after the window", `{"status":"PARTIAL","data":[` + failedInterval("2099-01-01", "TIMEOUT") + `]}`, ""},
		{"interval ends before it begins", ok(strings.Replace(interval("2020-02-19", nil), "2020-02-20", "2020-02-18", 1)), ""},
		{"more intervals than days", `{"status":"PARTIAL","data":[` + strings.Join(many, ",") + `]}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			client := scripted(t, func(w http.ResponseWriter, _ *http.Request) { calls++; _, _ = w.Write([]byte(c.body)) })
			code := c.code
			if code == "" {
				code = job.ProviderUnavailable
			}
			series, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
			expect(t, err, code, "")
			if len(series.Days) != 0 || calls != 1 {
				t.Errorf("%d calls, %+v", calls, series)
			}
		})
	}
}

// Rounding of floats may bring a share of all pixels a hair above 1: the contract knows no such share.
func TestSharesStayShares(t *testing.T) {
	t.Parallel()
	series, err := statistics(t, ok(interval("2020-02-19", map[string]string{
		"cloud": numbers("1.0000001", 144, 0), "snow": numbers("-0.0000001", 144, 0), "water": numbers(`"NaN"`, 144, 144),
	})))
	if err != nil || series.Days[0].CloudFraction != 1 || series.Days[0].SnowFraction != 0 || series.Days[0].WaterFraction != 0 {
		t.Errorf("%+v, %v", series, err)
	}
}

func TestCostAndRequestOfACall(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]float64{"0.03": 0.03, "": 0, "much": 0, "NaN": 0, "Inf": 0, "-1": 0, "1e999": 0} {
		client := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Processingunits-Spent", header)
			w.Header().Set("X-Request-Id", strings.Repeat("r", 5000))
			_, _ = w.Write([]byte(ok()))
		})
		series, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
		if err != nil || math.Abs(series.PUSpent-want) > 1e-12 || len(series.RequestID) > 300 {
			t.Errorf("%q: %g units, request of %d bytes, %v", header, series.PUSpent, len(series.RequestID), err)
		}
	}
}

// Answers of the Catalog: only a list says whether there is an image.
func TestCatalogAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		seen       bool
		code       job.Code
	}{
		{"one", `{"features":[{"id":"S2A"}]}`, true, ""},
		{"dates", `{"features":["2020-02-19"]}`, true, ""},
		{"none", `{"features":[],"context":{"returned":0}}`, false, ""},
		{"no list", `{"type":"FeatureCollection"}`, false, job.ProviderUnavailable},
		{"null", `{"features":null}`, false, job.ProviderUnavailable},
		{"error object", `{"error":{"status":500}}`, false, job.ProviderUnavailable},
		{"page", "<html>", false, job.ProviderUnavailable},
		{"nothing", "", false, job.ProviderUnavailable},
		{"list of another kind", `{"features":{}}`, false, job.ProviderUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seen, err := scripted(t, saying(http.StatusOK, c.body)).Seen(t.Context(), &limit.Pass{}, somewhere(t), week())
			if c.code != "" {
				expect(t, err, c.code, "catalog answer")
			} else if err != nil {
				t.Error(err)
			}
			if seen != c.seen {
				t.Errorf("seen %v", seen)
			}
		})
	}
}

func TestCatalogQuestion(t *testing.T) {
	t.Parallel()
	client := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		want := `{"bbox":[-10.5,28.25,-10.25,28.5],"collections":["sentinel-2-l2a"],"datetime":"2020-02-12T00:00:00Z/2020-02-27T00:00:00Z","limit":1}`
		if string(raw) != want || err != nil || r.URL.Path != cdse.CatalogPath {
			t.Errorf("%s %s, %v", r.URL.Path, raw, err)
		}
		_, _ = w.Write([]byte(`{"features":[]}`))
	})
	if _, err := client.Seen(t.Context(), &limit.Pass{}, satellite.Area{West: -10.5, South: 28.25, East: -10.25, North: 28.5}, week()); err != nil {
		t.Error(err)
	}
}

// More failed days than are worth a request each are left to another attempt.
func TestAnOutageIsNotAskedDayByDay(t *testing.T) {
	t.Parallel()
	calls := 0
	client := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		_, _ = w.Write([]byte(`{"status":"PARTIAL","data":[` + strings.Join([]string{
			interval("2020-02-15", nil), failedInterval("2020-02-16", "TIMEOUT"), failedInterval("2020-02-17", "TIMEOUT"),
			failedInterval("2020-02-18", "TIMEOUT"), failedInterval("2020-02-19", "TIMEOUT"),
		}, ",") + `]}`))
	})
	series, err := client.Statistics(t.Context(), &limit.Pass{}, somewhere(t), week())
	if err != nil || calls != 1 || len(series.Days) != 1 || series.Failed != 4 {
		t.Errorf("%d calls, %+v, %v", calls, series, err)
	}
}
