package dynamostore

import (
	"context"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/point"
	"orbitq/internal/quality"
)

// Flags implements query.Qualities: what people have said about a point, the oldest first.
func (s *Store) Flags(ctx context.Context, point string) ([]quality.Flag, error) {
	rows, err := s.partition(ctx, qualityRows(point), true, 0)
	if err != nil {
		return nil, err
	}
	var all []quality.Flag
	for _, row := range rows {
		if !strings.HasPrefix(reader(row).str("sk"), flagPrefix) {
			continue // what the rules say
		}
		f, err := undocument[quality.Flag](row)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	sort.SliceStable(all, func(i, k int) bool { return all[i].At.Before(all[k].At) })
	return all, nil
}

// Review implements intake.Reviews: the status of a reading, and a flag of a person's.
func (s *Store) Review(ctx context.Context, p *point.Point, f *quality.Flag) error {
	if f == nil {
		return s.say(ctx, p, s.reviewed(p))
	}
	raised, err := s.raised(p, f)
	if err != nil {
		return err
	}
	return s.say(ctx, p, s.reviewed(p), raised)
}

// Raise implements intake.Reviews.
func (s *Store) Raise(ctx context.Context, p *point.Point, f *quality.Flag) error {
	raised, err := s.raised(p, f)
	if err != nil {
		return err
	}
	c := equals("rev", num(p.Revision))
	return s.say(ctx, p, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &s.table, Key: pointKey(p.ID), ConditionExpression: &c.expr,
		ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
	}}, raised)
}

// raised writes a flag of a person's, which is a row of its own so that no analysis can ever
// write over it.
func (s *Store) raised(p *point.Point, f *quality.Flag) (types.TransactWriteItem, error) {
	w, err := document(flagKey(p.ID, f.Type, f.Reason), f)
	return types.TransactWriteItem{Put: &types.Put{TableName: &s.table, Item: item(w)}}, err
}

// say writes what a person says about a reading. The first of the writes is on condition that
// it is the one that the person saw.
func (s *Store) say(ctx context.Context, p *point.Point, items ...types.TransactWriteItem) error {
	err := s.transact(ctx, items...)
	rs, _ := reasons(err)
	if _, changed := refused(rs, 0); changed {
		return job.Errorf(job.StateConflict, "the data point %s has changed since it was read", p.ID)
	}
	if err != nil {
		return coded("write review", err)
	}
	return nil
}

// SaveZones implements intake.Reviews.
func (s *Store) SaveZones(ctx context.Context, owner, campaign string, zones []quality.Zone) error {
	w, err := document(campaignKey(owner, campaign), zones)
	if err != nil {
		return err
	}
	return s.repeat(ctx, func() error {
		if err := s.put(ctx, &types.Put{TableName: &s.table, Item: item(w)}); err != nil {
			return coded("put zones", err)
		}
		return nil
	})
}

// Zones implements kinds.Readings.
func (s *Store) Zones(ctx context.Context, owner, campaign string) ([]quality.Zone, error) {
	row, err := s.get(ctx, campaignKey(owner, campaign))
	if err != nil || row == nil {
		return nil, err
	}
	return undocument[[]quality.Zone](row)
}

// maxPeers is the most readings that another one is compared with: the newest ones.
const maxPeers = 500

// Peers implements kinds.Readings: values of approved readings of the same campaign and
// metric, collected in a time before the reading.
func (s *Store) Peers(ctx context.Context, p *point.Point, window time.Duration) ([]float64, error) {
	if p.CampaignID == "" {
		return nil, nil
	}
	f := flow.Filter{Campaign: p.CampaignID, Metric: p.MetricID, From: p.CollectedAt.Add(-window), Until: p.CollectedAt}
	found, _, err := s.findPoints(ctx, p.Owner, f, maxPeers, func(q *point.Point) bool {
		return kinds.Peer(p, q)
	})
	values := make([]float64, 0, len(found))
	for i := range found {
		values = append(values, found[i].Value)
	}
	return values, err
}
