package dynamostore

import (
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/satellite"
)

// times are UTC in milliseconds, as rows hold them; some are not set.
func times() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		return time.UnixMilli(rapid.Int64Range(1, 4_000_000_000_000).Draw(t, "ms")).UTC()
	})
}

// texts may hold the separator of keys.
func texts() *rapid.Generator[string] {
	return rapid.StringOfN(rapid.SampledFrom([]rune("aZ0#-\u00e6")), 0, 12, -1)
}

// rows are jobs with any values; only a final one has no look.
func rows() *rapid.Generator[job.Job] {
	return rapid.Custom(func(t *rapid.T) job.Job {
		n := rapid.IntRange(0, 1<<30)
		j := job.Job{
			ID: job.DerivedID(texts().Draw(t, "id")), Kind: texts().Draw(t, "kind"), Owner: texts().Draw(t, "owner"), Tier: texts().Draw(t, "tier"),
			Limit: rapid.IntRange(-1, 100).Draw(t, "limit"), Queue: texts().Draw(t, "queue"), Point: texts().Draw(t, "point"), Revision: n.Draw(t, "revision"),
			BodyHash: texts().Draw(t, "hash"), State: rapid.SampledFrom(job.States()).Draw(t, "state"), Generation: n.Draw(t, "generation"),
			Ticket: n.Draw(t, "ticket"), ValidTicket: n.Draw(t, "valid"), Attempts: n.Draw(t, "attempts"), MaxAttempts: n.Draw(t, "max"),
			Resends: n.Draw(t, "resends"), Passes: n.Draw(t, "passes"), Lease: texts().Draw(t, "lease"), LeaseUntil: times().Draw(t, "until"),
			UsageKey: texts().Draw(t, "usage"), Created: times().Draw(t, "created"), Due: times().Draw(t, "due"), Deadline: times().Draw(t, "deadline"),
			Started: times().Draw(t, "started"), Finished: times().Draw(t, "finished"), Outcome: job.Outcome(texts().Draw(t, "outcome")),
			Code: job.Code(texts().Draw(t, "code")), Reason: texts().Draw(t, "reason"), DeadTicket: n.Draw(t, "dead"), DeadSent: times().Draw(t, "sent"),
			Unique: texts().Draw(t, "unique"), Anchor: times().Draw(t, "anchor"), Exceptions: n.Draw(t, "exceptions"), Slot: times().Draw(t, "slot"),
			StartBy: times().Draw(t, "start by"), Print: texts().Draw(t, "fingerprint"), Flow: job.Flow(texts().Draw(t, "flow")),
		}
		for range rapid.IntRange(0, 3).Draw(t, "tags") {
			j.Tags = append(j.Tags, texts().Draw(t, "tag"))
		}
		for range rapid.IntRange(0, job.HistorySize).Draw(t, "history") {
			j.History = append(j.History, job.Attempt{
				Number: n.Draw(t, "n"), Started: times().Draw(t, "s"), Ended: times().Draw(t, "e"), Code: job.Code(texts().Draw(t, "c")),
				Version: texts().Draw(t, "v"), RequestID: texts().Draw(t, "r"),
			})
		}
		if j.State.Open() || j.State == job.Skipped {
			j.Look = time.UnixMilli(rapid.Int64Range(1, 4_000_000_000_000).Draw(t, "look")).UTC()
		}
		return j
	})
}

func TestJobsComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := rows().Draw(t, "job")
		got := decodeJob(encodeJob(&j))
		got.Look = j.Look // dead rows lend the attribute to another list
		if !reflect.DeepEqual(got, j) {
			t.Fatalf("got %+v\nwant %+v", got, j)
		}
	})
}

func TestIndexesHoldWhatSomebodyMayHaveToLookAt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := rows().Draw(t, "job")
		row := encodeJob(&j)
		listed, expires := row["ok"] != nil, row["ttl"] != nil
		waits := j.State == job.Skipped && !j.Look.IsZero() // for new units, though not for ever
		driven := j.State.Open() && j.Flow != ""            // its chain or batch is looked at instead
		if listed != (j.State.Open() && !driven || j.State == job.Dead || waits) || expires != (!j.State.Open() && j.State != job.Dead) {
			t.Fatalf("%s, driven %v: listed %v, expires %v", j.State, driven, listed, expires)
		}
		if open, ok := row["ok"].(*types.AttributeValueMemberS); ok && j.State.Open() != strings.HasPrefix(open.Value, "open#") {
			t.Fatalf("%s stands in %s", j.State, open.Value)
		}
	})
}

// applied returns row after the change, as DynamoDB would make it.
func applied(row item, c change) item {
	next := maps.Clone(row)
	set, remove, _ := strings.Cut(strings.TrimPrefix(c.expr, "SET "), "REMOVE ")
	if only, ok := strings.CutPrefix(c.expr, "REMOVE "); ok {
		set, remove = "", only
	}
	for part := range strings.SplitSeq(set, ", ") {
		if name, value, ok := strings.Cut(strings.TrimSpace(part), " = "); ok {
			next[c.names[name]] = c.values[value]
		}
	}
	for part := range strings.SplitSeq(remove, ", ") {
		delete(next, c.names[strings.TrimSpace(part)])
	}
	return next
}

func TestAChangeLeadsFromOneRowToTheOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rows().Draw(t, "a"), rows().Draw(t, "b")
		b.ID = a.ID
		if rapid.Bool().Draw(t, "near") {
			b = a
			b.State, b.Lease = rapid.SampledFrom(job.States()).Draw(t, "state"), ""
		}
		before, after := encodeJob(&a), encodeJob(&b)
		c := changeOf(before, after)
		if got := applied(before, c); !reflect.DeepEqual(got, after) {
			t.Fatalf("%s\ngot %v\nwant %v", c.expr, got, after)
		}
		for name, value := range c.values {
			attribute := strings.TrimPrefix(name, ":to_")
			if reflect.DeepEqual(before[attribute], value) {
				t.Fatalf("%s is written, but did not change", attribute)
			}
		}
		if reflect.DeepEqual(before, after) != (c.expr == "") {
			t.Fatalf("expression %q", c.expr)
		}
	})
}

func TestPointsAndAnalysesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	number := rapid.Float64Range(-1e8, 1e8)
	rapid.Check(t, func(t *rapid.T) {
		p := point.Point{
			ID: job.DerivedID(texts().Draw(t, "id")), Owner: texts().Draw(t, "owner"), Accuracy: number.Draw(t, "accuracy"), Value: number.Draw(t, "value"),
			CollectedAt: time.UnixMilli(rapid.Int64Range(-4_000_000_000_000, 4_000_000_000_000).Draw(t, "collected")).UTC(), CalibratedAt: times().Draw(t, "calibrated"),
			MetricID: texts().Draw(t, "m"), CampaignID: texts().Draw(t, "c"), DeviceModel: texts().Draw(t, "d"), SensorType: texts().Draw(t, "s"),
			Notes: texts().Draw(t, "notes"), Revision: rapid.IntRange(0, 9).Draw(t, "revision"), BodyHash: texts().Draw(t, "hash"), CreatedAt: times().Draw(t, "created"),
			Status: rapid.SampledFrom([]point.Status{point.Pending, point.Approved, point.Rejected}).Draw(t, "status"), ReviewedAt: times().Draw(t, "reviewed"), ReviewNotes: texts().Draw(t, "review"),
		}
		if rapid.Bool().Draw(t, "located") {
			p.Latitude, p.Longitude = new(number.Draw(t, "lat")), new(number.Draw(t, "lon"))
		}
		if got := decodePoint(encodePoint(&p)); !reflect.DeepEqual(got, p) {
			t.Fatalf("got %+v\nwant %+v", got, p)
		}
		a := satellite.Analysis{
			Job: texts().Draw(t, "job"), Point: p.ID, Revision: rapid.IntRange(1, 999_999).Draw(t, "rev"),
			Day:       satellite.Day{Date: time.UnixMilli(86_400_000).UTC(), CloudFraction: 0.25, SnowFraction: number.Draw(t, "snow"), WaterFraction: 0, ValidFraction: 1},
			DayOffset: rapid.IntRange(-15, 15).Draw(t, "offset"), TemporalQuality: "good", HalfSide: 60,
			PUSpent: number.Draw(t, "pu"), RequestID: "r", ScriptVersion: "v", CreatedAt: times().Draw(t, "at"),
		}
		for i := range a.Day.Indices {
			if rapid.Bool().Draw(t, "index") {
				a.Day.Indices[i] = &satellite.Stats{Mean: number.Draw(t, "mean"), Min: -1, Max: 1, StDev: 0, SampleCount: 144, NoDataCount: 3}
			} else {
				a.Partial = true // follows from the indices, and is not stored
			}
		}
		if got := decodeAnalysis(encodeAnalysis(&a)); !reflect.DeepEqual(got, a) {
			t.Fatalf("got %+v\nwant %+v", got, a)
		}
	})
}

// TestRowsStaySmall: a job with a full history and a long reason costs one write
// unit, which is what a kibibyte is.
func TestRowsStaySmall(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	j := job.Accepted(job.Job{
		ID: job.DerivedID("x"), Kind: "enrich", Owner: strings.Repeat("o", 36), Tier: "enterprise", Limit: 100, Queue: "default", Point: job.DerivedID("p"),
		Revision: 1, BodyHash: strings.Repeat("h", 64), MaxAttempts: 3, UsageKey: "USAGE#satellite_analyses#2026-03-01",
	}, now, time.Hour, time.Hour)
	for range job.HistorySize {
		j = job.Claimed(j, job.Lease{Token: strings.Repeat("t", 32), Until: now}, now)
		report := job.Report{Now: now, Version: "0.1.0+12", RequestID: strings.Repeat("r", 36)}
		j = job.Failed(j, job.Errorf(job.ProviderUnavailable, "%s", strings.Repeat("why ", 20)), job.DefaultTiming(), 0, job.Carried{}, report)
		j.State = job.Retrying
	}
	if size := sizeOf(&types.AttributeValueMemberM{Value: encodeJob(&j)}); size > 1024 {
		t.Errorf("a full row has %d bytes", size)
	} else {
		t.Logf("a full row has %d bytes", size)
	}
}

// sizeOf returns the size of a value by DynamoDB's rules, about: names and texts
// by their bytes, numbers by two digits to a byte, three bytes a container.
func sizeOf(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return (len(v.Value)+1)/2 + 1
	case *types.AttributeValueMemberM:
		sum := 3
		for name, field := range v.Value {
			sum += len(name) + sizeOf(field) + 1
		}
		return sum
	case *types.AttributeValueMemberL:
		sum := 3
		for _, entry := range v.Value {
			sum += sizeOf(entry) + 1
		}
		return sum
	default:
		return 1
	}
}
