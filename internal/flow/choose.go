package flow

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"orbitq/internal/job"
	"orbitq/internal/point"
)

// chosen returns the points of a wish, in the order of their ids.
func (f *Flow) chosen(ctx context.Context, owner string, w *BatchWish) ([]point.Point, error) {
	if w.Filter == nil {
		return f.owned(ctx, owner, "data_point_ids[]", w.Points)
	}
	// One more than allowed, so that too many is told from just enough without counting all.
	points, err := f.Points.FindPoints(ctx, owner, *w.Filter, MaxItems+1)
	if err != nil {
		return nil, fmt.Errorf("find points: %w", err)
	}
	if n := len(points); n < 1 || n > MaxItems {
		return nil, job.Invalid(job.Violation{Field: "filter", Rule: "count", Detail: "must choose 1 to " + strconv.Itoa(MaxItems) + " data points; it chooses " + atMost(n)})
	}
	return byID(points), nil
}

// atMost names a count that stopped at its limit.
func atMost(n int) string {
	if n > MaxItems {
		return "more"
	}
	return strconv.Itoa(n)
}

// byID orders points.
func byID(points []point.Point) []point.Point {
	slices.SortFunc(points, func(a, b point.Point) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return points
}

// owned returns an owner's points, all of them or an error that names those that are not
// there. The field of a list ends with [].
func (f *Flow) owned(ctx context.Context, owner, field string, ids []string) ([]point.Point, error) {
	found, err := f.Points.Points(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read points: %w", err)
	}
	own := map[string]bool{}
	points := found[:0]
	for i := range found {
		if found[i].Owner == owner {
			own[found[i].ID] = true
			points = append(points, found[i])
		}
	}
	var broken []job.Violation
	for i, id := range ids {
		if !own[id] && len(broken) < maxViolations {
			broken = append(broken, job.Violation{Field: strings.Replace(field, "[]", "["+strconv.Itoa(i)+"]", 1), Rule: "exists", Detail: "there is no data point " + id})
		}
	}
	if len(broken) > 0 {
		// Not found, as everywhere that a request names one: alone or beside others means the same.
		e := job.Errorf(job.NotFound, "%s: %s", broken[0].Field, broken[0].Detail)
		e.Violations = broken
		return nil, e
	}
	return byID(points), nil
}
