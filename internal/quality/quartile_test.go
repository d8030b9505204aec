package quality_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"orbitq/internal/quality"
)

// TestPercentile has the ten values with which interpolation and the original's
// floor-indexed quartiles (3 and 8) differ.
func TestPercentile(t *testing.T) {
	t.Parallel()
	ten := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, c := range []struct {
		name   string
		sorted []float64
		p      float64
		want   float64
	}{
		{"first quartile", ten, 0.25, 3.25},
		{"third quartile", ten, 0.75, 7.75},
		{"median of an even number", ten, 0.5, 5.5},
		{"median of an odd number", ten[:9], 0.5, 5},
		{"lowest", ten, 0, 1},
		{"highest", ten, 1, 10},
		{"below the lowest", ten, -1, 1},
		{"above the highest", ten, math.Inf(1), 10},
		{"one value", ten[:1], 0.25, 1},
		{"equal values stay exact", []float64{0.1, 0.1}, 0.3, 0.1},
		{"no overflow", []float64{-math.MaxFloat64, math.MaxFloat64}, 0.5, 0},
		{"no value", nil, 0.5, math.NaN()},
		{"no share", ten, math.NaN(), math.NaN()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := quality.Percentile(c.sorted, c.p); got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestPercentileProperties: it lies within the values, grows with the share, and
// is mirrored by mirrored values.
func TestPercentileProperties(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		sorted := make([]float64, 1+r.IntN(40))
		for i := range sorted {
			sorted[i] = math.Round(r.NormFloat64()*1e4) / 100
		}
		slices.Sort(sorted)
		mirrored := make([]float64, len(sorted))
		for i, v := range sorted {
			mirrored[len(sorted)-1-i] = -v
		}
		p, q := r.Float64(), r.Float64()
		p, q = min(p, q), max(p, q)
		low, high := quality.Percentile(sorted, p), quality.Percentile(sorted, q)
		if low < sorted[0] || high > sorted[len(sorted)-1]+1e-9 || low > high+1e-9 {
			t.Fatalf("%v at %v, %v: got %v, %v", sorted, p, q, low, high)
		}
		if other := quality.Percentile(mirrored, 1-p); math.Abs(low+other) > 1e-9 {
			t.Fatalf("%v at %v: got %v, mirrored %v", sorted, p, low, other)
		}
	}
}

// TestOutliersKeepTheirScale moves and stretches peers and value together: what
// stands out does so in any unit.
func TestOutliersKeepTheirScale(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	flagged := 0
	for range 5000 {
		peers := make([]float64, 10+r.IntN(20))
		for i := range peers {
			peers[i] = float64(r.IntN(100))
		}
		value, by, to := float64(r.IntN(300)-100), float64(1+r.IntN(9)), float64(r.IntN(1000)-500)
		moved := make([]float64, len(peers))
		for i, v := range peers {
			moved[i] = v*by + to
		}
		first := analyze(func(in *quality.Input) { in.Peers, in.Point.Value = peers, value })
		second := analyze(func(in *quality.Input) { in.Peers, in.Point.Value = moved, value*by+to })
		_, a := named(&first, quality.StatisticalOutlier)
		_, b := named(&second, quality.StatisticalOutlier)
		if a != b {
			t.Fatalf("%v of %v: %v, times %v plus %v: %v", value, peers, a, by, to, b)
		}
		if a {
			flagged++
		}
	}
	if flagged < 500 || flagged > 4500 {
		t.Errorf("%d of 5000 flagged: the draw tells too little", flagged)
	}
}
