package apigw

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// variable finds what is replaced in a log format. A dot at the end of a name is the format's and not the name's.
var variable = regexp.MustCompile(`\$context\.[A-Za-z0-9_.]*[A-Za-z0-9_]`)

// accessLog writes one line per request, after the answer, whole lines only.
type accessLog struct {
	mu     sync.Mutex
	out    io.Writer // nil: no log
	format string
}

func newAccessLog(out io.Writer, format string) *accessLog {
	set(&format, `{"requestId":"$context.requestId","route":"$context.routeKey","status":"$context.status"}`)
	return &accessLog{out: out, format: strings.TrimSpace(format) + "\n"}
}

// write logs a finished exchange; a log that cannot be written does not stop the API.
func (l *accessLog) write(a *API, x *exchange, r *http.Request) {
	if l.out == nil {
		return
	}
	line := variable.ReplaceAllStringFunc(l.format, func(name string) string {
		return escape(x.value(a, r, strings.TrimPrefix(name, "$context.")))
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.out, line)
}

// escape makes a value fit between the quotes of a JSON format, so that no client can write fields of its own into the
// log; what is not known is a dash.
func escape(value string) string {
	if value == "" {
		return "-"
	}
	quoted, err := json.Marshal(value)
	if err != nil { // a string
		return "-"
	}
	return string(quoted[1 : len(quoted)-1])
}

// value finds a variable, or nothing. The names are API Gateway's; those of which it has two spellings are here twice.
func (x *exchange) value(a *API, r *http.Request, name string) string {
	// The one family of names that is open: every claim of the token.
	if claim, ok := strings.CutPrefix(name, "authorizer.claims."); ok && x.token != nil {
		return claimText(x.token.claims[claim])
	}
	values := map[string]string{
		"accountId": a.cfg.Account, "apiId": a.cfg.ID, "stage": "$default", "domainName": r.Host,
		"requestId": x.id, "extendedRequestId": x.id, "requestTime": x.time(), "requestTimeEpoch": strconv.FormatInt(x.began.Unix(), 10),
		"httpMethod": r.Method, "path": r.URL.Path, "protocol": r.Proto,
		"identity.sourceIp": sourceIP(r), "identity.userAgent": r.UserAgent(),
		"status": strconv.Itoa(x.status), "responseLength": strconv.Itoa(x.length),
		"responseLatency": strconv.FormatInt(time.Since(x.began).Milliseconds(), 10),
		"error.message":   x.problem, "error.messageString": fmt.Sprintf("%q", x.problem),
		"authorizer.error": x.authError, "integrationErrorMessage": x.integrationError, "integration.error": x.integrationError,
	}
	if x.route != nil {
		values["routeKey"] = x.route.Key
	}
	// No latency is not a latency of zero: the function was never asked.
	if x.integrationTook > 0 {
		ms := strconv.FormatInt(x.integrationTook.Milliseconds(), 10)
		values["integrationLatency"], values["integration.latency"] = ms, ms
	}
	if x.integrationStatus > 0 {
		code := strconv.Itoa(x.integrationStatus)
		values["integrationStatus"], values["integration.integrationStatus"] = code, code
	}
	return values[name]
}
