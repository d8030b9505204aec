package cdse

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// FaultKind is a way to misbehave.
type FaultKind string

// The faults. The first group ends the call before the request is looked at; the status kinds carry the service's
// error body, or Keycloak's at the token endpoint. Those of the second group change a correct answer and only make
// sense for the Statistical API, FaultEmpty also for the Catalog.
const (
	FaultBadRequest  FaultKind = "400"       // COMMON_BAD_PAYLOAD
	FaultUnauth      FaultKind = "401"       // as for an expired token; at the token endpoint a refused client
	FaultQuota       FaultKind = "403"       // ACCESS_INSUFFICIENT_PROCESSING_UNITS
	FaultForbidden   FaultKind = "forbidden" // 403 for another reason
	FaultRateLimit   FaultKind = "429"       // Retry-After in milliseconds
	FaultInternal    FaultKind = "500"
	FaultUnavailable FaultKind = "503"
	FaultHTML        FaultKind = "html502" // a gateway's page instead of JSON
	FaultSlow        FaultKind = "slow"    // nothing but the delay
	FaultReset       FaultKind = "reset"   // the connection is reset instead of an answer

	FaultNaN     FaultKind = "nan"     // every pixel is masked
	FaultPartial FaultKind = "partial" // PARTIAL: a neighbouring interval has failed
	FaultFailed  FaultKind = "failed"  // FAILED: the interval of the acquisition has failed
	FaultEmpty   FaultKind = "empty"   // no interval at all
)

// Fault is a rule: which calls go wrong, and how. Every rule counts the calls that match its endpoint and box; the
// first rule in the list whose turn it is decides.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Endpoint is token, statistics or catalog; empty is any.
	Endpoint string `json:"endpoint,omitempty"`
	// BBox limits the rule to requests whose own box has its centre in here: west, south, east, north in degrees.
	BBox []float64 `json:"bbox,omitempty"`
	// Nth is the first matching call that is hit, counted from 1; 0 means 1.
	Nth int `json:"nth,omitempty"`
	// Count is how many matching calls are hit from then on; 0 means all.
	Count int `json:"count,omitempty"`
	// RetryAfterMS is the Retry-After header of a 429, in milliseconds as the service sends it; 0 leaves it out.
	RetryAfterMS int `json:"retry_after_ms,omitempty"`
	// DelayMS is waited before the answer, with any kind.
	DelayMS int `json:"delay_ms,omitempty"`
	// Bare sends the error object without its wrapper, as the service's page on rate limits shows it.
	Bare bool `json:"bare,omitempty"`
}

// check refuses rules that could never do what they say.
// A rule that silently matched nothing would make a test pass for the wrong reason.
func (f Fault) check() error {
	// Faults in the data need an endpoint that has data.
	data := []FaultKind{FaultNaN, FaultPartial, FaultFailed, FaultEmpty}
	_, status := f.status()
	other := []FaultKind{FaultHTML, FaultSlow, FaultReset}
	if !status && !slices.Contains(data, f.Kind) && !slices.Contains(other, f.Kind) {
		return fmt.Errorf("kind %q is unknown", f.Kind)
	}
	if !slices.Contains([]string{"", EndpointToken, EndpointStatistics, EndpointCatalog}, f.Endpoint) {
		return fmt.Errorf("endpoint %q is unknown", f.Endpoint)
	}
	if slices.Contains(data, f.Kind) && (f.Endpoint == EndpointToken || f.Endpoint == EndpointCatalog && f.Kind != FaultEmpty) {
		return fmt.Errorf("kind %q means nothing at endpoint %q", f.Kind, f.Endpoint)
	}
	if f.BBox != nil {
		if _, wrong := readBox(f.BBox); wrong != "" || f.Endpoint == EndpointToken {
			return fmt.Errorf("bbox %v cannot match", f.BBox)
		}
	}
	if f.Nth < 0 || f.Count < 0 || f.RetryAfterMS < 0 || f.DelayMS < 0 {
		return errors.New("a number is negative")
	}
	return nil
}

// status is the answer of the kinds that are an error of the service.
func (f Fault) status() (*serviceError, bool) {
	switch f.Kind {
	case FaultBadRequest:
		return newError(http.StatusBadRequest, codeBadPayload, "Invalid request"), true
	case FaultUnauth:
		return newError(http.StatusUnauthorized, codeUnauthorized, notAuthorized), true
	case FaultQuota:
		return newError(http.StatusForbidden, codeNoUnits, "Insufficient processing units or requests available in your account."), true
	case FaultForbidden:
		return newError(http.StatusForbidden, codeForbidden, "Insufficient permissions"), true
	case FaultRateLimit:
		return newError(http.StatusTooManyRequests, codeRateLimit, "You have exceeded your rate limit"), true
	case FaultInternal:
		return newError(http.StatusInternalServerError, codeException, "An unexpected error occurred"), true
	case FaultUnavailable:
		return newError(http.StatusServiceUnavailable, codeException, "Service is temporarily unavailable"), true
	default:
		return nil, false
	}
}

// misbehave applies the faults that do not look at the request; it tells whether the call is over.
func misbehave(w *recorder, r *http.Request, name string, f Fault) bool {
	if f.DelayMS > 0 && !wait(r, time.Duration(f.DelayMS)*time.Millisecond) {
		return true
	}
	switch f.Kind {
	case FaultReset:
		return reset(w)
	case FaultHTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"))
		return true
	case FaultUnauth: // the token endpoint is Keycloak and speaks differently
		if name == EndpointToken {
			writeError(w, badClient("unauthorized_client"), false)
			return true
		}
	default:
	}
	// Slow ends here too: the delay is over and the request goes its way.
	service, ok := f.status()
	if !ok {
		return false
	}
	if f.Kind == FaultRateLimit && f.RetryAfterMS > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfterMS))
	}
	writeError(w, service, f.Bare)
	return true
}

// wait is false when the client went away first.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// lingerer is a TCP connection.
type lingerer interface{ SetLinger(sec int) error }

// reset drops the connection so that the client sees a reset; over HTTP/2 it falls back to no answer of substance.
func reset(w *recorder) bool {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	w.end(0)
	if tcp, ok := conn.(lingerer); ok {
		_ = tcp.SetLinger(0) // without it the client would see an orderly end
	}
	_ = conn.Close() // it is meant to be broken
	return true
}
