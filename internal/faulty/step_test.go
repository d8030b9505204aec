package faulty_test

import (
	"context"
	"time"

	"orbitq/internal/faulty"
	"orbitq/internal/flow"
	"orbitq/internal/memstore"
	"orbitq/internal/point"
)

// machines is Step Functions that starts nothing.
type machines struct{}

func (machines) Start(context.Context, flow.Machine, string, []byte) error { return nil }

func (machines) Running(context.Context, flow.Machine, string) (bool, error) { return false, nil }

func (machines) PutList(context.Context, string, []byte) (string, error) { return "", nil }

// steps calls every method of the ports of steps and executions once.
func steps(ctx context.Context, table *memstore.Store, p *faulty.Process) map[string]func() error {
	r, e := &faulty.Readings{Inner: table, Process: p}, &faulty.Executions{Inner: machines{}, Process: p}
	post := faulty.Post(p, func(context.Context, string, string, string, []byte, time.Time) error { return nil })
	return map[string]func() error{
		"Subject of a step": func() error { _, _, err := r.Subject(ctx, "", 1); return err },
		"Job of a step":     func() error { _, err := r.Job(ctx, ""); return err },
		"Zones":             func() error { _, err := r.Zones(ctx, "", ""); return err },
		"Peers":             func() error { _, err := r.Peers(ctx, &point.Point{}, time.Hour); return err },
		"Preferences":       func() error { _, err := r.Preferences(ctx, ""); return err },
		"Quality":           func() error { _, err := r.Quality(ctx, "", 1); return err },
		"Start":             func() error { return e.Start(ctx, flow.ChainMachine, "", nil) },
		"Running":           func() error { _, err := e.Running(ctx, flow.ChainMachine, ""); return err },
		"PutList":           func() error { _, err := e.PutList(ctx, "", nil); return err },
		"Post":              func() error { return post(ctx, "u", "", "", nil, time.Now()) },
	}
}
