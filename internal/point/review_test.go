package point_test

import (
	"strings"
	"testing"
	"time"

	"orbitq/internal/point"
)

func TestCheckReview(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status point.Status
		notes  string
		want   string // fields and rules
	}{
		{"pending", point.Pending, "", ""},
		{"approved with the longest notes", point.Approved, strings.Repeat("ж", point.MaxNotes), ""},
		{"rejected", point.Rejected, "no", ""},
		{"no status", "", "", "status enum"},
		{"other case", "Approved", "", "status enum"},
		{"one character too many", point.Approved, strings.Repeat("ж", point.MaxNotes+1), "notes max_length"},
		{"broken text", point.Approved, "\xff", "notes utf8"},
		{"everything", "good", strings.Repeat("x", 5000), "status enum, notes max_length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, v := range point.CheckReview(c.status, c.notes) {
				got = append(got, v.Field+" "+v.Rule)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got %v, want %q", got, c.want)
			}
		})
	}
}

// Any order of reviews leaves what the last one says; pending leaves nothing. The reading itself never changes.
func TestReviewed(t *testing.T) {
	t.Parallel()
	first := point.Point{ID: "p", Owner: "u", Value: 7, Revision: 3, Status: point.Pending, CreatedAt: now()}
	for _, before := range []point.Status{point.Pending, point.Approved, point.Rejected} {
		for _, after := range []point.Status{point.Pending, point.Approved, point.Rejected} {
			was := first.Reviewed(before, "before", now().Add(time.Hour))
			got := was.Reviewed(after, "after", now().Add(2*time.Hour))
			want := first
			if want.Status = after; after != point.Pending {
				want.ReviewedAt, want.ReviewNotes = now().Add(2*time.Hour), "after"
			}
			if got != want {
				t.Errorf("%s after %s: got %+v, want %+v", after, before, got, want)
			}
			if again := got.Reviewed(after, "after", now().Add(2*time.Hour)); again != got {
				t.Errorf("%s twice: got %+v, want %+v", after, again, got)
			}
		}
	}
}

func TestCheckCampaign(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "id length", "a": "", " ": "", strings.Repeat("ж", 64): "", strings.Repeat("ж", 65): "id length", strings.Repeat("x", 5000): "id length",
	} {
		got := ""
		for _, v := range point.CheckCampaign(in) {
			got = v.Field + " " + v.Rule
		}
		if got != want {
			t.Errorf("%.70q: got %q, want %q", in, got, want)
		}
	}
}
