package apigw

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// event is a request in payload format 2.0. What the request does not have is left out, as API Gateway leaves it out:
// a function that tests for the field, and not for its value, sees the same. The types of aws-lambda-go would not do:
// they write fields that a real event does not have.
type event struct {
	Version  string `json:"version"`
	RouteKey string `json:"routeKey"`
	// RawPath is decoded, whatever its name says.
	RawPath         string            `json:"rawPath"`
	RawQueryString  string            `json:"rawQueryString"`
	Cookies         []string          `json:"cookies,omitempty"`
	Headers         map[string]string `json:"headers"`
	Query           map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext  eventContext      `json:"requestContext"`
	PathParameters  map[string]string `json:"pathParameters,omitempty"`
	Body            string            `json:"body,omitempty"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
}

// eventContext is what API Gateway knows of the request.
type eventContext struct {
	AccountID    string           `json:"accountId"`
	APIID        string           `json:"apiId"`
	Authorizer   *eventAuthorizer `json:"authorizer,omitempty"`
	DomainName   string           `json:"domainName"`
	DomainPrefix string           `json:"domainPrefix"`
	HTTP         eventHTTP        `json:"http"`
	RequestID    string           `json:"requestId"`
	RouteKey     string           `json:"routeKey"`
	Stage        string           `json:"stage"`
	Time         string           `json:"time"`
	TimeEpoch    int64            `json:"timeEpoch"`
}

// eventHTTP is what the request line and the connection say.
type eventHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// eventAuthorizer is what the authorizer found; it is not there on open routes.
type eventAuthorizer struct {
	JWT struct {
		Claims map[string]string `json:"claims"` // all of the token, as text
		Scopes []string          `json:"scopes"` // null when the route asks for none
	} `json:"jwt"`
}

// event writes the request for the function; the error is a refusal. A body over the limit of the API and an event
// over the limit of Lambda look the same to a client.
func (a *API) event(r *http.Request, x *exchange) ([]byte, error) {
	tooLarge := &refusal{status: http.StatusRequestEntityTooLarge, message: "Request Entity Too Large"}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return nil, tooLarge
	}
	if err != nil {
		return nil, &refusal{status: http.StatusBadRequest, message: "Bad Request"}
	}
	// The domain has no port, and its prefix is the API's id on AWS.
	host, _, _ := strings.Cut(r.Host, ":")
	prefix, _, _ := strings.Cut(host, ".")
	e := event{
		Version: "2.0", RouteKey: x.route.Key, RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery,
		Cookies: cookies(r), Headers: headers(r, x, len(body)), Query: query(r), PathParameters: x.params,
		RequestContext: eventContext{
			AccountID: a.cfg.Account, APIID: a.cfg.ID, Authorizer: x.token.authorizer(),
			DomainName: host, DomainPrefix: prefix, RequestID: x.id, RouteKey: x.route.Key, Stage: "$default",
			HTTP: eventHTTP{r.Method, r.URL.Path, r.Proto, sourceIP(r), r.UserAgent()},
			Time: x.time(), TimeEpoch: x.began.UnixMilli(),
		},
	}
	// An absent body is absent, whatever its type would be.
	e.Body = string(body)
	if len(body) > 0 && !isText(r.Header.Get("Content-Type"), body) {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	text, err := json.Marshal(e)
	if err != nil { // texts only
		return nil, &refusal{status: http.StatusInternalServerError, message: "Internal Server Error"}
	}
	if len(text) > maxEvent {
		return nil, tooLarge
	}
	return text, nil
}

// time is when the request came, as access logs write it and as the event has it beside the epoch.
func (x *exchange) time() string { return x.began.Format("02/Jan/2006:15:04:05 -0700") }

// headers are in lower case, values of one name in one, cookies apart. What API Gateway's front adds is added: the
// length, a trace, and where the request came from, behind what a proxy in front has said. Here the scheme and the
// port are those of the local server.
func headers(r *http.Request, x *exchange, length int) map[string]string {
	all := map[string]string{}
	for name, values := range r.Header {
		all[strings.ToLower(name)] = strings.Join(values, ",")
	}
	delete(all, "cookie")
	// net/http keeps these two apart from the headers.
	all["host"] = r.Host
	all["content-length"] = strconv.Itoa(length)
	// A client may bring a trace of its own.
	if _, traced := all["x-amzn-trace-id"]; !traced {
		all["x-amzn-trace-id"] = fmt.Sprintf("Root=1-%08x-%024x", x.began.Unix(), x.began.UnixNano())
	}
	all["x-forwarded-for"] = strings.TrimPrefix(all["x-forwarded-for"]+", "+sourceIP(r), ", ")
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		all["x-forwarded-port"] = port
	}
	all["x-forwarded-proto"] = "http"
	return all
}

// cookies splits all Cookie headers; in format 2.0 they have a list of their own and are no header.
func cookies(r *http.Request) (list []string) {
	for _, header := range r.Header.Values("Cookie") {
		for c := range strings.SplitSeq(header, ";") {
			if c = strings.TrimSpace(c); c != "" {
				list = append(list, c)
			}
		}
	}
	return list
}

// query joins the values of one name with commas, decoded; the raw query string has them apart and as they came.
func query(r *http.Request) map[string]string {
	all := map[string]string{}
	for name, values := range r.URL.Query() {
		all[name] = strings.Join(values, ",")
	}
	return all
}

// sourceIP is the address of the client, or of the proxy nearest to here: only that one is certain.
func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// isText reports whether a body reaches the function as it is. AWS documents only that binary bodies are encoded; the
// list is what others have measured: text/*, and three types of application. It has no form and no +json, and a body
// without a type is binary. Bytes that are no text cannot be in JSON, whatever they are called; that these are encoded
// is assumed.
func isText(contentType string, body []byte) bool {
	// The character set does not matter: what is not UTF-8 is caught by its bytes.
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil || !utf8.Valid(body) {
		return false
	}
	switch media {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(media, "text/")
}
