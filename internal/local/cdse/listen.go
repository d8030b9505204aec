package cdse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// ListenAndServe serves on the address until the context ends. It calls onReady once with the base URL as soon as
// connections are accepted, which also names the port when the address left it open (":0").
func ListenAndServe(ctx context.Context, addr string, server *Server, onReady func(url string)) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	// No write timeout: a slow answer may be what was ordered.
	web := &http.Server{
		Handler: server, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	// Buffered, so that the serving goroutine can always end.
	done := make(chan error, 1)
	go func() { done <- web.Serve(listener) }()
	// The listener queues connections from here on, even before the first Accept.
	if onReady != nil {
		onReady("http://" + listener.Addr().String())
	}
	select {
	case err := <-done:
		return fmt.Errorf("serve provider: %w", err)
	case <-ctx.Done():
	}
	return stop(ctx, web, done)
}

// stop lets running answers end for a moment and then cuts them off.
func stop(ctx context.Context, web *http.Server, done <-chan error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	// Shutdown waits for answers in progress; an ordered delay may be longer than anybody waits.
	err := web.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = web.Close()
	}
	if served := <-done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	if err != nil {
		return fmt.Errorf("stop provider: %w", err)
	}
	return nil
}
