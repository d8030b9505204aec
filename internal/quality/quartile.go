package quality

import (
	"math"
	"slices"
)

// Percentile returns the value below which the share p (0..1, clamped) of the
// values lies, linearly interpolated between neighbours; they must be sorted.
// It is NaN when there is no value or p is no number. It is the one definition
// for every percentile of the product: the original used two that disagree.
func Percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 || math.IsNaN(p) {
		return math.NaN()
	}
	at := float64(len(sorted)-1) * min(max(p, 0), 1)
	below := int(at)
	low, high := sorted[below], sorted[min(below+1, len(sorted)-1)]
	return between(low, high, at-float64(below))
}

// between returns the value at the share f of the way from low to high. The
// second form does not overflow; the first gives low exactly when both are equal.
func between(low, high, f float64) float64 {
	if way := high - low; !math.IsInf(way, 0) {
		return low + way*f
	}
	return low*(1-f) + high*f
}

// fences are the limits of what is ordinary among some values.
type fences struct {
	q1, q3, iqr, lower, upper float64
	n                         int
}

// fencesOf returns the fences around the finite ones of the values, at width
// interquartile ranges from the quartiles.
func fencesOf(values []float64, width float64) fences {
	kept := make([]float64, 0, len(values))
	for _, v := range values {
		if finite(v) {
			kept = append(kept, v)
		}
	}
	slices.Sort(kept)
	f := fences{n: len(kept), q1: micro(Percentile(kept, 0.25)), q3: micro(Percentile(kept, 0.75))}
	f.iqr = micro(f.q3 - f.q1)
	f.lower, f.upper = micro(f.q1-width*f.iqr), micro(f.q3+width*f.iqr)
	return f
}

// excludes reports whether v lies strictly outside: a value on a fence is ordinary.
func (f fences) excludes(v float64) bool { return v < f.lower || v > f.upper }

// micro rounds to 6 decimals. Values have 2, so that a value which lies on a
// fence by its decimals is not pushed over it by the binary fractions. It also
// turns -0 into 0, which JSON would tell apart.
func micro(x float64) float64 {
	const exact = 1 << 53 / 1e6 // from here on, a float64 has no 6 decimals
	if math.Abs(x) >= exact {
		return x
	}
	return math.Round(x*1e6)/1e6 + 0
}

// finite reports whether x is a number that JSON can hold.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
