package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/local/scene"
	"orbitq/internal/local/stack"
)

// What the second part of the demo works on: one point goes through a chain, the others through a batch, and the provider
// refuses some of these places, as it would refuse a request that is wrong for ever.
const (
	flowPoints    = 100
	barrenPoints  = 4
	flowLookEvery = 150 * time.Millisecond
)

// flowDemo runs a chain and a batch through the API, as any client would.
type flowDemo struct {
	api      *client.Client
	meter    *meter
	state    stack.State
	out      io.Writer // of the progress
	key      string
	patience time.Duration
}

// run starts both, and retries what failed in the batch when the provider is well again.
func (d *flowDemo) run(ctx context.Context, picture *scene.Scene) (*flowReport, error) {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	places := picture.PickPoints(scene.Bare, flowPoints+1)
	if len(places) < flowPoints+1 {
		return nil, fmt.Errorf("pick points: the scene has %d clear places", len(places))
	}
	// Before anything is stored: storing is part of what the work costs.
	before, err := d.meter.read(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := d.store(ctx, picture, places)
	if err != nil {
		return nil, err
	}
	r := &flowReport{}
	if err := d.chain(ctx, r, ids[0]); err != nil {
		return nil, err
	}
	// Only now: the chain must not meet a provider that refuses.
	if err := d.refuse(ctx, places[1:1+barrenPoints]); err != nil {
		return nil, err
	}
	err = d.batch(ctx, r, ids[1:])
	if err != nil {
		return nil, err
	}
	after, err := d.meter.read(ctx)
	if err != nil {
		return nil, err
	}
	r.AWS = after.since(before).AWS
	return r, d.receipts(ctx, r)
}

// store stores points that nobody enriches until asked.
func (d *flowDemo) store(ctx context.Context, picture *scene.Scene, places []scene.Point) ([]string, error) {
	ids, alone := make([]string, len(places)), false
	return ids, each(ctx, len(places), func(ctx context.Context, i int) error {
		// On the day of the image, so that every point has an answer and only the refused ones fail.
		p := reading(places[i], picture.Sensed(), 0)
		p.Enrich, p.Key = &alone, fmt.Sprintf("%s-flow-%d", d.key, i)
		created, err := d.api.CreatePoint(ctx, p)
		if err != nil {
			return fmt.Errorf("store point %d: %w", i, err)
		}
		ids[i] = created.PointID
		return nil
	})
}

// chain runs one point through all three steps.
func (d *flowDemo) chain(ctx context.Context, r *flowReport, point string) error {
	c, err := d.api.StartChain(ctx, client.NewChain{PointID: point, Key: d.key + "-chain"})
	if err != nil {
		return fmt.Errorf("start chain: %w", err)
	}
	if r.Chain, err = d.api.WaitChain(ctx, c.ID, flowLookEvery, func(client.Chain) {}); err != nil {
		return fmt.Errorf("wait for chain: %w", err)
	}
	if r.Quality, err = d.api.Quality(ctx, point); err != nil {
		return fmt.Errorf("read quality: %w", err)
	}
	return nil
}
