package webhook

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"orbitq/internal/job"
)

func TestPostDelivers(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusNoContent))
	older := secretOf(32, 'o')
	s := r.sender(func(c *Config) {
		c.Secret = func(context.Context, string) ([]string, error) { return []string{vectorSecret, older}, nil }
	})
	m := message(r.url())
	if err := s.Post(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if r.hits() != 1 {
		t.Fatalf("%d requests, want 1", r.hits())
	}
	got := r.got[0]
	if got.Method != http.MethodPost || got.URL.Path != "/"+hiddenPath || got.URL.Query().Get("token") != hiddenQuery || string(r.body[0]) != string(m.Body) {
		t.Errorf("got %s %s %s", got.Method, got.URL, r.body[0])
	}
	for key, want := range map[string]string{
		"Webhook-Id": m.ID, "Webhook-Timestamp": "1772366400", "Content-Type": "application/json", "User-Agent": "orbitq", "Authorization": "", "Accept-Encoding": "",
	} {
		if got.Header.Get(key) != want {
			t.Errorf("%s is %q, want %q", key, got.Header.Get(key), want)
		}
	}
	if !got.Close || got.TLS.Version < 0x0303 {
		t.Errorf("connection is kept: %v, TLS %x", !got.Close, got.TLS.Version)
	}
	for _, secret := range []string{vectorSecret, older} {
		if err := Verify(secret, got.Header, r.body[0], now()); err != nil {
			t.Error(err)
		}
	}
}

func TestPostSignsTheTimeOfTheAttempt(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	m := message(r.url())
	m.At = time.Time{}
	if err := r.sender(nil).Post(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := Verify(vectorSecret, r.got[0].Header, r.body[0], now()); err != nil {
		t.Errorf("without a time of its own: %v", err)
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		want   job.Code // none for delivered
		part   string
	}{
		{200, "", ""},
		{201, "", ""},
		{202, "", ""},
		{204, "", ""},
		{299, "", ""},
		{300, job.WebhookRefused, "answered 300: redirects are not followed"},
		{301, job.WebhookRefused, "answered 301: redirects"},
		{304, job.WebhookRefused, "answered 304: redirects"},
		{308, job.WebhookRefused, "answered 308: redirects"},
		{400, job.WebhookRefused, "answered 400"},
		{401, job.WebhookRefused, "answered 401"},
		{403, job.WebhookRefused, "answered 403"},
		{404, job.WebhookRefused, "answered 404"},
		{408, job.WebhookFailed, "answered 408"},
		{409, job.WebhookFailed, "answered 409"},
		{410, job.WebhookRefused, "answered 410: the receiver wants no more"},
		{413, job.WebhookRefused, "answered 413"},
		{422, job.WebhookRefused, "answered 422"},
		{425, job.WebhookFailed, "answered 425"},
		{429, job.WebhookFailed, "answered 429"},
		{499, job.WebhookRefused, "answered 499"},
		{500, job.WebhookFailed, "answered 500"},
		{502, job.WebhookFailed, "answered 502"},
		{503, job.WebhookFailed, "answered 503"},
		{599, job.WebhookFailed, "answered 599"},
		{600, job.WebhookFailed, "answered 600"},
		{999, job.WebhookFailed, "answered 999"},
	} {
		t.Run(http.StatusText(c.status), func(t *testing.T) {
			t.Parallel()
			r := receive(t, saying(c.status, "Retry-After: 30", "Location: https://"+name+"/"+hiddenPath))
			err := r.sender(nil).Post(t.Context(), message(r.url()))
			if r.hits() != 1 {
				t.Errorf("%d requests, want 1", r.hits())
			}
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			e := expect(t, err, c.want, "callback to "+name+" "+c.part)
			if wait := e.RetryAfter; (wait == 30*time.Second) != (c.want == job.WebhookFailed) {
				t.Errorf("waits %s", wait)
			}
		})
	}
}

// TestSwitchingProtocolsIsNoDelivery: net/http hands out the bare connection then, which no context ends.
func TestSwitchingProtocolsIsNoDelivery(t *testing.T) {
	t.Parallel()
	url, _ := scripted(t, "127.0.0.1:0", func(c net.Conn, _ string) {
		_, _ = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"))
	})
	began := time.Now()
	expect(t, plain(1500*time.Millisecond).Post(t.Context(), message(url)), job.WebhookFailed, "answered 101")
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("took %s, want about 1.5 s", took)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	inside := receive(t, saying(http.StatusOK))
	r := receive(t, func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, inside.url(), http.StatusTemporaryRedirect)
	})
	s := r.sender(func(c *Config) { c.Ports = append(c.Ports, inside.port()) })
	expect(t, s.Post(t.Context(), message(r.url())), job.WebhookRefused, "answered 307")
	if inside.hits() != 0 {
		t.Error("the redirect was followed")
	}
}

func TestPostChecksTheURLAgain(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	resolver := resolving("127.0.0.1")
	s := r.sender(func(c *Config) { c.Resolver = resolver })
	for in, rule := range map[string]string{
		"http://" + name + "/" + hiddenPath:                   "scheme",
		"https://" + name + ":9/" + hiddenPath:                "port",
		"https://u:" + hiddenQuery + "@" + name + "/":         "user_info",
		"https://10.0.0.1/" + hiddenPath:                      "address",
		strings.Replace(r.url(), name, "127.0.0.2", 1):        "address",
		r.url() + "#" + hiddenPath:                            "fragment",
		"https://%zz/" + hiddenPath:                           "url",
		"https://" + name + "/" + strings.Repeat("x", 2e3+50): "max_length",
	} {
		e := expect(t, s.Post(t.Context(), message(in)), job.WebhookRefused, "callback URL is not allowed")
		if len(e.Violations) == 0 || e.Violations[0].Rule != rule || e.Violations[0].Field != "url" {
			t.Errorf("%s: got %+v, want %s", in, e.Violations, rule)
		}
	}
	if len(resolver.asked) != 0 || r.hits() != 0 {
		t.Errorf("asked for %v, %d requests", resolver.asked, r.hits())
	}
}

func TestPostSendsNothingUnsigned(t *testing.T) {
	t.Parallel()
	errVault := errors.New("vault is shut")
	giving := func(secrets []string, err error) func(*Config) {
		return func(c *Config) { c.Secret = func(context.Context, string) ([]string, error) { return secrets, err } }
	}
	for _, c := range []struct {
		name string
		set  func(*Config)
		id   string
		want job.Code
		part string
	}{
		{"no source of secrets", func(c *Config) { c.Secret = nil }, "evt_1", job.WebhookFailed, "there is no secret"},
		{"no secrets", giving(nil, nil), "evt_1", job.WebhookFailed, "there is no secret"},
		{"secrets not readable", giving(nil, errVault), "evt_1", job.WebhookFailed, "signing secrets cannot be read"},
		{"bad secret", giving([]string{vectorSecret, vectorSecret[6:]}, nil), "evt_1", job.WebhookFailed, "secret 2"},
		{"no id", nil, "", job.WebhookRefused, "no usable id"},
		{"id that is no header", nil, "a\nb", job.WebhookRefused, "no usable id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := receive(t, saying(http.StatusOK))
			m := message(r.url())
			m.ID = c.id
			err := r.sender(c.set).Post(t.Context(), m)
			expect(t, err, c.want, c.part)
			if r.hits() != 0 {
				t.Error("something was sent")
			}
			if strings.Contains(c.name, "readable") && !errors.Is(err, errVault) {
				t.Error("the cause is lost")
			}
		})
	}
}

// TestSlowAnswersEndInTime: whatever drips, nothing keeps a sender longer than its timeout, and what answered 2xx is delivered.
func TestSlowAnswersEndInTime(t *testing.T) {
	t.Parallel()
	const timeout = 1500 * time.Millisecond // a loaded machine needs some of it to connect
	for _, c := range []struct {
		name, first string
		want        job.Code
	}{
		{"silence", "", job.WebhookFailed},
		{"header drips", "HTTP/1.1 200 OK\r\nX-Drip: ", job.WebhookFailed},
		{"body drips behind a success", "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", ""},
		{"body drips behind a failure", "HTTP/1.1 500 No\r\nContent-Length: 60000\r\n\r\n", job.WebhookFailed},
		{"body drips behind a refusal", "HTTP/1.1 410 Gone\r\nContent-Length: 60000\r\n\r\n", job.WebhookRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url, _ := scripted(t, "127.0.0.1:0", func(conn net.Conn, _ string) {
				_, err := conn.Write([]byte(c.first))
				for err == nil {
					time.Sleep(10 * time.Millisecond)
					if c.first != "" {
						_, err = conn.Write([]byte("x"))
						continue
					}
					_, err = conn.Read(make([]byte, 1024))
				}
			})
			began := time.Now()
			err := plain(timeout).Post(t.Context(), message(url))
			if took := time.Since(began); took < timeout || took > 10*timeout {
				t.Errorf("took %s, want about %s", took, timeout)
			}
			if c.want != "" {
				expect(t, err, c.want, "")
			} else if err != nil {
				t.Errorf("got %v, want delivered", err)
			}
		})
	}
}

func TestEndlessBodyIsCut(t *testing.T) {
	t.Parallel()
	r := receive(t, func(w http.ResponseWriter, _ *http.Request) {
		for piece := make([]byte, 8<<10); ; {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	})
	began := time.Now()
	if err := r.sender(nil).Post(t.Context(), message(r.url())); err != nil || time.Since(began) > 15*time.Second {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
}

// tap is an endless body that counts.
type tap struct{ read int }

func (b *tap) Read(p []byte) (int, error) {
	b.read += len(p)
	return len(p), nil
}

func TestDrainStops(t *testing.T) {
	t.Parallel()
	body := &tap{}
	drain(body)
	if body.read != maxAnswer {
		t.Errorf("read %d, want %d", body.read, maxAnswer)
	}
}

// TestTheReceiversWordsStayOut: what answers with the request itself finds it in no error.
func TestTheReceiversWordsStayOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, before, part string }{
		{"echo as a status line", "", "connection broke"},
		{"echo as a status", "HTTP/1.1 ", "connection broke"},
		{"echo as a header", "HTTP/1.1 200 OK\r\n", "connection broke"},
		{"echo as the reason", "HTTP/1.1 500 ", "answered 500"},
		{"echo as when to retry", "HTTP/1.1 503 x\r\nRetry-After: ", "answered 503"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url, _ := scripted(t, "127.0.0.1:0", func(conn net.Conn, request string) {
				line, _, _ := strings.Cut(request, "\r\n")
				_, _ = io.WriteString(conn, c.before+line+"\r\n\r\n")
				_ = conn.Close()
			})
			e := expect(t, plain(10*time.Second).Post(t.Context(), message(url)), job.WebhookFailed, c.part)
			if e.RetryAfter != 0 {
				t.Errorf("waits %s", e.RetryAfter)
			}
		})
	}
}

func TestLongHeadersAreCut(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK, "X-Long: "+strings.Repeat("x", 2*maxAnswer)))
	expect(t, r.sender(nil).Post(t.Context(), message(r.url())), job.WebhookFailed, "connection broke")
}

func TestGivenUpPosts(t *testing.T) {
	t.Parallel()
	r := receive(t, func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for r.hits() == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	err := r.sender(nil).Post(ctx, message(r.url()))
	expect(t, err, job.WebhookFailed, "given up")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v lost its cause", err)
	}
}

func TestManyPostsAtOnce(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	s := r.sender(nil)
	var posts sync.WaitGroup
	for range 20 {
		posts.Go(func() {
			if err := s.Post(t.Context(), message(r.url())); err != nil {
				t.Error(err)
			}
		})
	}
	posts.Wait()
	if r.hits() != 20 {
		t.Errorf("%d requests, want 20", r.hits())
	}
}

// TestProxiesAreIgnored is not parallel: it sets the environment.
func TestProxiesAreIgnored(t *testing.T) {
	var asked sync.Map
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { asked.Store(req.Method, true) }))
	t.Cleanup(proxy.Close)
	for _, key := range []string{"HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"} {
		t.Setenv(key, proxy.URL)
	}
	if u, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: name}}); err != nil || u == nil {
		t.Fatalf("the environment names no proxy: %v", err)
	}
	r := receive(t, saying(http.StatusOK))
	if err := r.sender(nil).Post(t.Context(), message(r.url())); err != nil {
		t.Error(err)
	}
	asked.Range(func(method, _ any) bool {
		t.Errorf("the proxy was asked to %s", method)
		return true
	})
}
