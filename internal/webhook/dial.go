package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// maxTried is how many addresses of a name are dialed, so that each gets a fair
// share of the time.
const maxTried = 3

// errForbidden is the end of a callback that would reach what it may not. It does
// not tell the address: that would let users look into our DNS.
var errForbidden = errors.New("address may not be reached")

// errNoName is a name that nobody knows, for now.
var errNoName = errors.New("name cannot be resolved")

// resolve returns the addresses of a target, all of them checked. One forbidden
// address is enough to refuse: a name with a public and a private address is
// either an attack or a mistake.
func (s *Sender) resolve(ctx context.Context, to target) ([]netip.Addr, error) {
	if to.literal.IsValid() {
		return []netip.Addr{to.literal.Unmap()}, nil // inspect has checked it
	}
	found, err := s.c.Resolver.LookupNetIP(ctx, "ip", to.host)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("resolve name: %w", ctx.Err())
	case err != nil || len(found) == 0:
		return nil, errNoName
	}
	ips := make([]netip.Addr, len(found))
	for i, ip := range found {
		if !reachable(ip, s.c.Allow) {
			return nil, errForbidden
		}
		ips[i] = ip.Unmap()
	}
	return ips[:min(len(ips), maxTried)], nil
}

// transport returns a transport that reaches the given addresses, whatever the
// request's URL says, and is good for one request. The URL's name is still the
// one that the certificate must have.
//
// At until every connection of it ends. The request's context alone does not do
// that: net/http dials on after its request gave up, and reads what follows a
// 101 Switching Protocols for ever.
func (s *Sender) transport(ips []netip.Addr, port uint16, until time.Time) *http.Transport {
	// A part for each address, and one for the answer.
	dialer := &net.Dialer{Timeout: s.c.Timeout / time.Duration(len(ips)+1), Control: s.control}
	return &http.Transport{
		Proxy: nil, // a proxy would resolve the name anew, without our checks
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialFirst(ctx, dialer, ips, port, until)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.roots},
		DisableKeepAlives:      true, // a kept connection would outlive the check of its address
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxAnswer,
	}
}

// dialFirst connects to the first address that answers, in the resolver's order.
func dialFirst(ctx context.Context, dialer *net.Dialer, ips []netip.Addr, port uint16, until time.Time) (net.Conn, error) {
	err := errNoName
	for _, ip := range ips {
		conn, dialErr := dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(ip, port).String())
		if dialErr == nil {
			dialErr = conn.SetDeadline(until)
		}
		if dialErr == nil {
			return conn, nil
		}
		err = fmt.Errorf("dial receiver: %w", dialErr)
	}
	return nil, err
}

// control is the last look: the dialer calls it with the address of the socket,
// just before it connects. It holds even if resolve had a hole.
func (s *Sender) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !reachable(at.Addr(), s.c.Allow) {
		return errForbidden
	}
	return nil
}
