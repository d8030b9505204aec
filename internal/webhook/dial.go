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

// errNoAddress is the end of a callback whose name leads nowhere that it may reach: the
// name does not exist, its resolver does not answer in time, or one of its addresses is private
// or reserved. These are one error with one answer, because a user who could tell them
// apart could ask which names our network has. It may be better later, as names are.
var errNoAddress = errors.New("name leads to no public address")

// resolve returns the addresses of a target, all of them checked. One forbidden
// address is enough to refuse: a name with a public and a private address is
// either an attack or a mistake.
func (s *Sender) resolve(ctx context.Context, to target) ([]netip.Addr, error) {
	if to.literal.IsValid() {
		return []netip.Addr{to.literal.Unmap()}, nil // inspect has checked it
	}
	found, err := s.c.Resolver.LookupNetIP(ctx, "ip", to.host)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fmt.Errorf("resolve name: %w", ctx.Err()) // this process ends, whatever the name is
	case ctx.Err() != nil || err != nil || len(found) == 0:
		return nil, errNoAddress
	}
	ips := make([]netip.Addr, len(found))
	for i, ip := range found {
		if !reachable(ip, s.c.Allow) {
			return nil, errNoAddress
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
	err := errNoAddress
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
		return errNoAddress
	}
	return nil
}
