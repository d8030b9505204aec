package cdse

import (
	"errors"
	"math"
	"testing"
	"time"
)

// FuzzDecodeStat demands that whatever passes the decoder is safe to compute, and that whatever does not is a 400.
func FuzzDecodeStat(f *testing.F) {
	f.Add([]byte(`{"input":{"bounds":{"bbox":[-11.3,25,-11.2,25.1]},"data":[{"type":"sentinel-2-l2a"}]},
		"aggregation":{"timeRange":{"from":"2020-02-12T00:00:00Z","to":"2020-02-27T00:00:00Z"},
		"aggregationInterval":{"of":"P1D"},"evalscript":"//VERSION=3"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, err := decodeStat(raw)
		centre(raw)
		if err != nil {
			wantBadPayload(t, err)
			return
		}
		if req.width < 1 || req.width > maxSide || req.height < 1 || req.height > maxSide {
			t.Errorf("raster of %d x %d", req.width, req.height)
		}
		for i, v := range req.box {
			if math.IsNaN(v) || math.IsInf(v, 0) || i < 2 && v >= req.box[i+2] {
				t.Errorf("box %v", req.box)
			}
		}
		if req.crs == nil || req.script == "" || !req.whole.From.Before(req.whole.To) {
			t.Errorf("incomplete request %+v", req)
		}
		checkInterval(t, req)
	})
}

func checkInterval(t *testing.T, req statRequest) {
	t.Helper()
	instant := time.Date(2020, 2, 19, 11, 34, 25, 0, time.UTC)
	s, ok := intervalAt(req.whole, req.every, req.last, instant)
	if !ok {
		return
	}
	if !s.holds(instant) || s.From.Before(req.whole.From) || req.last != lastExtend && s.To.After(req.whole.To) {
		t.Errorf("interval %v of %+v", s, req)
	}
}

// FuzzDecodeSearch demands the same of catalog searches.
func FuzzDecodeSearch(f *testing.F) {
	f.Add([]byte(`{"collections":["sentinel-2-l2a"],"datetime":"2020-01-01T00:00:00Z/..","bbox":[-12,24,-10,26],"limit":5}`))
	f.Add([]byte(`{"collections":["sentinel-2-l2a"],"datetime":"2020-01-01T00:00:00Z","intersects":{"type":"Point","coordinates":[1,2]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := decodeSearch(raw)
		if err != nil {
			wantBadPayload(t, err)
			return
		}
		if q.limit < 1 || q.limit > 100 || q.next < 0 || q.from.IsZero() && q.to.IsZero() {
			t.Errorf("search %+v", q)
		}
		q.area.touches(ring{{-11.4, 25.2}, {-10.9, 25.3}, {-10.9, 24.8}, {-11.4, 24.8}})
	})
}

func wantBadPayload(t *testing.T, err error) {
	t.Helper()
	var fault *serviceError
	if !errors.As(err, &fault) || fault.Status != 400 || fault.Code != codeBadPayload || fault.Message == "" {
		t.Errorf("error is %v", err)
	}
}
