package apigw

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// route is a parsed route.
type route struct {
	Route
	method string // "" for ANY
	// parts of the path between slashes; "{id}" is a parameter, "{proxy+}" takes the rest.
	parts []string
	// bucket is the throttle of this route alone.
	bucket *bucket
}

// newRoutes parses routes and puts the most specific first, so that the first match is the right one. Each route gets
// a bucket of its own: default route settings are defaults of every route and not a limit of their sum.
func newRoutes(routes []Route, limit Throttle) ([]*route, error) {
	var all []*route
	for _, given := range routes {
		r, err := parseRoute(given)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o *route) bool { return o.Key == r.Key }) {
			return nil, fmt.Errorf("route %s exists twice", r.Key)
		}
		r.bucket = newBucket(limit)
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b *route) int { return cmp.Compare(a.rank(), b.rank()) })
	return all, nil
}

// parseRoute reads a route key: a method in capitals or ANY, a space, and a path whose segments are literals or
// parameters, of which only the last may take more than one segment. The method is not checked against a list.
func parseRoute(given Route) (*route, error) {
	r := &route{Route: given}
	if given.Invoke == nil {
		return nil, fmt.Errorf("route %q has no function", given.Key)
	}
	// $default has neither method nor path, and matches what nothing else does.
	if given.Key == "$default" {
		return r, nil
	}
	method, path, ok := strings.Cut(given.Key, " ")
	if !ok || !strings.HasPrefix(path, "/") || method != strings.ToUpper(method) || method == "" {
		return nil, fmt.Errorf("route key %q is neither METHOD /path nor $default", given.Key)
	}
	if method != "ANY" {
		r.method = method
	}
	r.parts = strings.Split(path[1:], "/")
	for i, part := range r.parts {
		name, kind := parse(part)
		if kind != static && name == "" || kind == greedy && i != len(r.parts)-1 {
			return nil, fmt.Errorf("route key %q: parameter %s is misplaced or has no name", given.Key, part)
		}
	}
	return r, nil
}

// Kinds of path segments, in the order in which they win.
const (
	static = iota
	param
	greedy
)

// parse reads one segment of a route: "jobs", "{id}" or "{proxy+}".
func parse(part string) (name string, kind int) {
	inner, open := strings.CutPrefix(part, "{")
	inner, shut := strings.CutSuffix(inner, "}")
	if !open || !shut {
		return part, static
	}
	if name, more := strings.CutSuffix(inner, "+"); more {
		return name, greedy
	}
	return inner, param
}

// rank orders routes: literal segments before parameters before greedy ones, from the left; then a method before ANY;
// $default is last. AWS documents full matches before greedy ones before $default; that an exact path with ANY wins
// over a parameter with the right method is assumed.
func (r *route) rank() string {
	if r.Key == "$default" {
		return "~"
	}
	rank := strings.Builder{}
	for _, part := range r.parts {
		_, kind := parse(part)
		rank.WriteByte("012"[kind])
	}
	if r.method == "" {
		return rank.String() + "6"
	}
	return rank.String() + "5"
}

// match finds the route of a request and its path parameters. A path that exists only with other methods does not
// exist: there is no 405. A trailing slash makes another path.
func (a *API) match(method, path string) (*route, map[string]string) {
	// "/" has one segment, which is empty, in routes and in requests alike.
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for _, r := range a.routes {
		if r.Key == "$default" {
			return r, nil
		}
		if params, ok := r.matchPath(parts); ok && (r.method == "" || r.method == method) {
			return r, params
		}
	}
	return nil, nil
}

// matchPath compares segments, which are already decoded, and case matters. A parameter is never empty, a greedy one
// takes the slashes with it.
func (r *route) matchPath(parts []string) (map[string]string, bool) {
	var params map[string]string
	for i, want := range r.parts {
		name, kind := parse(want)
		if i >= len(parts) {
			return nil, false
		}
		value := parts[i]
		if kind == greedy {
			value = strings.Join(parts[i:], "/")
		}
		switch {
		case kind == static && value != want, kind != static && value == "":
			return nil, false
		case kind == static:
			continue
		case params == nil:
			params = map[string]string{}
		}
		params[name] = value
		if kind == greedy {
			return params, true
		}
	}
	return params, len(parts) == len(r.parts)
}

// bucket is a token bucket that starts full; a nil one is never empty.
type bucket struct {
	mu     sync.Mutex
	limit  Throttle
	tokens float64
	at     time.Time
}

func newBucket(limit Throttle) *bucket {
	if limit.Rate <= 0 {
		return nil
	}
	return &bucket{limit: limit, tokens: float64(limit.Burst)}
}

// take takes a token if there is one; it fills up by what the time since the last call has earned.
func (b *bucket) take(now time.Time) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	// The first call finds the bucket full.
	if !b.at.IsZero() {
		b.tokens = min(float64(b.limit.Burst), b.tokens+b.limit.Rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
