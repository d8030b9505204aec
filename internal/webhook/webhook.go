// Package webhook delivers callbacks: a JSON body, posted to a URL that a user
// gave us, signed so that its owner can tell it from a forgery.
//
// It promises one request per Post, and an error that says whether another one
// can ever help: WEBHOOK_REFUSED (never) or WEBHOOK_FAILED (later). Delivery is
// at least once; the webhook-id is the same over all attempts, so a receiver
// drops what it has seen.
//
// The signature is that of the Standard Webhooks specification, version 1:
// HMAC-SHA256 over "id.timestamp.body". Every current secret signs, the newest
// first, so that a receiver may change over at any time of a rotation. Verify
// is the sample for receivers.
//
// It treats the URL as an attack on our own network (server side request
// forgery). A name is resolved once per Post, every address of the answer must
// be a public one, and only those addresses are dialed, so that a name that
// changes between look and call (DNS rebinding) gains nothing; the dialer looks
// at the address once more, last thing before it connects. No redirect is
// followed, no proxy used, no connection kept, and what the receiver answers is
// read up to a limit and dropped. See address.go for what counts as public. Names
// that lead nowhere all get one answer, so that users cannot ask our resolver
// which private names there are.
//
// It treats the URL as a secret too: its path and query often hold a token. No
// error has more of it than the host, and none has words of the receiver, who
// may quote the request.
//
// Source: reliability brief, section B; standard-webhooks.md of the specification.
package webhook

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"orbitq/internal/job"
)

// The headers of a callback, as the specification names them.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// maxAnswer is how much of an answer is read, in bytes, headers and body each.
const maxAnswer = 64 << 10

// defaultTimeout bounds one Post: shorter than the specification's 15 s, because
// somebody pays for the time that a function waits.
const defaultTimeout = 10 * time.Second

// Message is one callback.
type Message struct {
	Owner string    // whose secret signs it
	ID    string    // webhook-id, constant over retries; visible ASCII without a full stop
	URL   string    // as CheckURL likes it
	Body  []byte    // JSON
	At    time.Time // of this attempt, not of the event: receivers refuse what is 5 min old; zero for now
}

// Resolver finds the addresses of a name; *net.Resolver is one.
type Resolver interface {
	// LookupNetIP returns all addresses of host; network is "ip".
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config has the parts of a Sender; only Secret has no default.
type Config struct {
	Secret   func(ctx context.Context, owner string) ([]string, error) // of an owner: "whsec_<base64>", the newest first; all of them sign
	Allow    []netip.Prefix                                            // reached although not public, as literal IPs over http and on any port too
	Ports    []uint16                                                  // 443 and 8443 by default
	Timeout  time.Duration                                             // of one Post, from look-up to answer; 10 s by default
	Now      func() time.Time                                          // time.Now by default
	Resolver Resolver                                                  // net.DefaultResolver by default
}

// Sender posts callbacks. It holds no state; any number may be posted at once.
type Sender struct {
	c     Config
	roots *x509.CertPool // nil for those of the system; tests have their own
}

// New returns a Sender with the defaults filled in.
func New(c Config) *Sender {
	if c.Secret == nil {
		c.Secret = func(context.Context, string) ([]string, error) { return nil, nil } // signs nothing, so nothing is sent
	}
	if len(c.Ports) == 0 {
		c.Ports = defaultPorts()
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	return &Sender{c: c}
}

// Post delivers the message: nil when the receiver answered 2xx. Any error is a
// *job.Error, WEBHOOK_REFUSED when no retry can help, else WEBHOOK_FAILED, with
// RetryAfter (0 to 1 h) when the receiver asked for it.
func (s *Sender) Post(ctx context.Context, m Message) error {
	to, broken := inspect("url", m.URL, s.c.Allow, s.c.Ports)
	if len(broken) > 0 {
		e := job.Errorf(job.WebhookRefused, "callback URL is not allowed: %s", broken[0].Detail)
		e.Violations = broken
		return e
	}
	// By the clock of the host: sockets know no other.
	until := time.Now().Add(s.c.Timeout)
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	req, err := s.request(ctx, to, m)
	if err != nil {
		return err
	}
	ips, err := s.resolve(ctx, to)
	if err != nil {
		return silence(to.host, err)
	}
	// Not through an http.Client: that would follow redirects and add the URL to errors.
	resp, err := s.transport(ips, to.port, until).RoundTrip(req)
	if err != nil {
		return silence(to.host, err)
	}
	defer resp.Body.Close()
	drain(resp.Body)
	return verdict(to.host, resp, s.c.Now())
}

// request returns the signed request.
func (s *Sender) request(ctx context.Context, to target, m Message) (*http.Request, error) {
	if !usable(m.ID) {
		return nil, job.Errorf(job.WebhookRefused, "callback to %s has no usable id", to.host)
	}
	at := m.At
	if at.IsZero() {
		at = s.c.Now()
	}
	secrets, err := s.c.Secret(ctx, m.Owner)
	if err != nil {
		return nil, &job.Error{Code: job.WebhookFailed, Message: "signing secrets cannot be read", Err: err}
	}
	// A bad secret is our mistake, and mended without the job: it may try again.
	signature, err := Sign(secrets, m.ID, at, m.Body)
	if err != nil {
		return nil, job.Errorf(job.WebhookFailed, "callback to %s cannot be signed: %w", to.host, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.url, bytes.NewReader(m.Body))
	if err != nil {
		return nil, job.Errorf(job.WebhookRefused, "callback URL of %s cannot be called", to.host)
	}
	req.Header.Set(headerID, m.ID)
	req.Header.Set(headerTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(headerSignature, signature)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "orbitq")
	return req, nil
}

// drain reads an answer to its end or limit: a receiver that is cut off while it
// writes may take the delivery for lost. Errors say nothing, since the status has
// said all; the deadline of the connection ends a slow body.
func drain(body io.Reader) { _, _ = io.CopyN(io.Discard, body, maxAnswer) }
