package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"orbitq/internal/job"
)

// forbidden has an address of every range that the brief names, in every form that hides one.
func forbidden() []string {
	return []string{
		"0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.9.9.9", "169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1",
		"192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1",
		"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:db8::1", "2002:a9fe:a9fe::1", "2002:808:808::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "ff02::1",
	}
}

func TestForbiddenAnswersAreRefused(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	for _, ip := range forbidden() {
		for _, answer := range []string{ip, ip + " 8.8.8.8", "8.8.8.8 2606:4700:4700::1111 1.1.1.1 9.9.9.9 " + ip} {
			s := r.sender(func(c *Config) { c.Allow, c.Resolver = nil, resolving(answer) })
			err := s.Post(t.Context(), message(r.url()))
			e := expect(t, err, job.WebhookFailed, "callback to "+name+": its name leads to no public address")
			if strings.Contains(e.Error(), ip) || e.RetryAfter != 0 {
				t.Errorf("%s: %v tells the address, or waits", answer, e)
			}
		}
	}
	if r.hits() != 0 {
		t.Error("something was sent")
	}
}

func TestAnAllowedAddressExcusesNoOther(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	s := r.sender(func(c *Config) { c.Resolver = resolving("127.0.0.1 127.0.0.2") })
	expect(t, s.Post(t.Context(), message(r.url())), job.WebhookFailed, "leads to no public address")
	if r.hits() != 0 {
		t.Error("something was sent")
	}
}

// TestRebinding: a name that answers with a public address first (here an allowed one), and with a private one from then on.
func TestRebinding(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	inside := fmt.Sprintf("127.0.0.2:%d", r.port())
	_, connections := scripted(t, inside, func(c net.Conn, _ string) { _ = c.Close() })
	resolver := resolving("127.0.0.1", "127.0.0.2")
	s := r.sender(func(c *Config) { c.Resolver = resolver })
	if err := s.Post(t.Context(), message(r.url())); err != nil {
		t.Fatalf("the address that was checked was not called: %v", err)
	}
	if want := []string{"ip " + name}; !slices.Equal(resolver.asked, want) {
		t.Errorf("got %v, want %v: the name is resolved once", resolver.asked, want)
	}
	expect(t, s.Post(t.Context(), message(r.url())), job.WebhookFailed, "leads to no public address")
	if connections() != 0 || r.hits() != 1 {
		t.Errorf("%d connections inside, %d requests outside, want 0 and 1", connections(), r.hits())
	}
}

// TestTheDialerLooksToo: even if an address got past resolve, no connection is made.
func TestTheDialerLooksToo(t *testing.T) {
	t.Parallel()
	url, connections := scripted(t, "127.0.0.1:0", func(c net.Conn, _ string) { _ = c.Close() })
	at := netip.MustParseAddrPort(strings.Split(url, "/")[2])
	s := New(Config{Timeout: time.Second, Now: now})
	for _, ip := range []netip.Addr{at.Addr(), netip.AddrFrom16(at.Addr().As16())} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.transport([]netip.Addr{ip}, at.Port(), time.Now().Add(time.Minute)).RoundTrip(req) //nolint:bodyclose // there is no answer
		if !errors.Is(err, errNoAddress) {
			t.Errorf("%s: got %v", ip, err)
		}
		expect(t, silence(name, err), job.WebhookFailed, "leads to no public address")
	}
	if connections() != 0 {
		t.Errorf("%d connections", connections())
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	s := New(Config{Allow: prefixes("10.1.0.0/16")})
	for in, want := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700:4700::1111]:443": true, "10.1.0.1:443": true, "[::ffff:10.1.0.1]:443": true,
		"10.2.0.1:443": false, "127.0.0.1:443": false, "[::1]:443": false, "[fe80::1%eth0]:443": false, "[64:ff9b::808:808]:443": false,
		"localhost:443": false, "": false, "8.8.8.8": false, "/run/docker.sock": false,
	} {
		if err := s.control("tcp", in, nil); (err == nil) != want {
			t.Errorf("%q: got %v, want allowed %v", in, err, want)
		}
	}
}

func TestTheNextAddressIsTried(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	for answer, want := range map[string]bool{
		"127.0.0.3 127.0.0.1": true, "127.0.0.3 127.0.0.4 ::ffff:127.0.0.1": true, "127.0.0.3 127.0.0.4": false,
		"127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.1": false, // beyond the third
	} {
		s := r.sender(func(c *Config) { c.Allow, c.Resolver = prefixes("127.0.0.0/8"), resolving(answer) })
		err := s.Post(t.Context(), message(r.url()))
		if want && err != nil {
			t.Errorf("%s: %v", answer, err)
		}
		if !want {
			expect(t, err, job.WebhookFailed, "connection refused")
		}
	}
}

func TestNamesThatDoNotResolve(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	slow := func(ctx context.Context) { <-ctx.Done() }
	for _, c := range []struct {
		name     string
		resolver *answers
	}{
		{"unknown", &answers{err: &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}}},
		{"no addresses", resolving("")},
		{"too slow", &answers{during: slow, err: context.DeadlineExceeded}},
		{"right, but too slow", &answers{during: slow, turns: resolving("127.0.0.1").turns}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := r.sender(func(x *Config) { x.Resolver, x.Timeout = c.resolver, time.Second })
			expect(t, s.Post(t.Context(), message(r.url())), job.WebhookFailed, "leads to no public address")
		})
	}
}

// TestNoAnswerTellsNamesApart: who may name any host could else ask which names our network
// has. What became of a delivery is the same in every word, code and wait.
func TestNoAnswerTellsNamesApart(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	var first *job.Error
	for what, resolver := range map[string]*answers{
		"unknown":        {err: &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}},
		"out of order":   {err: &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}},
		"too slow":       {err: &net.DNSError{Err: "i/o timeout", Name: name, IsTimeout: true}},
		"private":        resolving("10.0.0.1"),
		"loopback":       resolving("127.0.0.1"),
		"metadata":       resolving("169.254.169.254"),
		"public as well": resolving("8.8.8.8 10.0.0.1"),
		"of no address":  resolving(""),
	} {
		s := r.sender(func(c *Config) { c.Allow, c.Resolver = nil, resolver })
		got, ok := errors.AsType[*job.Error](s.Post(t.Context(), message(r.url())))
		if !ok {
			t.Fatalf("%s: no error of ours", what)
		}
		if first == nil {
			first = got
		}
		if got.Code != first.Code || got.Error() != first.Error() || got.RetryAfter != first.RetryAfter || fmt.Sprint(got.Violations) != fmt.Sprint(first.Violations) {
			t.Errorf("%s: %+v, another name %+v", what, got, first)
		}
	}
}

func TestCertificates(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	old := receive(t, saying(http.StatusOK))
	old.web.TLS.MaxVersion = tls.VersionTLS11
	for _, c := range []struct {
		name string
		to   *receiver
		url  string
		open bool // trusts only the system's roots
		part string
	}{
		{"unknown authority", r, r.url(), true, "certificate is not trusted"},
		{"other name", r, strings.Replace(r.url(), name, "example.org", 1), false, "certificate is not trusted"},
		{"old TLS", old, old.url(), false, "connection broke"},
		{"plain http at the port", nil, "", false, "connection broke"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, url := r.sender(nil), c.url
			if c.to != nil {
				s = c.to.sender(nil)
			} else {
				raw, _ := scripted(t, "127.0.0.1:0", func(conn net.Conn, _ string) {
					_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
				})
				url = strings.Replace(raw, "http:", "https:", 1)
			}
			if c.open {
				s.roots = nil
			}
			expect(t, s.Post(t.Context(), message(url)), job.WebhookFailed, c.part)
		})
	}
	if r.hits()+old.hits() != 0 {
		t.Error("something was sent")
	}
}

func TestLiteralAddresses(t *testing.T) {
	t.Parallel()
	r := receive(t, saying(http.StatusOK))
	resolver := resolving("10.0.0.1")
	s := r.sender(func(c *Config) { c.Resolver, c.Ports = resolver, nil })
	for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]"} {
		err := s.Post(t.Context(), message(strings.Replace(r.url(), name, host, 1)))
		if err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if len(resolver.asked) != 0 || r.hits() != 2 {
		t.Errorf("resolver asked for %v, %d requests", resolver.asked, r.hits())
	}
}

func TestSystemErrorsKeepTheirCause(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://%s/%s", listener.Addr(), hiddenPath)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	err = plain(time.Second).Post(t.Context(), message(url))
	expect(t, err, job.WebhookFailed, "callback to 127.0.0.1: connection refused")
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v lost its cause", err)
	}
}
