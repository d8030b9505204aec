package apigw

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// echo is a function that returns its event as a plain value.
func echo(_ context.Context, payload []byte) ([]byte, string, error) { return payload, "", nil }

// returns is a function that returns a text.
func returns(text string) Invoke {
	return func(context.Context, []byte) ([]byte, string, error) { return []byte(text), "", nil }
}

// serve starts an API.
func serve(t *testing.T, cfg Config) *httptest.Server {
	t.Helper()
	api, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return server
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask makes one request; headers are name, value pairs.
func ask(t *testing.T, method, url, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Add(pair[0], pair[1])
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
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

// eventOf reads what echo returned.
func eventOf(t *testing.T, a answer) (e events.APIGatewayV2HTTPRequest) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return e
}

func TestRoutePrecedence(t *testing.T) {
	t.Parallel()
	var routes []Route
	for _, key := range []string{
		"$default", "ANY /{proxy+}", "GET /pets/{proxy+}", "GET /pets/dog/{id}", "GET /pets/dog/1", "ANY /pets/dog/1",
		"GET /v1/jobs", "POST /v1/jobs", "GET /v1/jobs/{id}", "GET /",
	} {
		routes = append(routes, Route{Key: key, Invoke: echo})
	}
	server := serve(t, Config{Routes: routes})
	for _, c := range []struct {
		method, path, want string
		params             map[string]string
	}{
		{"GET", "/pets/dog/1", "GET /pets/dog/1", nil},
		{"PUT", "/pets/dog/1", "ANY /pets/dog/1", nil},
		{"GET", "/pets/dog/2", "GET /pets/dog/{id}", map[string]string{"id": "2"}},
		{"GET", "/pets/cat/1", "GET /pets/{proxy+}", map[string]string{"proxy": "cat/1"}},
		{"POST", "/pets/cat/1", "ANY /{proxy+}", map[string]string{"proxy": "pets/cat/1"}},
		{"GET", "/v1/jobs", "GET /v1/jobs", nil},
		{"POST", "/v1/jobs", "POST /v1/jobs", nil},
		{"DELETE", "/v1/jobs", "ANY /{proxy+}", map[string]string{"proxy": "v1/jobs"}},
		{"GET", "/v1/jobs/a%20b", "GET /v1/jobs/{id}", map[string]string{"id": "a b"}},
		{"GET", "/v1/jobs/", "ANY /{proxy+}", map[string]string{"proxy": "v1/jobs/"}},
		{"GET", "/", "GET /", nil},
		{"POST", "/", "$default", nil},
	} {
		e := eventOf(t, ask(t, c.method, server.URL+c.path, ""))
		if e.RouteKey != c.want || e.RequestContext.RouteKey != c.want || !maps.Equal(e.PathParameters, c.params) {
			t.Errorf("%s %s: %s %v, want %s %v", c.method, c.path, e.RouteKey, e.PathParameters, c.want, c.params)
		}
	}
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	server := serve(t, Config{Routes: []Route{{Key: "GET /v1/jobs/{id}", Invoke: echo}}})
	for _, c := range []struct{ method, path string }{{"GET", "/"}, {"POST", "/v1/jobs/1"}, {"HEAD", "/v1/jobs/1"}, {"GET", "/v1/jobs"}, {"GET", "/v1/jobs/"}, {"GET", "/v1/jobs/1/2"}} {
		got := ask(t, c.method, server.URL+c.path, "")
		if got.status != http.StatusNotFound || c.method != "HEAD" && got.body != `{"message":"Not Found"}` || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %+v", c.method, c.path, got)
		}
	}
}

func TestNewRefusesBrokenRoutes(t *testing.T) {
	t.Parallel()
	for name, routes := range map[string][]Route{
		"no function":        {{Key: "GET /"}},
		"no path":            {{Key: "GET", Invoke: echo}},
		"relative path":      {{Key: "GET x", Invoke: echo}},
		"lower case":         {{Key: "get /", Invoke: echo}},
		"twice":              {{Key: "GET /", Invoke: echo}, {Key: "GET /", Invoke: echo}},
		"nameless parameter": {{Key: "GET /{}", Invoke: echo}},
		"greedy in between":  {{Key: "GET /{a+}/b", Invoke: echo}},
		"no authorizer":      {{Key: "GET /", Invoke: echo, Authorize: true}},
	} {
		if _, err := New(Config{Routes: routes}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEventFormat(t *testing.T) {
	t.Parallel()
	server := serve(t, Config{ID: "api1", Account: "123456789012", Routes: []Route{{Key: "POST /v1/{id}", Invoke: echo}}})
	before := time.Now().UnixMilli()
	got := ask(t, "POST", server.URL+"/v1/7?b=2&a=1&a=x%20y", `{"x":1}`, "Content-Type", "application/json; charset=utf-8", "X-Many", "1", "X-Many", "2",
		"Cookie", "a=1; b=2", "Cookie", "c=3", "User-Agent", "probe/1", "X-Forwarded-For", "10.1.1.1")
	e := eventOf(t, got)
	if e.Version != "2.0" || e.RawPath != "/v1/7" || e.RawQueryString != "b=2&a=1&a=x%20y" || e.Body != `{"x":1}` || e.IsBase64Encoded {
		t.Errorf("event %s", got.body)
	}
	if !maps.Equal(e.QueryStringParameters, map[string]string{"a": "1,x y", "b": "2"}) || !slices.Equal(e.Cookies, []string{"a=1", "b=2", "c=3"}) {
		t.Errorf("query %v, cookies %v", e.QueryStringParameters, e.Cookies)
	}
	for name, want := range map[string]string{
		"x-many": "1,2", "content-type": "application/json; charset=utf-8", "user-agent": "probe/1", "content-length": "7", "x-forwarded-for": "10.1.1.1, 127.0.0.1",
	} {
		if e.Headers[name] != want {
			t.Errorf("header %s is %q, want %q", name, e.Headers[name], want)
		}
	}
	if _, has := e.Headers["cookie"]; has || e.Headers["host"] == "" || e.Headers["x-amzn-trace-id"] == "" {
		t.Errorf("headers %v", e.Headers)
	}
	c := e.RequestContext
	if c.APIID != "api1" || c.AccountID != "123456789012" || c.Stage != "$default" || c.DomainName != "127.0.0.1" || c.RequestID != got.header.Get("Apigw-Requestid") || c.Authorizer != nil {
		t.Errorf("context %+v", c)
	}
	if c.HTTP != (events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: "POST", Path: "/v1/7", Protocol: "HTTP/1.1", SourceIP: "127.0.0.1", UserAgent: "probe/1"}) {
		t.Errorf("http %+v", c.HTTP)
	}
	if at, err := time.Parse("02/Jan/2006:15:04:05 -0700", c.Time); err != nil || c.TimeEpoch < before || c.TimeEpoch > time.Now().UnixMilli() || at.Unix() != c.TimeEpoch/1000 {
		t.Errorf("time %s, epoch %d: %v", c.Time, c.TimeEpoch, err)
	}
	if !regexp.MustCompile(`^[\w-]{15}=$`).MatchString(c.RequestID) {
		t.Errorf("request id %q", c.RequestID)
	}
	if strings.Contains(got.body, "authorizer") || strings.Contains(got.body, "stageVariables") {
		t.Errorf("fields that are not there: %s", got.body)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	server := serve(t, Config{Routes: []Route{{Key: "$default", Invoke: echo}}})
	for _, c := range []struct {
		contentType, body string
		encoded           bool
	}{
		{"application/json", "{}", false},
		{"application/xml", "<a/>", false},
		{"text/csv; charset=utf-8", "a,ü", false},
		{"application/javascript", "1", false},
		{"application/x-www-form-urlencoded", "a=1", true},
		{"application/problem+json", "{}", true},
		{"application/octet-stream", "\x00\xff", true},
		{"application/json", "\xff", true},
		{"", "plain", true},
		{"", "", false},
	} {
		var headers []string
		if c.contentType != "" {
			headers = []string{"Content-Type", c.contentType}
		}
		e := eventOf(t, ask(t, "POST", server.URL, c.body, headers...))
		text := e.Body
		if e.IsBase64Encoded {
			plain, err := base64.StdEncoding.DecodeString(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			text = string(plain)
		}
		if e.IsBase64Encoded != c.encoded || text != c.body {
			t.Errorf("%s %q: encoded %v, body %q", c.contentType, c.body, e.IsBase64Encoded, text)
		}
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	const plain = "text/plain;charset=UTF-8"
	const own = "application/json"
	broken := `{"message":"Internal Server Error"}`
	for _, c := range []struct {
		name, text  string
		status      int
		contentType string
		body        string
	}{
		{"full", `{"statusCode":201,"headers":{"Content-Type":"application/problem+json","Location":"/x"},"body":"{}"}`, 201, "application/problem+json", "{}"},
		{"status as text", `{"statusCode":"202","body":"ok"}`, 202, plain, "ok"},
		{"no body", `{"statusCode":204}`, 204, "", ""},
		{"null body", `{"statusCode":200,"body":null,"headers":null,"cookies":null,"isBase64Encoded":null}`, 200, "", ""},
		{"base64", `{"statusCode":200,"headers":{"content-type":"image/png"},"body":"AAH/","isBase64Encoded":true}`, 200, "image/png", "\x00\x01\xff"},
		{"plain object", `{"message":"hi"}`, 200, own, `{"message":"hi"}`},
		{"plain text", `"Hello from Lambda!"`, 200, own, "Hello from Lambda!"},
		{"plain list", ` [1, 2] `, 200, own, "[1, 2]"},
		{"null", `null`, 200, own, "null"},
		{"not JSON", `oops`, 500, own, broken},
		{"nothing", ``, 500, own, broken},
		{"status out of range", `{"statusCode":1000}`, 500, own, broken},
		{"status of another type", `{"statusCode":true}`, 500, own, broken},
		{"body of another type", `{"statusCode":200,"body":{"a":1}}`, 500, own, broken},
		{"base64 that is none", `{"statusCode":200,"body":"%","isBase64Encoded":true}`, 500, own, broken},
		{"header is a list", `{"statusCode":200,"headers":{"a":["b"]}}`, 500, own, broken},
		{"headers are a list", `{"statusCode":200,"headers":[]}`, 500, own, broken},
		{"cookies are text", `{"statusCode":200,"cookies":"a=1"}`, 500, own, broken},
		{"encoding of another type", `{"statusCode":200,"body":"","isBase64Encoded":"yes"}`, 500, own, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, Config{Routes: []Route{{Key: "$default", Invoke: returns(c.text)}}})
			got := ask(t, "GET", server.URL, "")
			if got.status != c.status || got.body != c.body || got.header.Get("Content-Type") != c.contentType || got.header.Get("Apigw-Requestid") == "" {
				t.Errorf("got %+v", got)
			}
		})
	}
	server := serve(t, Config{Routes: []Route{{Key: "$default", Invoke: returns(
		`{"statusCode":200,"headers":{"X-Number":1.50,"x-bool":true,"X-None":null,"Content-Length":"99","Connection":"close"},"cookies":["a=1; Secure","b=2"],"body":"ok"}`)}}})
	got := ask(t, "GET", server.URL, "")
	if got.header.Get("X-Number") != "1.50" || got.header.Get("X-Bool") != "true" || got.header.Values("X-None") != nil || got.body != "ok" ||
		!slices.Equal(got.header.Values("Set-Cookie"), []string{"a=1; Secure", "b=2"}) {
		t.Errorf("got %+v", got)
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		invoke Invoke
		status int
		body   string
	}{
		{"function error", func(context.Context, []byte) ([]byte, string, error) {
			return []byte(`{"errorType":"x"}`), "Unhandled", nil
		}, 500, `{"message":"Internal Server Error"}`},
		{"throttled", func(context.Context, []byte) ([]byte, string, error) { return nil, "", errors.New("TooManyRequests") }, 503, `{"message":"Service Unavailable"}`},
		{"too slow", func(ctx context.Context, _ []byte) ([]byte, string, error) { <-ctx.Done(); return nil, "", ctx.Err() }, 503, `{"message":"Service Unavailable"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := serve(t, Config{Timeout: 20 * time.Millisecond, Routes: []Route{{Key: "$default", Invoke: c.invoke}}})
			if got := ask(t, "GET", server.URL, ""); got.status != c.status || got.body != c.body {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	server := serve(t, Config{Routes: []Route{{Key: "$default", Invoke: returns("1")}}})
	for _, c := range []struct{ size, status int }{{1 << 20, 200}, {maxEvent, 413}, {MaxBody, 413}, {MaxBody + 1, 413}} {
		got := ask(t, "POST", server.URL, strings.Repeat("x", c.size), "Content-Type", "text/plain")
		if got.status != c.status || c.status == 413 && got.body != `{"message":"Request Entity Too Large"}` {
			t.Errorf("%d bytes: %d %s", c.size, got.status, got.body)
		}
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	server := serve(t, Config{Throttle: Throttle{Rate: 0.001, Burst: 2}, Routes: []Route{{Key: "GET /a", Invoke: returns("1")}, {Key: "GET /b", Invoke: returns("1")}}})
	for i, want := range []int{200, 200, 429} {
		if got := ask(t, "GET", server.URL+"/a", ""); got.status != want || want == 429 && got.body != `{"message":"Too Many Requests"}` {
			t.Errorf("request %d: %+v", i, got)
		}
	}
	if got := ask(t, "GET", server.URL+"/b", ""); got.status != 200 {
		t.Errorf("another route: %+v", got)
	}
	b := newBucket(Throttle{Rate: 10, Burst: 1})
	now := time.Now()
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, false}, {50 * time.Millisecond, false}, {100 * time.Millisecond, true}, {time.Hour, true}, {time.Hour, false}} {
		if got := b.take(now.Add(c.after)); got != c.want {
			t.Errorf("take %d: %v", i, got)
		}
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	cfg := Config{
		Routes: []Route{{Key: "GET /", Invoke: returns(`{"statusCode":200,"headers":{"access-control-allow-origin":"https://evil.test"},"body":"x"}`)}},
		CORS:   &CORS{AllowOrigins: []string{"https://a.test"}, AllowMethods: []string{"GET", "POST"}, AllowHeaders: []string{"authorization"}, ExposeHeaders: []string{"location"}, MaxAge: 60},
	}
	server := serve(t, cfg)
	for _, c := range []struct {
		name, method, origin, preflight string
		status                          int
		want                            map[string]string
	}{
		{"preflight", "OPTIONS", "https://a.test", "GET", 204, map[string]string{
			"Access-Control-Allow-Origin": "https://a.test", "Access-Control-Allow-Methods": "GET,POST", "Access-Control-Allow-Headers": "authorization", "Access-Control-Max-Age": "60",
		}},
		{"preflight of another origin", "OPTIONS", "https://b.test", "GET", 204, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"request", "GET", "https://a.test", "", 200, map[string]string{"Access-Control-Allow-Origin": "https://a.test", "Access-Control-Expose-Headers": "location", "Access-Control-Allow-Methods": ""}},
		{"request of another origin", "GET", "https://b.test", "", 200, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"request without origin", "GET", "", "", 200, map[string]string{"Access-Control-Allow-Origin": ""}},
	} {
		var headers []string
		if c.origin != "" {
			headers = append(headers, "Origin", c.origin)
		}
		if c.preflight != "" {
			headers = append(headers, "Access-Control-Request-Method", c.preflight)
		}
		got := ask(t, c.method, server.URL, "", headers...)
		if got.status != c.status {
			t.Errorf("%s: status %d", c.name, got.status)
		}
		for name, want := range c.want {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got.header.Get(name), want)
			}
		}
	}
	all := serve(t, Config{Routes: cfg.Routes, CORS: &CORS{AllowOrigins: []string{"*"}}})
	if got := ask(t, "GET", all.URL, "", "Origin", "https://b.test"); got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("any origin: %v", got.header)
	}
	some := serve(t, Config{Routes: cfg.Routes, CORS: &CORS{AllowOrigins: []string{"https://*"}, AllowCredentials: true}})
	if got := ask(t, "GET", some.URL, "", "Origin", "https://b.test"); got.header.Get("Access-Control-Allow-Origin") != "https://b.test" || got.header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("any https origin: %v", got.header)
	}
}

func TestAccessLog(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var log strings.Builder
	w := writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	})
	fails := func(context.Context, []byte) ([]byte, string, error) { return nil, "Unhandled", nil }
	server := serve(t, Config{
		AccessLog: w, Routes: []Route{{Key: "GET /ok", Invoke: returns(`"x"`)}, {Key: "GET /bad", Invoke: fails}},
		AccessLogFormat: `{"route":"$context.routeKey","status":"$context.status","n":"$context.responseLength","i":"$context.integrationStatus","why":"$context.integrationErrorMessage","ua":"$context.identity.userAgent","?":"$context.unknown","id":"$context.requestId"}`,
	})
	var ids []string
	for _, path := range []string{"/ok", "/bad", "/none"} {
		ids = append(ids, ask(t, "GET", server.URL+path, "", "User-Agent", `a"b`).header.Get("Apigw-Requestid"))
	}
	server.Close() // waits for the log of the last
	mu.Lock()
	defer mu.Unlock()
	want := `{"route":"GET /ok","status":"200","n":"1","i":"200","why":"-","ua":"a\"b","?":"-","id":"` + ids[0] + `"}
{"route":"GET /bad","status":"500","n":"35","i":"-","why":"The Lambda function returned the following error: Unhandled. Check your Lambda function code and try again.","ua":"a\"b","?":"-","id":"` + ids[1] + `"}
{"route":"-","status":"404","n":"23","i":"-","why":"-","ua":"a\"b","?":"-","id":"` + ids[2] + `"}
`
	if log.String() != want {
		t.Errorf("got\n%s\nwant\n%s", log.String(), want)
	}
}

// writerFunc is a function as a writer.
type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
