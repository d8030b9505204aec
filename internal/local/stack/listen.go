package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// listen takes a loopback port: the wanted one, or the next that is free; 0 leaves the choice to the system.
func listen(ctx context.Context, port int) (net.Listener, error) {
	var cfg net.ListenConfig

	for last := port + 100; ; port++ {
		l, err := cfg.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return l, nil
		}

		// Only a port in use is a reason to try the next; a port that is forbidden stays forbidden.
		if port == 0 || port == last || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
}

// site is an HTTP server on a listener that is open before the handler is known.
type site struct {
	listener net.Listener
	server   *http.Server
	done     chan struct{}
	failed   func(error)
}

// newSite takes the port; serve may come later, and connections wait until then.
func newSite(ctx context.Context, port int) (*site, error) {
	l, err := listen(ctx, port)
	if err != nil {
		return nil, err
	}

	return &site{listener: l, done: make(chan struct{})}, nil
}

// address is host and port.
func (s *site) address() string { return s.listener.Addr().String() }

// url is where clients find the site.
func (s *site) url() string { return "http://" + s.address() }

// serve begins to answer. Long polls and invocations take their time, so only reading a request is limited.
func (s *site) serve(h http.Handler, failed func(error)) {
	s.server = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	s.failed = failed

	go func() {
		defer close(s.done)

		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			failed(fmt.Errorf("serve %s: %w", s.address(), err))
		}
	}()
}

// crash cuts all connections without a word and refuses new ones.
func (s *site) crash() error {
	if err := s.server.Close(); err != nil {
		return fmt.Errorf("cut connections: %w", err)
	}

	<-s.done

	return nil
}

// rise serves at the same address again, with a server that knows nothing of the one before.
func (s *site) rise(ctx context.Context) error {
	var cfg net.ListenConfig

	l, err := cfg.Listen(ctx, "tcp", s.address())
	if err != nil {
		return fmt.Errorf("listen again: %w", err)
	}

	s.listener, s.done = l, make(chan struct{})
	s.serve(s.server.Handler, s.failed)

	return nil
}

// close ends the site; running requests are cut off after a moment.
func (s *site) close() error {
	if s.server == nil {
		if err := s.listener.Close(); err != nil {
			return fmt.Errorf("close listener: %w", err)
		}

		return nil
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()

	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}

	<-s.done

	if err != nil {
		return fmt.Errorf("stop site: %w", err)
	}

	return nil
}
