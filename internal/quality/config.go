package quality

import (
	"math"
	"time"
)

// Config holds the thresholds of the rules. Source: domain brief 5.3.
type Config struct {
	Warning        float64       // metres of accuracy; more is a warning
	Error          float64       // metres; more is an error
	Fine           float64       // metres; at most this for approving without a person
	CalibrationAge time.Duration // between calibration and reading; more is overdue
	Peers          int           // fewer say nothing about outliers
	PeerWindow     time.Duration // how long before the reading peers count; for the caller, who chooses them
	Fence          float64       // interquartile ranges between quartile and fence
	AutoApprove    bool          // approve without a person; off by default
}

// DefaultConfig returns the thresholds of the domain brief.
func DefaultConfig() Config {
	const day = 24 * time.Hour
	return Config{
		Warning: 50, Error: 80, Fine: 10, CalibrationAge: 90 * day,
		Peers: 10, PeerWindow: 30 * day, Fence: 1.5,
	}
}

// filled returns c with the default wherever a setting is missing or senseless.
func (c Config) filled() Config {
	d := DefaultConfig()
	c.Warning = positive(c.Warning, d.Warning)
	c.Error = positive(c.Error, d.Error)
	c.Fine = positive(c.Fine, d.Fine)
	c.Fence = positive(c.Fence, d.Fence)
	if c.CalibrationAge <= 0 {
		c.CalibrationAge = d.CalibrationAge
	}
	if c.Peers <= 0 {
		c.Peers = d.Peers
	}
	return c
}

// positive returns x when it is a finite number above 0, else the default.
func positive(x, otherwise float64) float64 {
	if x > 0 && !math.IsInf(x, 1) {
		return x
	}
	return otherwise
}
