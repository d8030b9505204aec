package trigger

import (
	"context"
	"fmt"
	"sync"
)

// gate lets work in while it is open, and knows how much is inside.
type gate struct {
	mu      sync.Mutex
	open    bool
	inside  int
	changed chan struct{} // closed and replaced with every change
}

func newGate(open bool) *gate { return &gate{open: open, changed: make(chan struct{})} }

// enter waits until the gate is open; false means that the context ended.
func (g *gate) enter(ctx context.Context) bool {
	for ctx.Err() == nil {
		g.mu.Lock()
		if g.open {
			g.inside++
			g.mu.Unlock()
			return true
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	return false
}

// leave is the end of what entered.
func (g *gate) leave() {
	g.change(func() { g.inside-- })
}

// set opens or closes the gate.
func (g *gate) set(open bool) {
	g.change(func() { g.open = open })
}

// change applies a change and wakes who waits for one.
func (g *gate) change(apply func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	apply()
	close(g.changed)
	g.changed = make(chan struct{})
}

// look tells the state.
func (g *gate) look() (open bool, inside int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.inside
}

// empty waits until nothing is inside.
func (g *gate) empty(ctx context.Context) error {
	for {
		g.mu.Lock()
		inside, changed := g.inside, g.changed
		g.mu.Unlock()
		if inside == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d polls or invocations: %w", inside, ctx.Err())
		}
	}
}
