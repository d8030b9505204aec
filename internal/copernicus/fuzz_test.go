package copernicus

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"orbitq/internal/job"
	"orbitq/internal/satellite"
)

// FuzzStatistics gives any answer to the decoder. What comes out can be stored and shown: days of the window, shares
// that are shares, numbers that are finite; and no answer makes the client ask more often than there are days.
func FuzzStatistics(f *testing.F) {
	f.Add([]byte(`{"status":"OK","data":[]}`))
	f.Add([]byte(`{"status":"PARTIAL","data":[{"interval":{"from":"2020-02-19T00:00:00Z","to":"2020-02-20T00:00:00Z"},"error":{"type":"TIMEOUT"}}]}`))
	window := satellite.Window{From: time.Date(2020, 2, 12, 0, 0, 0, 0, time.UTC), To: time.Date(2020, 2, 27, 0, 0, 0, 0, time.UTC)}
	f.Fuzz(func(t *testing.T, body []byte) {
		var s statisticsAnswer
		if json.Unmarshal(body, &s) != nil {
			return
		}
		days, failed, err := s.read(window)
		if err != nil && len(days)+len(failed) > 0 || len(days)+len(failed) > 15 {
			t.Fatalf("%d days, %d failed, %v", len(days), len(failed), err)
		}
		for _, w := range failed {
			if w.From.Before(window.From) || w.To.After(window.To) || !w.From.Before(w.To) {
				t.Errorf("asks again for %v", w)
			}
		}
		for i := range days {
			usable(t, &days[i], window)
		}
	})
}

// usable fails for a day that could not be stored or shown.
func usable(t *testing.T, d *satellite.Day, window satellite.Window) {
	t.Helper()
	if d.Date.Before(window.From) || !d.Date.Before(window.To) || !d.Date.Equal(satellite.DayOf(d.Date)) {
		t.Errorf("day is %s", d.Date)
	}
	for _, share := range []float64{d.CloudFraction, d.SnowFraction, d.WaterFraction, d.ValidFraction} {
		if !(share >= 0 && share <= 1) {
			t.Errorf("a share is %g in %+v", share, d)
		}
	}
	for i, s := range d.Indices {
		if s == nil {
			continue
		}
		sum := s.Mean + s.Min + s.Max + s.StDev
		if math.IsNaN(sum) || s.SampleCount <= s.NoDataCount || s.NoDataCount < 0 {
			t.Errorf("%s is %+v", satellite.IndexNames()[i], s)
		}
	}
}

// FuzzFault gives any error answer to the mapper: the text stays short and clean, the wait stays within its bounds.
func FuzzFault(f *testing.F) {
	f.Add(429, "3398", []byte(`{"error":{"status":429,"code":"RATE_LIMIT_EXCEEDED"}}`))
	f.Add(403, "", []byte(`{"code":"ACCESS_INSUFFICIENT_PROCESSING_UNITS","message":"token"}`))
	f.Add(502, "99999999999999999999", []byte("<html>"))
	f.Add(400, "-", []byte(`{"error":{"error":{"message":"\ud800"}}}`))
	f.Fuzz(func(t *testing.T, status int, header string, body []byte) {
		now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
		err := fault(status, answer{body: body, header: http.Header{"Retry-After": {header}}}, now, strings.NewReplacer("token", "[hidden]"))
		var e *job.Error
		if !errors.As(err, &e) || len(e.Message) > 300 || strings.Contains(e.Message, "token") || !utf8.ValidString(e.Message) {
			t.Fatalf("%v", err)
		}
		wait := e.RetryAfter
		switch e.Code {
		case job.ProviderRateLimit:
			if wait < time.Second || wait > 15*time.Minute {
				t.Errorf("waits %s for %q", wait, header)
			}
		case job.ProviderQuota:
			if wait != 28*24*time.Hour {
				t.Errorf("waits %s in February", wait)
			}
		default:
			if wait != 0 {
				t.Errorf("%s waits %s", e.Code, wait)
			}
		}
	})
}
