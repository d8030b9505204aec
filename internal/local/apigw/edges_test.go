package apigw

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// direct sends one request that is made by hand, so that its path and host may be any.
func direct(t *testing.T, cfg Config, r *http.Request) answer {
	t.Helper()
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", strings.TrimPrefix(serve(t, cfg).URL, "http://"), ""
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

func TestGreedyAndParameterRoutes(t *testing.T) {
	t.Parallel()
	keys := []string{"GET /files/{path+}", "ANY /files/{name}", "GET /files/{name}/versions", "PUT /{a}/{b}", "GET /{a}/{b}/{rest+}"}
	// Whatever the order in which they are given.
	for _, order := range [][]string{keys, slices.Sorted(slices.Values(keys)), {keys[4], keys[3], keys[2], keys[1], keys[0]}} {
		var routes []Route
		for _, key := range order {
			routes = append(routes, Route{Key: key, Invoke: echo})
		}
		cfg := Config{Routes: routes}
		for _, c := range []struct {
			name, method, path, want string
			params                   map[string]string
		}{
			{"a parameter before a greedy one, even for any method", "GET", "/files/x", "ANY /files/{name}", map[string]string{"name": "x"}},
			{"a literal end before a greedy one", "GET", "/files/x/versions", "GET /files/{name}/versions", map[string]string{"name": "x"}},
			{"a greedy one takes the slashes", "GET", "/files/a/b/c", "GET /files/{path+}", map[string]string{"path": "a/b/c"}},
			{"and the last one of them", "GET", "/files/a/", "GET /files/{path+}", map[string]string{"path": "a/"}},
			{"a literal beginning before a parameter", "PUT", "/files/x", "ANY /files/{name}", map[string]string{"name": "x"}},
			{"two parameters", "PUT", "/x/y", "PUT /{a}/{b}", map[string]string{"a": "x", "b": "y"}},
			{"two and a greedy one", "GET", "/x/y/z/z", "GET /{a}/{b}/{rest+}", map[string]string{"a": "x", "b": "y", "rest": "z/z"}},
			{"case matters", "GET", "/Files/x/y", "GET /{a}/{b}/{rest+}", map[string]string{"a": "Files", "b": "x", "rest": "y"}},
			{"decoded once", "PUT", "/x/%2525", "PUT /{a}/{b}", map[string]string{"a": "x", "b": "%25"}},
			{"an empty greedy one", "GET", "/files/", "", nil},
			{"an empty parameter", "PUT", "//y", "", nil},
			{"a method of no route", "DELETE", "/x/y", "", nil},
		} {
			got := direct(t, cfg, httptest.NewRequestWithContext(t.Context(), c.method, "http://api.test"+c.path, nil))
			if c.want == "" {
				if got.status != http.StatusNotFound {
					t.Errorf("%s: %d %s", c.name, got.status, got.body)
				}
				continue
			}
			if e := eventOf(t, got); e.RouteKey != c.want || !maps.Equal(e.PathParameters, c.params) {
				t.Errorf("%s: %s %v, want %s %v", c.name, e.RouteKey, e.PathParameters, c.want, c.params)
			}
		}
	}
}

func TestCookiesHeadersAndQuery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, target string
		header       http.Header
		cookies      []string
		query        map[string]string
		headers      map[string]string // of which "" must not be there
	}{
		{"nothing", "/", nil, nil, nil, map[string]string{"cookie": "", "content-length": "0", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-port": ""}},
		{"cookies without spaces and empty ones", "/", http.Header{"Cookie": {"a=1;b=2; ;", "c=x=y"}}, []string{"a=1", "b=2", "c=x=y"}, nil, map[string]string{"cookie": ""}},
		{"a name without a value", "/?a&b=", nil, nil, map[string]string{"a": "", "b": ""}, nil},
		{"values keep their order", "/?a=3&b=x&a=1&a=3", nil, nil, map[string]string{"a": "3,1,3", "b": "x"}, nil},
		{"decoded names and values", "/?a%20b=c+d%2Ce", nil, nil, map[string]string{"a b": "c d,e"}, nil},
		{"a trace of the client's own", "/", http.Header{"X-Amzn-Trace-Id": {"Root=1-a-b"}}, nil, nil, map[string]string{"x-amzn-trace-id": "Root=1-a-b"}},
		{"two proxies in front", "/", http.Header{"X-Forwarded-For": {"10.0.0.1, 10.0.0.2"}}, nil, nil, map[string]string{"x-forwarded-for": "10.0.0.1, 10.0.0.2, 127.0.0.1"}},
		{"a scheme that the client made up", "/", http.Header{"X-Forwarded-Proto": {"gopher"}}, nil, nil, map[string]string{"x-forwarded-proto": "http"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, c.target, nil)
			maps.Copy(r.Header, c.header)
			r.Host = "abc.execute-api.test"
			e := eventOf(t, direct(t, Config{Routes: []Route{{Key: "GET /", Invoke: echo}}}, r))
			if !slices.Equal(e.Cookies, c.cookies) || !maps.Equal(e.QueryStringParameters, c.query) {
				t.Errorf("cookies %q, query %q", e.Cookies, e.QueryStringParameters)
			}
			for name, want := range c.headers {
				if got, has := e.Headers[name]; got != want || has != (want != "") {
					t.Errorf("header %s: %q, there %v, want %q", name, got, has, want)
				}
			}
			if e.RequestContext.DomainName != r.Host || e.RequestContext.DomainPrefix != "abc" {
				t.Errorf("domain %s, prefix %s", e.RequestContext.DomainName, e.RequestContext.DomainPrefix)
			}
		})
	}
}

// TestAnEmptyRequestHasNoEmptyFields reads the event as it is written: a function may test for the field.
func TestAnEmptyRequestHasNoEmptyFields(t *testing.T) {
	t.Parallel()
	got := direct(t, Config{Routes: []Route{{Key: "$default", Invoke: echo}}}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(got.body), &fields); err != nil {
		t.Fatal(err)
	}
	want := []string{"headers", "isBase64Encoded", "rawPath", "rawQueryString", "requestContext", "routeKey", "version"}
	if names := slices.Sorted(maps.Keys(fields)); !slices.Equal(names, want) || string(fields["rawQueryString"]) != `""` {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestInferredResponses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"an empty text", `""`, ""},
		{"a text with quotes", `"say \"hi\"\n"`, "say \"hi\"\n"},
		{"a text that looks like a response", `"{\"statusCode\":404}"`, `{"statusCode":404}`},
		{"a list with a status code inside", `[{"statusCode":404}]`, `[{"statusCode":404}]`},
		{"a number as it was written", `1.50`, "1.50"},
		{"false", `false`, "false"},
		{"a status code of another spelling", `{"statuscode":404,"body":"x"}`, `{"statuscode":404,"body":"x"}`},
		{"a body without a status code", `{"body":"x","headers":{"Location":"/y"}}`, `{"body":"x","headers":{"Location":"/y"}}`},
		{"an object with spaces around", "\n {\"a\": 1}\t", `{"a": 1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := direct(t, Config{Routes: []Route{{Key: "$default", Invoke: returns(c.in)}}}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			if got.status != http.StatusOK || got.body != c.want || got.header.Get("Content-Type") != "application/json" || got.header.Get("Location") != "" {
				t.Errorf("got %+v, want %q", got, c.want)
			}
		})
	}
}

func TestBucketsFillAndOverflow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		limit Throttle
		at    []time.Duration // since the first
		want  string          // y or n per request
	}{
		{"no limit", Throttle{Burst: 1}, []time.Duration{0, 0, 0}, "yyy"},
		{"no burst", Throttle{Rate: 5}, []time.Duration{0, time.Hour}, "nn"},
		{"a burst and then the rate", Throttle{Rate: 2, Burst: 3}, []time.Duration{0, 0, 0, 0, 500 * time.Millisecond, 500 * time.Millisecond}, "yyynyn"},
		{"halves add up", Throttle{Rate: 1, Burst: 1}, []time.Duration{0, 500 * time.Millisecond, time.Second}, "yny"},
		{"a refusal costs nothing", Throttle{Rate: 1, Burst: 1}, []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, 750 * time.Millisecond, time.Second}, "ynnny"},
		{"rest is not saved beyond the burst", Throttle{Rate: 100, Burst: 2}, []time.Duration{0, time.Hour, time.Hour, time.Hour}, "yyyn"},
		{"less than one per second", Throttle{Rate: 0.25, Burst: 1}, []time.Duration{0, 2 * time.Second, 4 * time.Second}, "yny"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, start, got := newBucket(c.limit), time.Now(), strings.Builder{}
			for _, d := range c.at {
				if b.take(start.Add(d)) {
					got.WriteByte('y')
				} else {
					got.WriteByte('n')
				}
			}
			if got.String() != c.want {
				t.Errorf("got %s, want %s", got.String(), c.want)
			}
		})
	}
}

// TestAThrottledRequestReachesNobody also knows that a path without a route costs no token of any.
func TestAThrottledRequestReachesNobody(t *testing.T) {
	t.Parallel()
	all := newTokens(t)
	server := serve(t, Config{
		Throttle: Throttle{Rate: 1e-6, Burst: 1}, JWT: &JWT{Issuer: all.URL(), Audience: []string{"orbitq"}},
		Routes: []Route{{Key: "GET /closed", Invoke: echo, Authorize: true}, {Key: "POST /{any+}", Invoke: echo}},
	})
	for i, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/none", 404}, {"GET", "/closed", 401}, {"GET", "/closed", 429}, {"POST", "/a", 200}, {"POST", "/b/c", 429}, {"GET", "/none", 404}} {
		if got := ask(t, c.method, server.URL+c.path, ""); got.status != c.want {
			t.Errorf("request %d, %s %s: %d, want %d", i, c.method, c.path, got.status, c.want)
		}
	}
}

func TestBodiesOfAboutTheLimit(t *testing.T) {
	t.Parallel()
	cfg := Config{Routes: []Route{{Key: "POST /", Invoke: returns(`{"statusCode":204}`)}}}
	for _, c := range []struct {
		name, contentType, body string
		want                    int
	}{
		{"text below the event's limit", "text/plain", strings.Repeat("x", maxEvent-4096), 204},
		{"the same bytes encoded", "application/octet-stream", strings.Repeat("x", maxEvent-4096), 413},
		{"as much as encoding allows", "application/octet-stream", strings.Repeat("x", maxEvent/4*3-4096), 204},
		{"text that doubles when it is quoted", "application/json", strings.Repeat(`"`, maxEvent/2+1), 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.body))
			r.Header.Set("Content-Type", c.contentType)
			if got := direct(t, cfg, r); got.status != c.want {
				t.Errorf("got %d, want %d", got.status, c.want)
			}
		})
	}
}

func TestABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	api, err := New(Config{Routes: []Route{{Key: "POST /", Invoke: echo}}})
	if err != nil {
		t.Fatal(err)
	}
	body := io.MultiReader(strings.NewReader("{"), brokenReader{})
	_, err = api.serve(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body), &exchange{})
	if no, ok := errors.AsType[*refusal](err); !ok || no.status != http.StatusBadRequest || no.message != "Bad Request" {
		t.Errorf("got %v", err)
	}
}

// brokenReader is a connection that is gone.
type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestCORSOfRefusalsAndOddRequests(t *testing.T) {
	t.Parallel()
	routes := []Route{{Key: "GET /", Invoke: echo}, {Key: "OPTIONS /own", Invoke: returns(`"own"`)}}
	for _, c := range []struct {
		name, method, path string
		cors               *CORS
		header             []string
		status             int
		origin             string
	}{
		{"a refusal can be read", "GET", "/none", &CORS{AllowOrigins: []string{"*"}}, []string{"Origin", "https://a.test"}, 404, "*"},
		{"a preflight needs no route", "OPTIONS", "/none", &CORS{AllowOrigins: []string{"*"}}, []string{"Origin", "https://a.test", "Access-Control-Request-Method", "GET"}, 204, "*"},
		{"a preflight without an origin is none", "OPTIONS", "/own", &CORS{AllowOrigins: []string{"*"}}, []string{"Access-Control-Request-Method", "GET"}, 200, ""},
		{"OPTIONS that asks for no method is none", "OPTIONS", "/own", &CORS{AllowOrigins: []string{"*"}}, []string{"Origin", "https://a.test"}, 200, "*"},
		{"without a configuration it is a route", "OPTIONS", "/own", nil, []string{"Origin", "https://a.test", "Access-Control-Request-Method", "GET"}, 200, ""},
		{"and without that there is none", "OPTIONS", "/none", nil, []string{"Origin", "https://a.test", "Access-Control-Request-Method", "GET"}, 404, ""},
		{"credentials name the origin", "GET", "/", &CORS{AllowOrigins: []string{"*"}, AllowCredentials: true}, []string{"Origin", "https://a.test"}, 200, "https://a.test"},
		{"another scheme", "GET", "/", &CORS{AllowOrigins: []string{"https://*"}}, []string{"Origin", "http://a.test"}, 200, ""},
		{"another port", "GET", "/", &CORS{AllowOrigins: []string{"https://a.test"}}, []string{"Origin", "https://a.test:8443"}, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, c.method, serve(t, Config{Routes: routes, CORS: c.cors}).URL+c.path, "", c.header...)
			if got.status != c.status || got.header.Get("Access-Control-Allow-Origin") != c.origin || got.header.Get("Access-Control-Max-Age") != "" {
				t.Errorf("got %d %v, want %d %q", got.status, got.header, c.status, c.origin)
			}
		})
	}
}
