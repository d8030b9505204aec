package dynamostore

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orbitq/internal/flow"
	"orbitq/internal/job"
	"orbitq/internal/point"
)

// Points implements flow.Points: a hundred rows in one request, which refuses a key that it
// has twice. It reads consistently, because a user asks for a chain of a point that was
// stored a moment ago.
func (s *Store) Points(ctx context.Context, ids []string) ([]point.Point, error) {
	keys, seen := make([]item, 0, len(ids)), make(map[string]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			keys = append(keys, pointKey(id))
		}
		seen[id] = true
	}
	rows, err := s.readAll(ctx, keys, true)
	points := make([]point.Point, 0, len(rows))
	for _, row := range rows {
		points = append(points, decodePoint(row))
	}
	return points, err
}

// FindPoints implements flow.Points.
func (s *Store) FindPoints(ctx context.Context, owner string, f flow.Filter, n int) ([]point.Point, error) {
	found, whole, err := s.findPoints(ctx, owner, f, n, func(*point.Point) bool { return true })
	if err == nil && !whole {
		return nil, job.Invalid(job.Violation{Field: "filter", Rule: "narrow", Detail: "chooses among too many data points; name a metric, or a shorter time with it"})
	}
	return found, err
}

// maxPages is how many thousand rows a search looks at: about a third of a second each, of a
// request that has 29.
const maxPages = 50

// findPoints returns up to n points of an owner that a filter and a function choose, the
// newest of a metric first. The index narrows the choice as far as its order allows; the
// rows decide. It ends after maxPages of them, and then is not whole.
func (s *Store) findPoints(ctx context.Context, owner string, f flow.Filter, n int, wanted func(*point.Point) bool) (all []point.Point, whole bool, err error) {
	if !f.From.IsZero() && !f.Until.IsZero() && f.Until.Before(f.From) {
		return nil, true, nil // an index refuses such a question
	}
	in := s.campaignQuery(owner, f)
	for range maxPages {
		out, err := s.db.Query(ctx, in)
		if err != nil {
			return nil, false, coded("query owner index", err)
		}
		rows, err := s.rows(ctx, keysOf(out.Items))
		if err != nil {
			return nil, false, err
		}
		// Rows that are read by their keys come in no order.
		slices.SortFunc(rows, func(a, b item) int { return cmp.Compare(reader(b).str("os"), reader(a).str("os")) })
		for _, row := range rows {
			p := decodePoint(row)
			if f.Chooses(&p) && wanted(&p) {
				all = append(all, p)
			}
		}
		if out.LastEvaluatedKey == nil || len(all) >= n {
			return all[:min(n, len(all))], true, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	return all, false, nil
}

// campaignQuery returns the query for the points of a campaign.
func (s *Store) campaignQuery(owner string, f flow.Filter) *dynamodb.QueryInput {
	index, newestFirst, limit := ownerIndex, false, int32(1000)
	expr, values := "own = :own AND begins_with(os, :campaign)", item{":own": str(pointsOf(owner)), ":campaign": str(campaignPrefix(f.Campaign))}
	if f.Metric != "" {
		expr = "own = :own AND os BETWEEN :from AND :until"
		delete(values, ":campaign")
		prefix := campaignPrefix(f.Campaign, f.Metric)
		values[":from"], values[":until"] = str(prefix), str(prefix+"~")
		if !f.From.IsZero() {
			values[":from"] = str(readingPlace(f.Campaign, f.Metric, f.From))
		}
		if !f.Until.IsZero() {
			values[":until"] = str(readingPlace(f.Campaign, f.Metric, f.Until) + "~")
		}
	}
	return &dynamodb.QueryInput{
		TableName: &s.table, IndexName: &index, KeyConditionExpression: &expr, Limit: &limit, ScanIndexForward: &newestFirst,
		ExpressionAttributeValues: values,
	}
}
