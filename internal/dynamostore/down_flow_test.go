package dynamostore_test

import (
	"context"
	"time"

	"orbitq/internal/dynamostore"
	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
)

// noon is when the tests of this package happen.
func noon() time.Time { return time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC) }

// keep is a decision that changes nothing.
func keep[T any](v T) (T, error) { return v, nil }

// keepBatch is a decision that changes nothing.
func keepBatch(b job.Batch) (job.Batch, flow.Change, error) { return b, flow.Change{}, nil }

// driven calls what serves chains and batches.
func driven(ctx context.Context, s *dynamostore.Store) map[string]func() error {
	b := job.NewBatch(job.Batch{ID: job.DerivedID("b")}, noon(), time.Minute)
	return map[string]func() error{
		"AcceptChain": func() error { _, _, err := s.AcceptChain(ctx, &job.Chain{ID: "c", Look: noon()}); return err },
		"Chain":       func() error { _, err := s.Chain(ctx, "c"); return err },
		"AmendChain":  func() error { _, err := s.AmendChain(ctx, "c", keep[job.Chain]); return err },
		"OwnChains":   func() error { _, _, err := s.OwnChains(ctx, "u", "", 1); return err },
		"AcceptBatch": func() error { _, _, err := s.AcceptBatch(ctx, &b, []job.Item{b.Item("p", 1)}); return err },
		"Batch":       func() error { _, err := s.Batch(ctx, b.ID); return err },
		"AmendBatch":  func() error { _, err := s.AmendBatch(ctx, b.ID, keepBatch); return err },
		"OwnBatches":  func() error { _, _, err := s.OwnBatches(ctx, "u", "", 1); return err },
		"Items":       func() error { _, _, err := s.Items(ctx, &b, "", 1); return err },
		"Item":        func() error { _, err := s.Item(ctx, &b, "p"); return err },
		"AmendItem":   func() error { _, err := s.AmendItem(ctx, &b, "p", keep[job.Item]); return err },
		"OpenFlows":   func() error { _, err := s.OpenFlows(ctx, noon(), 1); return err },
		"Points":      func() error { _, err := s.Points(ctx, []string{"p"}); return err },
		"FindPoints":  func() error { _, err := s.FindPoints(ctx, "u", flow.Filter{Campaign: "c"}, 1); return err },
	}
}

// told calls what serves events and notices.
func told(ctx context.Context, s *dynamostore.Store) map[string]func() error {
	return map[string]func() error{
		"MarkFailed":      func() error { return s.MarkFailed(ctx, "e", "503", noon(), noon()) },
		"given up":        func() error { return s.MarkFailed(ctx, "e", "410", time.Time{}, noon()) },
		"Postpone":        func() error { return s.Postpone(ctx, "e", noon()) },
		"Receivers":       func() error { _, err := s.Receivers(ctx, "u"); return err },
		"SaveReceivers":   func() error { return s.SaveReceivers(ctx, "u", nil, noon()) },
		"Deliveries":      func() error { _, err := s.Deliveries(ctx, []string{"e"}); return err },
		"PutNotice":       func() error { return s.PutNotice(ctx, &job.Notice{ID: "n", Owner: "u", At: noon(), Topic: true}) },
		"Notice":          func() error { _, err := s.Notice(ctx, "u", "n"); return err },
		"Notices":         func() error { _, _, err := s.Notices(ctx, "u", "", 1); return err },
		"Preferences":     func() error { _, err := s.Preferences(ctx, "u"); return err },
		"SavePreferences": func() error { return s.SavePreferences(ctx, "u", job.Preferences{}) },
	}
}

// judged calls what serves verdicts and reviews.
func judged(ctx context.Context, s *dynamostore.Store) map[string]func() error {
	held := job.Job{ID: job.DerivedID("x"), State: job.Running, Lease: "t", UsageKey: "U"}
	ended := job.Ended(held, job.Analysed, job.Report{Now: noon()})
	p := point.Point{ID: "p", Owner: "u", CampaignID: "c", Revision: 1, CollectedAt: noon(), Status: point.Approved}
	return map[string]func() error{
		"Record a verdict": func() error {
			_, err := s.Record(ctx, &held, &ended, &quality.Record{Point: "p", Revision: 1}, nil)
			return err
		},
		"Record a notice": func() error {
			_, err := s.Record(ctx, &held, &ended, nil, &job.Notice{ID: "n", At: noon()})
			return err
		},
		"Quality":   func() error { _, err := s.Quality(ctx, "p", 1); return err },
		"Flags":     func() error { _, err := s.Flags(ctx, "p"); return err },
		"Review":    func() error { return s.Review(ctx, &p, &quality.Flag{Type: quality.ManualReview}) },
		"Zones":     func() error { _, err := s.Zones(ctx, "u", "c"); return err },
		"SaveZones": func() error { return s.SaveZones(ctx, "u", "c", nil) },
		"Peers":     func() error { _, err := s.Peers(ctx, &p, time.Hour); return err },
	}
}
