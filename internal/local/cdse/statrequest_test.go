package cdse_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"orbitq/internal/local/cdse"
)

const epsg29 = "EPSG/0/32629"

// problem is the service's error body.
type problem struct {
	Error struct {
		Status  int    `json:"status"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
		Code    string `json:"code"`
		Errors  []struct{ Parameter, Violation string }
	} `json:"error"`
}

func (r result) problem(t *testing.T) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatalf("decode %s: %v", r.body, err)
	}
	if p.Error.Status != r.status || p.Error.Reason != http.StatusText(r.status) || p.Error.Message == "" {
		t.Errorf("status %d with body %s", r.status, r.body)
	}
	return p
}

func TestBadStatisticalRequests(t *testing.T) {
	t.Parallel()
	s := start(t)
	valid := func() body { return request(fullScript(), clearBox, epsg29) }
	data := func(extra map[string]any) []any {
		entry := map[string]any{"type": "sentinel-2-l2a"}
		maps.Copy(entry, extra)
		return []any{entry}
	}
	cases := []struct {
		name      string
		body      body
		parameter string
		message   string
	}{
		{"no box", valid().with("input.bounds.bbox", nil), "input->bounds->bbox", "array of four"},
		{"no aggregation", valid().with("aggregation", nil), "aggregation", "required"},
		{"three numbers", valid().with("input.bounds.bbox", []float64{1, 2, 3}), "input->bounds->bbox", "four numbers"},
		{"box turned round", valid().with("input.bounds.bbox", []float64{5, 5, 1, 6}), "input->bounds->bbox", "empty"},
		{"empty box", valid().with("input.bounds.bbox", []float64{5, 5, 5, 6}), "input->bounds->bbox", "empty"},
		{"metres as degrees", valid().with("input.bounds.properties.crs", nil), "input->bounds->bbox", "valid range"},
		{"unknown crs", valid().with("input.bounds.properties.crs", "EPSG:4326"), "input->bounds->properties->crs", "Unsupported"},
		{"crs of no zone", valid().with("input.bounds.properties.crs", "http://www.opengis.net/def/crs/EPSG/0/32661"), "input->bounds->properties->crs", "Unsupported"},
		{"geometry", valid().with("input.bounds.geometry", map[string]any{"type": "Polygon"}), "input->bounds->geometry", "not supported"},
		{"no data", valid().with("input.data", nil), "input->data", "exactly one"},
		{"two sources", valid().with("input.data", append(data(nil), data(nil)...)), "input->data", "exactly one"},
		{"other collection", valid().with("input.data", []any{map[string]any{"type": "landsat-ot-l2"}}), "input->data[0]->type", "not available"},
		{"order", valid().with("input.data", data(map[string]any{"dataFilter": map[string]any{"mosaickingOrder": "best"}})), "input->data[0]->dataFilter->mosaickingOrder", "Unknown"},
		{"cloud", valid().with("input.data", data(map[string]any{"dataFilter": map[string]any{"maxCloudCoverage": 101}})), "input->data[0]->dataFilter->maxCloudCoverage", "0..100"},
		{"bilinear", valid().with("input.data", data(map[string]any{"processing": map[string]any{"upsampling": "BILINEAR"}})), "input->data[0]->processing", "NEAREST"},
		{"no range", valid().with("aggregation.timeRange", nil), "aggregation->timeRange", "required"},
		{"no day", valid().with("aggregation.timeRange.from", "2020-02-30T00:00:00Z"), "aggregation->timeRange->from", "ISO 8601"},
		{"date only", valid().with("aggregation.timeRange.to", "2020-02-27"), "aggregation->timeRange->to", "ISO 8601"},
		{"backwards", valid().with("aggregation.timeRange.to", "2020-02-01T00:00:00Z"), "aggregation->timeRange", "before"},
		{"no interval", valid().with("aggregation.aggregationInterval", nil), "aggregation->aggregationInterval", "required"},
		{"hours", valid().with("aggregation.aggregationInterval.of", "PT23H"), "aggregation->aggregationInterval->of", "one day"},
		{"both designators", valid().with("aggregation.aggregationInterval.of", "P1DT2H"), "aggregation->aggregationInterval->of", "one day"},
		{"last", valid().with("aggregation.aggregationInterval.lastIntervalBehavior", "CUT"), "aggregation->aggregationInterval->lastIntervalBehavior", "Unknown"},
		{"size and step", valid().with("aggregation.resx", 10), "aggregation", "at the same time"},
		{"no pixels", valid().with("aggregation.width", 0), "aggregation->width", "1..2500"},
		{"too wide", valid().with("aggregation.width", 2501), "aggregation->width", "1..2500"},
		{"half a pixel", valid().with("aggregation.height", 1.5), "aggregation->height", "whole number"},
		{"fine step", valid().with("aggregation.width", nil).with("aggregation.height", nil).with("aggregation.resx", 0.01).with("aggregation.resy", 10), "aggregation->resx", "`width = 12000`, calculated from resx, is larger than allowed 2500."},
		{"one step", valid().with("aggregation.width", nil).with("aggregation.height", nil).with("aggregation.resx", 10), "aggregation->resy", "positive"},
		{"negative step", valid().with("aggregation.width", nil).with("aggregation.height", nil).with("aggregation.resx", -1).with("aggregation.resy", 10), "aggregation->resx", "positive"},
		{"no script", valid().with("aggregation.evalscript", nil), "aggregation->evalscript", "required"},
		{"percentiles", valid().with("calculations.default.statistics", map[string]any{}), "calculations->default->statistics", "not supported"},
		{"calculation", valid().with("calculations.default", 7), "calculations->default", "object"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res := s.post(t, cdse.StatisticsPath, c.body.json(t))
			p := res.problem(t)
			if res.status != http.StatusBadRequest || p.Error.Code != "COMMON_BAD_PAYLOAD" || len(p.Error.Errors) != 1 {
				t.Fatalf("status %d, body %s", res.status, res.body)
			}
			if got := p.Error.Errors[0]; got.Parameter != c.parameter || !strings.Contains(got.Violation, c.message) {
				t.Errorf("%s: %s; want %s: %s", got.Parameter, got.Violation, c.parameter, c.message)
			}
		})
	}
}

func TestEveryFaultOfARequestIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := request("", clearBox, epsg29).with("aggregation.width", -1).with("input.data", nil)
	p := s.post(t, cdse.StatisticsPath, b.json(t)).problem(t)
	if len(p.Error.Errors) != 3 || strings.Count(p.Error.Message, "\n") != 3 {
		t.Errorf("problem is %+v", p)
	}
}

func TestUnreadableRequests(t *testing.T) {
	t.Parallel()
	s := start(t)
	cases := []struct{ name, body, message string }{
		{"empty", "", "Request body should be non-empty."},
		{"blank", " \n", "Request body should be non-empty."},
		{"cut off", `{"input":`, "Failed to parse"},
		{"no object", `[]`, "Failed to parse"},
		{"wrong type", `{"input":{"bounds":{"bbox":"all"}}}`, "Failed to parse"},
		{"number out of range", `{"aggregation":{"width":1e999}}`, "Failed to parse"},
		{"two values", `{} {}`, "more than one"},
	}
	for _, c := range cases {
		for _, path := range []string{cdse.StatisticsPath, cdse.CatalogPath} {
			if c.name == "wrong type" || c.name == "number out of range" {
				path = cdse.StatisticsPath
			}
			res := s.post(t, path, c.body)
			p := res.problem(t)
			if res.status != http.StatusBadRequest || p.Error.Code != "COMMON_BAD_PAYLOAD" || !strings.Contains(p.Error.Message, c.message) {
				t.Errorf("%s at %s: %d %s", c.name, path, res.status, res.body)
			}
		}
	}
}

func TestTheGateRefusesBeforeTheRequestIsRead(t *testing.T) {
	t.Parallel()
	s := start(t)
	const media = "application/json"
	cases := []struct {
		name, method, path, media, body string
		status                          int
		code                            string
	}{
		{"method", http.MethodGet, cdse.StatisticsPath, media, "", 405, "COMMON_METHOD_NOT_ALLOWED"},
		{"media", http.MethodPost, cdse.StatisticsPath, "text/plain", "{}", 415, "COMMON_UNSUPPORTED_MEDIA_TYPE"},
		{"no media", http.MethodPost, cdse.CatalogPath, "", "{}", 415, "COMMON_UNSUPPORTED_MEDIA_TYPE"},
		{"size", http.MethodPost, cdse.StatisticsPath, media, strings.Repeat(" ", 1<<20+1), 413, "COMMON_BAD_PAYLOAD"},
		{"path", http.MethodPost, "/api/v1/process", media, "{}", 404, "COMMON_NOT_FOUND"},
	}
	for _, c := range cases {
		res := s.call(t, c.method, c.path, c.media, c.body)
		if p := res.problem(t); res.status != c.status || p.Error.Code != c.code {
			t.Errorf("%s: %d %s", c.name, res.status, res.body)
		}
	}
}
