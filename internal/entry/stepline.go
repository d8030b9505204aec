package entry

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"

	"orbitq/internal/flow"
	"orbitq/internal/job"
)

// visited writes the line of a step, as a delivery has one.
func (s *stepper) visited(ctx context.Context, kind, id string, a *flow.Answer) {
	if a.Job.ID == "" {
		return
	}
	level := slog.LevelInfo
	attrs := []slog.Attr{
		// The keys are those of a delivery's line, so that one query finds a job however it ran.
		slog.String("action", string(a.Job.State)), slog.String("job", a.Job.ID), slog.String("kind", a.Job.Kind), slog.Int("attempt", a.Job.Attempts),
		slog.Int("gen", a.Job.Generation), slog.String("owner", kind+"/"+id), slog.String("flow_state", string(a.State)), slog.Int("wait_s", int(a.Wait/time.Second)),
	}
	if a.Job.Outcome != "" {
		attrs = append(attrs, slog.String("outcome", string(a.Job.Outcome)))
	}
	if a.Err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("code", string(job.CodeOf(a.Err))), slog.String("error", clip(a.Err.Error(), maxReason)))
	}
	s.log.LogAttrs(ctx, level, "step", attrs...)
}

// line writes the one line of an operation.
func (s *stepper) line(ctx context.Context, e *StepEvent, out *StepAnswer, err error, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("op", clip(e.Op, maxQuoted)), slog.String("flow", e.Chain+e.Batch), slog.Int("points", len(e.Points)), slog.String("state", out.State),
		slog.Int("wait_s", out.Seconds), slog.Bool("closed", out.Closed), slog.Int64("ms", took.Milliseconds()),
	}
	if err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, slog.String("code", string(job.CodeOf(err))), slog.String("error", clip(err.Error(), maxReason)))
	}
	s.log.LogAttrs(ctx, level, "operation", attrs...)
}

// named gives an error of the handler our code as its name. aws-lambda-go reports the name
// of the Go type unless this very type is returned, and not wrapped.
func named(err error) error {
	return messages.InvokeResponse_Error{Type: string(job.CodeOf(err)), Message: clip(err.Error(), maxReason)}
}

// executionName shortens the ARN of an execution to its name, which the history keeps.
func executionName(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }
