package entry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"orbitq/internal/job"
	"orbitq/internal/worker"
)

// embedded reads the metrics of a line as CloudWatch does, and fails where the line breaks the embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func embedded(t *testing.T, line map[string]any) map[string]float64 {
	t.Helper()
	raw, err := json.Marshal(line["_aws"])
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Timestamp         *int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	if err := json.Unmarshal(raw, &meta); err != nil || meta.Timestamp == nil || len(meta.CloudWatchMetrics) != 1 {
		t.Fatalf("metadata %s: %v", raw, err)
	}
	if age := time.Since(time.UnixMilli(*meta.Timestamp)); age < -time.Minute || age > time.Minute {
		t.Errorf("the timestamp is %s old: it must be in milliseconds, and at most two hours ahead", age)
	}
	directive := meta.CloudWatchMetrics[0]
	if directive.Namespace != "orbitq" || len(directive.Metrics) == 0 || len(directive.Metrics) > 100 {
		t.Errorf("directive %+v", directive)
	}
	// Its value is a text of the line itself. Without one, the alarms of a stack would ring for another in its account.
	if fmt.Sprint(directive.Dimensions) != "[[stack]]" || line["stack"] != "orbitq-dev" {
		t.Errorf("dimensions %v, of which the line says %v", directive.Dimensions, line["stack"])
	}
	got := map[string]float64{}
	for _, m := range directive.Metrics {
		value, ok := line[m.Name].(float64)
		if !ok || m.Name == "" || !slices.Contains([]string{"None", "Count", "Percent", "Seconds"}, m.Unit) {
			t.Errorf("metric %+v is %v", m, line[m.Name])
		}
		got[m.Name] = value
	}
	return got
}

// lineOf returns the only line with a message.
func (l *lines) lineOf(t *testing.T, message string) map[string]any {
	t.Helper()
	found := slices.DeleteFunc(l.all(t), func(line map[string]any) bool { return line["msg"] != message })
	if len(found) != 1 {
		t.Fatalf("%d lines %q in %s", len(found), message, l)
	}
	return found[0]
}

// A batch counts what it ended: a job that is dead already, or fails for now, counts for nothing.
func TestMetricsOfABatch(t *testing.T) {
	t.Parallel()
	f := work(t, func(ctx context.Context, j *job.Job) (worker.Result, error) {
		switch j.ID {
		case id(1), id(2):
			return done(ctx, j)
		case id(3):
			return worker.Result{}, job.Errorf(job.InvalidRequest, "400")
		default:
			return worker.Result{}, job.Errorf(job.ProviderUnavailable, "503")
		}
	})
	var e events.SQSEvent
	for i := 1; i <= 4; i++ {
		f.job(t, id(i), 1)
		e.Records = append(e.Records, record(i, carrying(id(i))))
	}
	e.Records = append(e.Records, record(5, "hello"), record(6, "hello, too"))
	f.deliver(t, e)
	line := f.log.lineOf(t, "batch")
	want := map[string]float64{"SucceededJobs": 2, "DeadJobs": 1, "PoisonMessages": 2, "BreakerOpen": 0, "ProviderBudgetPercent": 0}
	got := embedded(t, line)
	for name, n := range want {
		if v, ok := got[name]; !ok || v != n || len(got) != len(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if line["level"] != "INFO" || line["code"] != nil {
		t.Errorf("line %v", line)
	}
	f.deliver(t, events.SQSEvent{Records: []events.SQSMessage{record(7, carrying(id(3))), record(8, carrying(id(1)))}})
	all := f.log.all(t)
	got = embedded(t, all[len(all)-1])
	if _, again := got["DeadJobs"]; again || got["SucceededJobs"] != 0 || len(got) != 2 {
		t.Errorf("delivered again: %v", got)
	}
}

// A limiter that cannot be read leaves its metrics out, which is no alarm and no lie; a batch without any declares none.
func TestMetricsWithoutTheLimiter(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{carrying(id(1)): false, "hello": true} {
		f := work(t, done)
		f.store.err = errors.New("table is gone")
		f.deliver(t, events.SQSEvent{Records: []events.SQSMessage{record(1, body)}})
		line := f.log.lineOf(t, "batch")
		if _, ok := line["_aws"]; ok != want {
			t.Errorf("%.20s: line %v", body, line)
		}
		if want && embedded(t, line)["PoisonMessages"] != 1 {
			t.Errorf("line %v", line)
		}
		if _, ok := line["BreakerOpen"]; ok || line["level"] != "WARN" || line["code"] != "THROTTLED" || line["error"] == nil {
			t.Errorf("line %v", line)
		}
	}
}

func TestMetricsOfTheRelay(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.seed(t, ann)
	b.now = b.now.Add(20 * time.Minute)
	line, err := b.relays(t)
	if got := embedded(t, line); err != nil || got["RelaySent"] != 1 || got["RelayPaced"] != 0 || got["OldestLookSeconds"] != 300 || len(got) != 3 {
		t.Errorf("got %v, %v", got, err)
	}
}
