package entry

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"orbitq/internal/gate"
	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// SQS returns the handler of the work queues. The records of a batch are worked
// on at once, each on its own: only those that must come back are reported, so
// that one bad message never repeats nine good ones. The handler itself never
// fails: an error would repeat the whole batch.
func SQS(w *worker.Worker, g *gate.Gate, log *slog.Logger) func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
	return func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		requestID := ""
		if lc, ok := lambdacontext.FromContext(ctx); ok {
			requestID = lc.AwsRequestID
		}
		// One slot per record: nothing is shared, so nothing is locked.
		handled := make([]worker.Handled, len(e.Records))
		var wg sync.WaitGroup
		for i := range e.Records {
			wg.Go(func() {
				d := delivery(&e.Records[i], requestID)
				began := time.Now()
				handled[i] = w.Handle(ctx, d)
				logDelivery(ctx, log, &d, &handled[i], time.Since(began))
			})
		}
		wg.Wait()
		if len(handled) > 0 {
			logBatch(ctx, log, g, handled)
		}
		// An empty list says that every record is done. An id that is not in the
		// batch would say that none is, so ids are copied, never made.
		out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
		for i := range handled {
			if handled[i].Keep {
				out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: e.Records[i].MessageId})
			}
		}
		return out, nil
	}
}

// delivery reads one record. The times are those of SQS: only its own clock says
// which of two sends of a message came first.
func delivery(m *events.SQSMessage, requestID string) worker.Delivery {
	return worker.Delivery{
		MessageID: m.MessageId, Source: m.EventSourceARN[strings.LastIndex(m.EventSourceARN, ":")+1:],
		Receipt: m.ReceiptHandle, Body: m.Body,
		Sent:     time.UnixMilli(integer(m.Attributes["SentTimestamp"])).UTC(),
		Receives: int(integer(m.Attributes["ApproximateReceiveCount"])), RequestID: requestID,
	}
}

// logDelivery writes the one line of a delivery.
func logDelivery(ctx context.Context, log *slog.Logger, d *worker.Delivery, h *worker.Handled, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("action", h.Action), slog.String("job", h.Job.ID), slog.String("kind", h.Job.Kind),
		slog.Int("attempt", h.Job.Attempts), slog.Int("gen", h.Job.Generation), slog.String("owner", "sqs"),
		slog.String("trace", d.RequestID), slog.String("queue", d.Source), slog.Int("receives", d.Receives),
		slog.Bool("kept", h.Keep), slog.Int64("ms", took.Milliseconds()),
	}
	if h.Job.Outcome != "" {
		attrs = append(attrs, slog.String("outcome", string(h.Job.Outcome)))
	}
	if h.Job.Print != "" {
		attrs = append(attrs, slog.String("fingerprint", h.Job.Print))
	}
	if h.Err != nil {
		level = slog.LevelWarn
		// Clipped, because the reason of a poison message quotes a stranger.
		attrs = append(attrs, slog.String("code", string(job.CodeOf(h.Err))), slog.String("error", clip(h.Err.Error(), maxReason)))
	}
	log.LogAttrs(ctx, level, "delivery", attrs...)
}

// integer reads a number of an SQS attribute; SQS never sends anything else, and
// if it did, a count of 0 would be harmless where a failed batch is not.
func integer(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
