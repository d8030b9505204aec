package quality

import (
	"strconv"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/point"
)

// rule judges one thing. It may leave the number out of a detail, never the flag.
type rule func(in *Input, c *Config) (Flag, bool)

// rules returns every rule in the order of the flags in a record.
func rules() []rule {
	return []rule{gpsError, outlier, outsideZone, unexpectedRange, calibrationOverdue, weakContext, landCover}
}

// details keeps the numbers of a flag that JSON can hold.
func details(all map[string]float64) map[string]float64 {
	kept := make(map[string]float64, len(all))
	for name, x := range all {
		if finite(x) {
			kept[name] = micro(x)
		}
	}
	return kept
}

// located reports whether the place of the point is known. Rows that predate
// the rules of point.New may hold anything.
func located(p *point.Point) bool {
	return p.HasLocation() && within(*p.Latitude, 90) && within(*p.Longitude, 180)
}

// gpsError flags a radius that is too large, or that is none: a negative one or
// no number at all says that the receiver knew nothing.
func gpsError(in *Input, c *Config) (Flag, bool) {
	metres := in.Point.Accuracy
	f := Flag{Type: HighGPSError, Severity: Error}
	switch {
	case !finite(metres) || metres < 0:
		f.Reason, f.Details = "GPS accuracy is no radius", details(map[string]float64{"accuracy": metres})
		return f, true
	case metres > c.Error:
		f.Reason, f.Details = gpsWorse(metres, c.Error)
		return f, true
	case metres > c.Warning:
		f.Severity = Warning
		f.Reason, f.Details = gpsWorse(metres, c.Warning)
		return f, true
	default:
		return Flag{}, false
	}
}

// gpsWorse tells by which limit a radius is too large, in metres.
func gpsWorse(metres, limit float64) (string, map[string]float64) {
	return "GPS accuracy of " + number(metres) + " m is worse than " + number(limit) + " m",
		details(map[string]float64{"accuracy": metres, "limit": limit})
}

// outlier flags a value outside the fences of its peers. Peers that all agree
// have fences of no width, so any other value is outside: that is the rule.
func outlier(in *Input, c *Config) (Flag, bool) {
	v := micro(in.Point.Value)
	around := fencesOf(in.Peers, c.Fence)
	if around.n < c.Peers || !finite(v) || !around.excludes(v) {
		return Flag{}, false
	}
	return Flag{
		Type: StatisticalOutlier, Severity: Warning,
		Reason: "value " + number(v) + " lies outside " + number(around.lower) + " to " + number(around.upper) +
			", where " + strconv.Itoa(around.n) + " approved readings put it",
		Details: details(map[string]float64{
			"value": v, "q1": around.q1, "q3": around.q3, "iqr": around.iqr,
			"lower": around.lower, "upper": around.upper, "n": float64(around.n),
		}),
	}, true
}

// outsideZone flags a place in none of the zones. A zone that CheckZone would
// refuse has no inside, and must not cost a reading its approval.
func outsideZone(in *Input, _ *Config) (Flag, bool) {
	if !located(&in.Point) {
		return Flag{}, false
	}
	usable := 0
	for _, z := range in.Zones {
		if len(checkRing(z.corners())) > 0 {
			continue
		}
		usable++
		if z.contains(*in.Point.Longitude, *in.Point.Latitude) {
			return Flag{}, false
		}
	}
	if usable == 0 {
		return Flag{}, false
	}
	return Flag{
		Type: OutsideZone, Severity: Error,
		Reason:  "place lies in none of the campaign's zones",
		Details: details(map[string]float64{"zones": float64(usable)}),
	}, true
}

// unexpectedRange flags a value that its metric does not take; what is no
// number, no metric takes.
func unexpectedRange(in *Input, _ *Config) (Flag, bool) {
	v, m := in.Point.Value, MetricOf(in.Point.MetricID)
	f := Flag{Type: UnexpectedRange, Severity: Warning}
	if !finite(v) {
		f.Reason = "value is no finite number"
		return f, true
	}
	if !m.Ranged || v >= m.Min && v <= m.Max {
		return Flag{}, false
	}
	f.Reason = "value " + number(v) + " is not within " + number(m.Min) + " to " + number(m.Max) + " of " + m.ID
	f.Details = details(map[string]float64{"value": v, "min": m.Min, "max": m.Max})
	return f, true
}

// calibrationOverdue looks at the age at the time of the reading, not of the
// analysis: a late analysis makes no sensor worse. A calibration after the
// reading says nothing about it.
func calibrationOverdue(in *Input, c *Config) (Flag, bool) {
	if in.Point.CalibratedAt.IsZero() {
		return Flag{}, false
	}
	age := in.Point.CollectedAt.Sub(in.Point.CalibratedAt)
	if age <= c.CalibrationAge {
		return Flag{}, false
	}
	return Flag{
		Type: CalibrationOverdue, Severity: Warning,
		Reason:  "sensor was calibrated more than " + number(days(c.CalibrationAge)) + " days before the reading",
		Details: details(map[string]float64{"age_days": days(age), "limit_days": days(c.CalibrationAge)}),
	}, true
}

// weakContext flags a reading that the satellite says little or nothing about.
func weakContext(in *Input, _ *Config) (Flag, bool) {
	f := Flag{Type: SatelliteContextWeak, Severity: Warning}
	a := in.Analysis
	if a == nil {
		f.Reason = "no satellite analysis" + because(in.Outcome)
		return f, true
	}
	if a.TemporalQuality != poor {
		return Flag{}, false
	}
	f.Reason = "satellite image was taken " + strconv.Itoa(max(a.DayOffset, -a.DayOffset)) + " days from the reading"
	f.Details = details(map[string]float64{
		"day_offset": float64(a.DayOffset), "cloud_fraction": a.Day.CloudFraction, "valid_fraction": a.Day.ValidFraction,
	})
	return f, true
}

// poor is the worst grade that satellite.TemporalQuality gives.
const poor = "poor"

// because names the outcome that left a reading without analysis, if it is known.
func because(o job.Outcome) string {
	if o == "" {
		return ""
	}
	return ": " + string(o)
}

// landCover flags a metric of soil or plants where the image shows mostly
// something else. A pixel is water or snow, never both, so the shares add up.
func landCover(in *Input, _ *Config) (Flag, bool) {
	if in.Analysis == nil || !MetricOf(in.Point.MetricID).Ground {
		return Flag{}, false
	}
	water, snow := share(in.Analysis.Day.WaterFraction), share(in.Analysis.Day.SnowFraction)
	covered := water + snow
	if covered <= 0.5 {
		return Flag{}, false
	}
	return Flag{
		Type: LandCoverMismatch, Severity: Warning,
		Reason:  in.Point.MetricID + " was measured where the satellite sees " + number(100*covered) + " % water or snow",
		Details: details(map[string]float64{"water_fraction": water, "snow_fraction": snow}),
	}, true
}

// share returns x as a share of 0..1; what is no number counts as none.
func share(x float64) float64 {
	if !finite(x) {
		return 0
	}
	return min(max(x, 0), 1)
}

// days returns d in days.
func days(d time.Duration) float64 { return d.Hours() / 24 }

// number formats x as people write it, without an exponent.
func number(x float64) string { return strconv.FormatFloat(micro(x), 'f', -1, 64) }
