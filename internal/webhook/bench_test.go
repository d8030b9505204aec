package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/job"
)

// name is one that the certificate of a test server has.
const name = "example.com"

// What no error may show: parts of the URL, of the body, and the secret.
const (
	hiddenPath  = "PATH-s3cret"
	hiddenQuery = "QUERY-s3cret"
	hiddenBody  = "BODY-s3cret"
)

// now is when the tests happen.
func now() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// answers is a resolver that gives its answers in turn, the last one for ever.
type answers struct {
	mu     sync.Mutex
	turns  [][]netip.Addr
	err    error
	asked  []string
	during func(ctx context.Context)
}

// resolving returns a resolver; each turn lists its addresses with spaces between.
func resolving(turns ...string) *answers {
	a := &answers{}
	for _, turn := range turns {
		var ips []netip.Addr
		for ip := range strings.FieldsSeq(turn) {
			ips = append(ips, netip.MustParseAddr(ip))
		}
		a.turns = append(a.turns, ips)
	}
	return a
}

// LookupNetIP implements Resolver.
func (a *answers) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.during != nil {
		a.during(ctx)
	}
	a.asked = append(a.asked, network+" "+host)
	if a.err != nil || len(a.turns) == 0 {
		return nil, a.err
	}
	turn := a.turns[min(len(a.asked), len(a.turns))-1]
	return slices.Clone(turn), nil
}

// receiver is a server on loopback, and a sender that may reach it by name.
type receiver struct {
	web  *httptest.Server
	mu   sync.Mutex
	got  []*http.Request
	body [][]byte
}

// receive starts a receiver over TLS.
func receive(t *testing.T, handler http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got, r.body = append(r.got, req), append(r.body, body)
		r.mu.Unlock()
		handler(w, req)
	}))
	r.web.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	r.web.StartTLS()
	t.Cleanup(r.web.Close)
	return r
}

// hits is how many requests came.
func (r *receiver) hits() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

func (r *receiver) port() uint16 {
	return netip.MustParseAddrPort(r.web.Listener.Addr().String()).Port()
}

// url leads to the receiver by name, with secrets in it.
func (r *receiver) url() string {
	at := net.JoinHostPort(name, strconv.Itoa(int(r.port())))
	return "https://" + at + "/" + hiddenPath + "?token=" + hiddenQuery
}

// sender returns one that trusts the receiver, finds it by name and may reach it; set changes that.
func (r *receiver) sender(set func(*Config)) *Sender {
	c := Config{
		Secret:   func(context.Context, string) ([]string, error) { return []string{vectorSecret}, nil },
		Allow:    prefixes("127.0.0.1/32"),
		Ports:    []uint16{r.port()},
		Timeout:  30 * time.Second,
		Now:      now,
		Resolver: resolving("127.0.0.1"),
	}
	if set != nil {
		set(&c)
	}
	s := New(c)
	s.roots = r.web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return s
}

// message is the callback that most tests post.
func message(url string) Message {
	return Message{ID: "batch#1#done", URL: url, Body: []byte(`{"x":"` + hiddenBody + `"}`), At: now()}
}

// saying answers with a status, and headers given as "name: value".
func saying(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range header {
			key, value, _ := strings.Cut(h, ": ")
			w.Header().Set(key, value)
		}
		w.WriteHeader(status)
	}
}

// expect holds an error against its code and a part of its text, and looks for secrets in all that it wraps.
func expect(t *testing.T, err error, code job.Code, part string) *job.Error {
	t.Helper()
	coded, ok := err.(*job.Error) //nolint:errorlint // the promise is the type itself, not a chain with it
	if !ok || coded.Code != code || !strings.Contains(coded.Message, part) {
		t.Fatalf("got %v, want %s with %q", err, code, part)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		text := fmt.Sprintf("%v %+v", e, e)
		for _, hidden := range []string{hiddenPath, hiddenQuery, hiddenBody, vectorSecret, "v1,"} {
			if strings.Contains(text, hidden) {
				t.Errorf("%q tells %s", text, hidden)
			}
		}
	}
	return coded
}

// scripted answers every connection with bytes of the test's, without TLS, once the beginning of a request came; it
// returns the URL and how many came.
func scripted(t *testing.T, address string, handle func(conn net.Conn, request string)) (url string, connections func() int) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("this system has no %s: %v", address, err)
	}
	var mu sync.Mutex
	var conns []net.Conn
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			running.Go(func() {
				begin := make([]byte, 4096)
				n, _ := conn.Read(begin)
				handle(conn, string(begin[:n]))
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	url = fmt.Sprintf("http://%s/%s?token=%s", listener.Addr(), hiddenPath, hiddenQuery)
	return url, func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(conns)
	}
}

// plain returns a sender that may reach loopback by address.
func plain(timeout time.Duration) *Sender {
	return New(Config{
		Secret: func(context.Context, string) ([]string, error) { return []string{vectorSecret}, nil },
		Allow:  prefixes("127.0.0.0/8"), Timeout: timeout, Now: now, Resolver: resolving(),
	})
}
