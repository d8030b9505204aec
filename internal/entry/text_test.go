package entry_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestTextsAreJudged: each free text of each route, by the characters that it must not have.
func TestTextsAreJudged(t *testing.T) {
	t.Parallel()
	const point = `{"latitude":55.7,"longitude":12.5,"value":1,`
	for _, c := range []struct{ name, method, path, body, field, rule string }{
		{"NUL in a campaign", "POST", "/v1/data-points", point + `"campaign_id":"a\u0000b"}`, "campaign_id", "charset"},
		{"zero width in a campaign", "POST", "/v1/data-points", point + `"campaign_id":"a\u200bb"}`, "campaign_id", "charset"},
		{"override in a campaign", "POST", "/v1/data-points", point + `"campaign_id":"a\u202eb"}`, "campaign_id", "charset"},
		{"slash in a campaign", "POST", "/v1/data-points", point + `"campaign_id":"a/b"}`, "campaign_id", "path"},
		{"a campaign that is a folder", "POST", "/v1/data-points", point + `"campaign_id":".."}`, "campaign_id", "path"},
		{"metric", "POST", "/v1/data-points", point + `"metric_id":"\u2066"}`, "metric_id", "charset"},
		{"device", "POST", "/v1/data-points", point + `"device_model":"\u001b[2J"}`, "device_model", "charset"},
		{"sensor", "POST", "/v1/data-points", point + `"sensor_type":"\ufeff"}`, "sensor_type", "charset"},
		{"notes", "POST", "/v1/data-points", point + `"notes":"\u0000"}`, "notes", "charset"},
		{"notes of a review", "POST", "/v1/data-points/$POINT/review", `{"status":"approved","notes":"\u202e"}`, "notes", "charset"},
		{"reason of a flag", "POST", "/v1/data-points/$POINT/review", `{"flag":"suspicious_value","reason":"quite \u0007 odd"}`, "reason", "charset"},
		{"tag", "POST", "/v1/jobs", `{"kind":"enrich","data_point_id":"$POINT","tags":["\u200b"]}`, "tags[0]", "charset"},
		{"unique key", "POST", "/v1/jobs", `{"kind":"enrich","data_point_id":"$POINT","unique_key":"a\u0000"}`, "unique_key", "charset"},
		{"batch", "POST", "/v1/batches", `{"name":"\u202e","data_point_ids":["$POINT"]}`, "name", "charset"},
		{"filter", "POST", "/v1/batches", `{"name":"n","filter":{"campaign_id":"\u0000"}}`, "filter.campaign_id", "charset"},
		{"zone", "PUT", "/v1/campaigns/coast/zones", `{"zones":[{"name":"\u200bx","ring":[[0,0],[1,0],[0,1]]}]}`, "zones[0].name", "charset"},
		{"campaign of zones", "PUT", "/v1/campaigns/co\u200bast/zones", `{"zones":[]}`, "id", "charset"},
		{"a zone that crosses itself", "PUT", "/v1/campaigns/coast/zones", `{"zones":[{"name":"x","ring":[[0,0],[1,1],[1,0],[0,1]]}]}`, "zones[0].ring", "simple"},
		{"a zone without area", "PUT", "/v1/campaigns/coast/zones", `{"zones":[{"name":"x","ring":[[0,0],[1,1],[2,2]]}]}`, "zones[0].ring", "area"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			id, _ := b.seed(t, ann)
			replace := strings.NewReplacer("$POINT", id)
			var p problem
			b.do(t, call{method: c.method, path: replace.Replace(c.path), body: replace.Replace(c.body), owner: ann}).into(t, http.StatusUnprocessableEntity, &p)
			if p.Field != c.field || p.Rule != c.rule {
				t.Errorf("%s %s: %s", p.Field, p.Rule, p.Detail)
			}
		})
	}
}

// TestOneNameIsOneCampaign: however its accents are written, in bodies, paths and filters.
func TestOneNameIsOneCampaign(t *testing.T) {
	t.Parallel()
	const composed, apart = "caf\u00e9", "cafe\u0301"
	b := start(t)
	var made struct {
		Point struct {
			Campaign string `json:"campaign_id"`
		} `json:"data_point"`
	}
	b.do(t, call{method: "POST", path: "/v1/data-points", body: `{"latitude":1,"longitude":1,"value":1,"campaign_id":"` + apart + `"}`, owner: ann}).into(t, http.StatusCreated, &made)
	if made.Point.Campaign != composed {
		t.Errorf("campaign %+q", made.Point.Campaign)
	}
	b.do(t, call{method: "PUT", path: "/v1/campaigns/" + apart + "/zones", body: `{"zones":[{"name":"a","ring":[[0,0],[1,0],[0,1]]}]}`, owner: ann}).into(t, http.StatusOK, &struct{}{})
	for _, name := range []string{composed, apart} {
		var zones struct {
			ID    string `json:"id"`
			Zones []any  `json:"zones"`
		}
		b.do(t, call{method: "GET", path: "/v1/campaigns/" + name + "/zones", owner: ann}).into(t, http.StatusOK, &zones)
		if zones.ID != composed || len(zones.Zones) != 1 {
			t.Errorf("%+q: %+v", name, zones)
		}
		var plan struct {
			Total int `json:"total"`
		}
		b.do(t, call{method: "POST", path: "/v1/batches", body: `{"name":"n","dry_run":true,"filter":{"campaign_id":"` + name + `"}}`, owner: ann}).into(t, http.StatusOK, &plan)
		if plan.Total != 1 {
			t.Errorf("%+q: the filter chooses %d", name, plan.Total)
		}
	}
}

// TestWholeNumbersAndSmallTimesAreTaken: in each body that has one.
func TestWholeNumbersAndSmallTimesAreTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]call{
		"delay":            {path: "/v1/jobs", body: `{"kind":"enrich","data_point_id":"$POINT","delay":60.0}`},
		"max_wait":         {path: "/v1/jobs", body: `{"kind":"enrich","data_point_id":"$POINT","max_wait":6e1}`},
		"an item":          {path: "/v1/jobs:batch-dispatch", body: `{"items":[{"kind":"enrich","data_point_id":"$POINT","delay":6.0e1}]}`},
		"seconds":          {path: "/v1/jobs/$JOB/snooze", body: `{"seconds":60.0}`},
		"rate":             {path: "/v1/failed:retry", body: `{"all":true,"rate":20.0}`},
		"a small t":        {path: "/v1/data-points", body: `{"latitude":1,"longitude":1,"value":1,"collected_at":"2020-02-19t11:21:00z"}`},
		"since, in a body": {path: "/v1/failed:retry", body: `{"since":"2020-02-19t11:21:00+01:00","dry_run":true}`},
		"since, in a list": {method: "GET", path: "/v1/failed", query: "since=2020-02-19t11:21:00z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			point, id := b.seed(t, ann)
			replace := strings.NewReplacer("$POINT", point, "$JOB", id)
			c.path, c.body, c.owner = replace.Replace(c.path), replace.Replace(c.body), ann
			if c.method == "" {
				c.method = "POST"
			}
			if got := b.do(t, c); got.status >= 300 || strings.Contains(got.body, `"refused":1`) {
				t.Errorf("%d: %s", got.status, got.body)
			}
		})
	}
	b := start(t)
	point, _ := b.seed(t, ann)
	b.do(t, call{method: "POST", path: "/v1/jobs", body: `{"kind":"enrich","data_point_id":"` + point + `","delay":60.5}`, owner: ann}).into(t, http.StatusUnprocessableEntity, &struct{}{})
	b.do(t, call{method: "POST", path: "/v1/data-points", body: `{"latitude":1,"longitude":1,"value":1,"notes":"\ud800"}`, owner: ann}).into(t, http.StatusBadRequest, &struct{}{})
}

// TestASubjectOwnsRows: or its token is refused, although it is good.
func TestASubjectOwnsRows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sub    string
		status int
	}{
		"255 bytes":       {strings.Repeat("a", 255), http.StatusOK},
		"signs of keys":   {"auth0|u1#x%23", http.StatusOK},
		"256 bytes":       {strings.Repeat("a", 256), http.StatusForbidden},
		"in letters":      {strings.Repeat("\u00e6", 128), http.StatusForbidden},
		"a line break":    {"u\n1", http.StatusForbidden},
		"NUL":             {"u\x00", http.StatusForbidden},
		"hidden":          {"u\u200b1", http.StatusForbidden},
		"no text":         {"u\xff", http.StatusForbidden},
		"a delete":        {"\x7f", http.StatusForbidden},
		"the second set":  {"u\u0085", http.StatusForbidden},
		"a private one":   {"\ue000", http.StatusForbidden},
		"its space stays": {"Ann Example", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := start(t).do(t, call{method: "GET", path: "/v1/jobs", owner: c.sub})
			if got.status != c.status || c.status == http.StatusForbidden && !strings.Contains(got.body, `"FORBIDDEN"`) {
				t.Errorf("%d: %s", got.status, got.body)
			}
		})
	}
}
