package entry

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"orbitq/internal/gate"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// namespace is where CloudWatch keeps the metrics that log lines carry, and dimension
// keeps those of two stacks in one account apart: each line has it from the logger.
const (
	namespace = "orbitq"
	dimension = "stack"
)

// metric is the embedded metric format's declaration of one metric.
type metric struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// metrics returns the attributes of a log line that CloudWatch reads as metrics: the
// log is the transport, so that a metric costs no request. Source: the embedded
// metric format specification of CloudWatch.
func metrics(now time.Time, values map[string]float64) []slog.Attr {
	if len(values) == 0 {
		return nil // a declaration of nothing is no valid one
	}
	var declared []metric
	attrs := []slog.Attr{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		declared = append(declared, metric{Name: name, Unit: "None"})
		attrs = append(attrs, slog.Float64(name, values[name]))
	}
	return append(attrs, slog.Any("_aws", map[string]any{
		"Timestamp":         now.UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{"Namespace": namespace, "Dimensions": [][]string{{dimension}}, "Metrics": declared}},
	}))
}

// logBatch writes what the calls of a batch came to into the limiter's row, and one
// line with the metrics of the batch. What cannot be written now is lost to the
// month's count of units, and nothing else.
func logBatch(ctx context.Context, log *slog.Logger, g *gate.Gate, handled []worker.Handled) {
	values := map[string]float64{}
	for i := range handled {
		h := &handled[i]
		switch {
		case h.Action == string(job.Dead) && h.Err != nil: // died now, not seen dead again
			values["DeadJobs"]++
		case h.Action == string(job.Succeeded):
			values["SucceededJobs"]++
		case h.Action == "poison":
			values["PoisonMessages"]++
		}
	}
	err := g.Flush(ctx)
	if s, lookErr := g.Look(ctx); lookErr == nil {
		values["ProviderBudgetPercent"] = s.Spent
		values["BreakerOpen"] = 0
		if s.Breaker != "closed" {
			values["BreakerOpen"] = 1
		}
	} else if err == nil {
		err = lookErr
	}
	level, attrs := slog.LevelInfo, metrics(time.Now(), values)
	if err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("code", string(job.CodeOf(err))), slog.String("error", clip(err.Error(), maxReason)))
	}
	log.LogAttrs(ctx, level, "batch", attrs...)
}
