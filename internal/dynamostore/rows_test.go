package dynamostore

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"pgregory.net/rapid"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// lanes are times in order, as a lane has them.
func lanes() *rapid.Generator[[]time.Time] {
	return rapid.Custom(func(t *rapid.T) []time.Time {
		var all []time.Time
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			all = append(all, time.UnixMilli(rapid.Int64Range(1, 4_000_000_000_000).Draw(t, "ms")).UTC())
		}
		slices.SortFunc(all, time.Time.Compare)
		return all
	})
}

// drawnMoment is a time as a row has it.
func drawnMoment() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(1, 4_000_000_000_000).Draw(t, "ms")).UTC()
	})
}

// bookings are slots of a lane.
func bookings() *rapid.Generator[[]limit.Booking] {
	return rapid.Custom(func(t *rapid.T) (all []limit.Booking) {
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			all = append(all, limit.Booking{
				At: drawnMoment().Draw(t, "at"), Job: limit.Tag(rapid.String().Draw(t, "job")), Owner: limit.Tag(rapid.String().Draw(t, "owner")), Made: rapid.Bool().Draw(t, "made"),
			})
		}
		return all
	})
}

// waiters are owners that wait.
func waiters() *rapid.Generator[[]limit.Waiter] {
	return rapid.Custom(func(t *rapid.T) (all []limit.Waiter) {
		for range rapid.IntRange(0, 16).Draw(t, "n") {
			all = append(all, limit.Waiter{Owner: limit.Tag(rapid.String().Draw(t, "owner")), Until: drawnMoment().Draw(t, "until")})
		}
		return all
	})
}

func TestTheDoorComesBackAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := limit.Row{
			Version: rapid.IntRange(1, 1<<40).Draw(t, "version"), Shared: bookings().Draw(t, "shared"), Reserved: bookings().Draw(t, "reserved"),
			Waiting: waiters().Draw(t, "waiting"),
			Breaker: limit.Breaker{Failures: lanes().Draw(t, "failures"), Until: times().Draw(t, "until"), Probe: times().Draw(t, "probe")},
			Budget: limit.Budget{
				Month: texts().Draw(t, "month"), Requests: rapid.IntRange(0, 1e6).Draw(t, "requests"),
				Units: rapid.Float64Range(0, 1e6).Draw(t, "units"), Closed: rapid.Bool().Draw(t, "closed"),
			},
		}
		text, err := encodeDoor(&r)
		if got := decodeDoor(item{"ver": num(r.Version), "door": str(text)}); err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, r)
		}
	})
}

// TestTheDoorStaysUnderTwoWriteUnits: it is written at every call.
func TestTheDoorStaysUnderTwoWriteUnits(t *testing.T) {
	t.Parallel()
	p := limit.DefaultPolicy()
	at := time.UnixMilli(4_000_000_000_000)
	row := limit.Row{Version: 1 << 40}
	for i := range p.Shared + p.Reserved + 10 {
		row.Shared = append(row.Shared, limit.Booking{At: at.Add(time.Duration(i) * time.Second), Job: "job-01", Owner: "owner1", Made: true})
	}
	for range 16 {
		row.Waiting = append(row.Waiting, limit.Waiter{Owner: "owner1", Until: at})
	}
	for i := range 2 * p.Exceptions {
		row.Breaker = p.Failed(row.Breaker, false, time.UnixMilli(4_000_000_000_000+int64(i)))
	}
	row.Budget = limit.Budget{Month: "2096-10", Requests: 123456, Units: 12345.678901234567, Closed: true}
	text, err := encodeDoor(&row)
	size := sizeOf(&types.AttributeValueMemberM{Value: item{"pk": doorKey()["pk"], "sk": doorKey()["sk"], "ver": num(row.Version), "door": str(text), "rm": str("0.12345678901234567")}})
	if err != nil || size > 2048 {
		t.Errorf("%d bytes, %v", size, err)
	}
}

// TestRowsOfAnotherKindAreZero: a row that cannot be read is one that was never used;
// its version is still the one to be written over.
func TestRowsOfAnotherKindAreZero(t *testing.T) {
	t.Parallel()
	if got := decodeDoor(item{"ver": num(7), "door": str("{")}); !reflect.DeepEqual(got, limit.Row{Version: 7}) {
		t.Errorf("door %+v", got)
	}
	r := reader(item{"s": num(1), "n": str("x"), "l": str("x"), "f": &types.AttributeValueMemberN{Value: "x"}, "mixed": &types.AttributeValueMemberL{Value: []types.AttributeValue{num(1), str("a")}}})
	if r.str("s") != "" || r.num("n") != 0 || r.num("f") != 0 || r.list("l") != nil || r.float("f") != 0 || r.float("s") != 1 || !reflect.DeepEqual(r.texts("mixed"), []string{"a"}) {
		t.Errorf("read %q, %d, %v, %v", r.str("s"), r.num("n"), r.list("l"), r.texts("mixed"))
	}
	if got := nameIn("no separator"); got != "" {
		t.Errorf("behind nothing stands %q", got)
	}
	if got := merged[int](nil, map[string]int{}); got != nil {
		t.Errorf("an empty union is %v", got)
	}
	if landed(nil, item{}) {
		t.Error("a row that is not there has landed")
	}
	if got := deref(nil); got.Job.ID != "" || got.Verdict != job.Run {
		t.Errorf("no claim is %+v", got)
	}
}

// TestOnlyALockNamesAHolder: another item in its place may be refused, too.
func TestOnlyALockNamesAHolder(t *testing.T) {
	t.Parallel()
	failed, none := "ConditionalCheckFailed", "None"
	for _, c := range []struct {
		name   string
		second types.CancellationReason
		want   string
	}{
		{"a lock", types.CancellationReason{Code: &failed, Item: item{"sk": str("LOCK"), "job": str("holder")}}, "holder"},
		{"a meter", types.CancellationReason{Code: &failed, Item: item{"sk": str("USAGE#x"), "job": str("holder")}}, ""},
		{"nothing", types.CancellationReason{Code: &none}, ""},
	} {
		err := &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{Code: &none}, c.second}}
		if got := lockHolder(err); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if got := lockHolder(job.Errorf(job.Internal, "reset")); got != "" {
		t.Errorf("an error of another kind names %q", got)
	}
}
