package trigger

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// gate lets work in while it is open, and knows how much is inside.
type gate struct {
	mu      sync.Mutex
	open    bool
	inside  int
	turned  time.Time     // when it was last opened or closed
	changed chan struct{} // closed and replaced with every change
}

func newGate(open bool) *gate {
	return &gate{open: open, turned: time.Now().UTC(), changed: make(chan struct{})}
}

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
	g.change(func() { g.open, g.turned = open, time.Now().UTC() })
}

// turn opens or closes the gate and returns how it was; one that is closed but not yet empty is not touched.
func (g *gate) turn(open bool) (was, closing bool) {
	g.change(func() {
		was, closing = g.open, !g.open && g.inside > 0
		if was != open && !closing {
			g.open, g.turned = open, time.Now().UTC()
		}
	})
	return was, closing
}

// change applies a change and wakes who waits for one.
func (g *gate) change(apply func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	apply()
	close(g.changed)
	g.changed = make(chan struct{})
}

// since is when the gate was last opened or closed.
func (g *gate) since() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.turned
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
