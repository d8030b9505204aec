package usage_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
	"orbitq/internal/usage"
)

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func TestTiers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    string
		want  usage.Tier
		limit int
	}{
		{"free", usage.Free, 10},
		{"pro", usage.Pro, 100},
		{"enterprise", usage.Enterprise, job.Unlimited},
		{"PRO", usage.Pro, 100},
		{"", usage.Free, 10},
		{"platinum", usage.Free, 10},
		{" enterprise", usage.Free, 10},
		{"-1", usage.Free, 10},
	} {
		if got := usage.ParseTier(c.in); got != c.want || got.Limit() != c.limit {
			t.Errorf("%q: got %s with limit %d, want %s with %d", c.in, got, got.Limit(), c.want, c.limit)
		}
	}
}

func TestCycleAt(t *testing.T) {
	t.Parallel()
	anchor := date(2026, 1, 31)
	for _, c := range []struct {
		name       string
		tier       usage.Tier
		anchor     time.Time
		now        time.Time
		start, end time.Time
	}{
		{"free counts by calendar month", usage.Free, anchor, date(2026, 2, 10), date(2026, 2, 1), date(2026, 3, 1)},
		{"free over the new year", usage.Free, time.Time{}, date(2026, 12, 31), date(2026, 12, 1), date(2027, 1, 1)},
		{"no anchor is the calendar month", usage.Pro, time.Time{}, date(2026, 2, 28), date(2026, 2, 1), date(2026, 3, 1)},
		{"the anchor's own day", usage.Pro, anchor, anchor, date(2026, 1, 31), date(2026, 2, 28)},
		{"the original overflowed here to 3 February", usage.Pro, anchor, date(2026, 2, 10), date(2026, 1, 31), date(2026, 2, 28)},
		{"and here its start lay in the future", usage.Pro, anchor, date(2026, 2, 1), date(2026, 1, 31), date(2026, 2, 28)},
		{"clamped to February", usage.Pro, anchor, date(2026, 2, 28), date(2026, 2, 28), date(2026, 3, 31)},
		{"back on the 31st", usage.Pro, anchor, date(2026, 3, 31), date(2026, 3, 31), date(2026, 4, 30)},
		{"clamped to April", usage.Pro, anchor, date(2026, 4, 30), date(2026, 4, 30), date(2026, 5, 31)},
		{"a leap year has its 29th", usage.Pro, anchor, date(2028, 2, 29), date(2028, 2, 29), date(2028, 3, 31)},
		{"before the anchor", usage.Pro, anchor, date(2025, 12, 31), date(2025, 12, 31), date(2026, 1, 31)},
		{"enterprise has cycles, too", usage.Enterprise, date(2025, 6, 15), date(2026, 3, 1), date(2026, 2, 15), date(2026, 3, 15)},
		{"a moment before the end", usage.Pro, date(2026, 1, 15), date(2026, 2, 15).Add(-time.Nanosecond), date(2026, 1, 15), date(2026, 2, 15)},
		{"now in another zone", usage.Pro, date(2026, 1, 15), date(2026, 2, 15).In(time.FixedZone("", -3600)), date(2026, 2, 15), date(2026, 3, 15)},
		{"an anchor in another zone", usage.Pro, time.Date(2026, 1, 15, 23, 30, 0, 0, time.FixedZone("", -3600)), date(2026, 2, 15), date(2026, 1, 16), date(2026, 2, 16)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := usage.CycleAt(c.tier, c.anchor, c.now); !got.Start.Equal(c.start) || !got.End.Equal(c.end) {
				t.Errorf("got %v, want %v to %v", got, c.start, c.end)
			}
		})
	}
}

func TestStartsOfAnAnchorAtTheEndOfAMonth(t *testing.T) {
	t.Parallel()
	anchor := date(2026, 1, 31)
	want := []time.Time{date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)}
	now := anchor
	for i, start := range want {
		c := usage.CycleAt(usage.Pro, anchor, now)
		if !c.Start.Equal(start) {
			t.Errorf("cycle %d starts %v, want %v", i, c.Start, start)
		}
		now = c.End
	}
}

// moments are times over some centuries, in milliseconds.
func moments() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(date(1990, 1, 1).UnixMilli(), date(2200, 1, 1).UnixMilli()).Draw(t, "ms")).UTC()
	})
}

func TestCyclesTileTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		tier := rapid.SampledFrom([]usage.Tier{usage.Free, usage.Pro, usage.Enterprise}).Draw(t, "tier")
		anchor, now := moments().Draw(t, "anchor"), moments().Draw(t, "now")
		c := usage.CycleAt(tier, anchor, now)
		if now.Before(c.Start) || !now.Before(c.End) {
			t.Fatalf("%v is not in %v", now, c)
		}
		if days := c.End.Sub(c.Start).Hours() / 24; days < 28 || days > 31 {
			t.Fatalf("%v has %v days", c, days)
		}
		// No gap and no overlap: the moment at the end begins the next cycle, the
		// moment before the start ends the one before.
		if next := usage.CycleAt(tier, anchor, c.End); !next.Start.Equal(c.End) {
			t.Fatalf("%v is followed by %v", c, next)
		}
		if last := usage.CycleAt(tier, anchor, c.Start.Add(-time.Nanosecond)); !last.End.Equal(c.Start) {
			t.Fatalf("%v comes after %v", c, last)
		}
	})
}

func TestMeterKey(t *testing.T) {
	t.Parallel()
	now := date(2026, 3, 15)
	if got, want := usage.MeterKey(usage.Free, time.Time{}, now), "USAGE#satellite_analyses#2026-03-01"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		anchor, a, b := moments().Draw(t, "anchor"), moments().Draw(t, "a"), moments().Draw(t, "b")
		same := usage.MeterKey(usage.Pro, anchor, a) == usage.MeterKey(usage.Pro, anchor, b)
		if same != (usage.CycleAt(usage.Pro, anchor, a) == usage.CycleAt(usage.Pro, anchor, b)) {
			t.Fatal("a key is not a cycle")
		}
		if usage.MeterKey(usage.Pro, anchor, a) != usage.MeterKey(usage.Enterprise, anchor, a) {
			t.Fatal("a change of plan begins at zero")
		}
		if usage.MeterKey(usage.Free, anchor, a) != usage.MeterKey(usage.Pro, time.Time{}, a) {
			t.Fatal("two plans by calendar month have two meters")
		}
	})
}
