package job_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
)

func TestNewIDIsAULID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		ms      int64
		entropy [10]byte
		want    string
	}{
		{"the example of the ULID specification", 1469918176385, [10]byte{}, "01ARYZ6S410000000000000000"},
		{"the first", 0, [10]byte{}, "00000000000000000000000000"},
		{"the last", 1<<48 - 1, [10]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"},
	} {
		got := job.NewID(time.UnixMilli(c.ms), c.entropy)
		if got != c.want || !job.ValidID(got) {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestIDsSortByTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, 1<<48-1)
		bytes := rapid.SliceOfN(rapid.Byte(), 10, 10)
		a, b := ms.Draw(t, "a"), ms.Draw(t, "b")
		idA := job.NewID(time.UnixMilli(a), [10]byte(bytes.Draw(t, "ea")))
		idB := job.NewID(time.UnixMilli(b), [10]byte(bytes.Draw(t, "eb")))
		if !job.ValidID(idA) || a < b && idA >= idB {
			t.Fatalf("%s at %d, %s at %d", idA, a, idB, b)
		}
	})
}

func TestDerivedIDIsStable(t *testing.T) {
	t.Parallel()
	// Changing this value breaks every Idempotency-Key that is in use.
	if got := job.DerivedID("user-1", "POST /v1/jobs", "key-1", "job"); got != "2MPBZ9PJ5GH5W5HFGHGW4B50FW" {
		t.Errorf("got %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.StringOf(rapid.SampledFrom([]rune("ab\x00#"))))
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		idA, idB := job.DerivedID(a...), job.DerivedID(b...)
		if !job.ValidID(idA) || (idA == idB) != slices.Equal(a, b) {
			t.Fatalf("%q gives %s, %q gives %s", a, idA, b, idB)
		}
	})
}

func TestValidID(t *testing.T) {
	t.Parallel()
	good := job.DerivedID("x")
	for _, s := range []string{
		"", good[:25], good + "0", strings.ToLower("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"), "80000000000000000000000000",
		"0000000000000000000000000I", "0000000000000000000000000O", "0000000000000000000000000U", "0000000000000000000000000#",
		strings.Repeat("\u00e6", 13),
	} {
		if job.ValidID(s) {
			t.Errorf("%q is an id", s)
		}
	}
}

func TestShardsAreEven(t *testing.T) {
	t.Parallel()
	const n, ids = 16, 8000
	var count [n]int
	for i := range ids {
		id := job.NewID(time.UnixMilli(int64(i)*977), [10]byte{byte(i), byte(i >> 8), byte(i * 7), byte(i * 13), byte(i >> 3), 1, 2, 3, 4, 5})
		shard := job.Shard(id, n)
		if shard != job.Shard(strings.ToLower(id), n) {
			t.Fatal("a shard depends on the case of letters")
		}
		count[shard]++
	}
	for shard, got := range count {
		if got < ids/n/2 || got > ids/n*2 {
			t.Errorf("shard %d has %d of %d", shard, got, ids)
		}
	}
}

func TestPositionSortsLikeTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 9_999_999_999_999)
		a := job.Job{ID: "A", Created: time.UnixMilli(at.Draw(t, "a"))}
		b := job.Job{ID: "B", Created: time.UnixMilli(at.Draw(t, "b"))}
		if a.Created.Before(b.Created) != (a.Position() < b.Position()) && !a.Created.Equal(b.Created) {
			t.Fatalf("%s against %s", a.Position(), b.Position())
		}
		if a.Created.Equal(b.Created) && a.Position() >= b.Position() {
			t.Fatal("ids do not decide between equal times")
		}
	})
}
