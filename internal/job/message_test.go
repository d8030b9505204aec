package job_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orbitq/internal/job"
)

func TestMessageRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := job.Message{
			Version: job.MessageVersion, Job: job.DerivedID(rapid.String().Draw(t, "id")),
			Generation: rapid.IntRange(0, 1<<40).Draw(t, "generation"), Ticket: rapid.IntRange(1, 1<<40).Draw(t, "ticket"),
		}
		got, err := job.DecodeMessage(m.Encode())
		if err != nil || got != m {
			t.Fatalf("got %+v, %v, want %+v", got, err, m)
		}
	})
}

// poison returns bodies that are none of ours.
func poison() []string {
	id := job.DerivedID("x")
	return []string{
		"", " ", "null", "true", "1", `"text"`, "[]", "{}", "{", "}", "\x00", "\xff\xfe", "<xml/>",
		`{"v":1}`,
		`{"v":2,"job":"` + id + `","gen":0,"tk":1}`,
		`{"v":0,"job":"` + id + `","gen":0,"tk":1}`,
		`{"v":"1","job":"` + id + `","gen":0,"tk":1}`,
		`{"v":1,"job":"","gen":0,"tk":1}`,
		`{"v":1,"job":"` + strings.ToLower(id) + `","gen":0,"tk":1}`,
		`{"v":1,"job":"` + id[1:] + `","gen":0,"tk":1}`,
		`{"v":1,"job":7,"gen":0,"tk":1}`,
		`{"v":1,"job":"` + id + `","gen":-1,"tk":1}`,
		`{"v":1,"job":"` + id + `","gen":0,"tk":0}`,
		`{"v":1,"job":"` + id + `","gen":0}`,
		`{"v":1,"job":"` + id + `","gen":0.5,"tk":1}`,
		`{"v":1,"job":"` + id + `","gen":1e400,"tk":1}`,
		`{"v":1,"job":"` + id + `","gen":99999999999999999999,"tk":1}`,
		`{"v":1,"job":"` + id + `","gen":0,"tk":1,"owner":"somebody"}`,
		`{"v":1,"job":"` + id + `","gen":0,"tk":1}{}`,
		`{"v":1,"job":"` + id + `","gen":0,"tk":1} x`,
		`{"v":1,"job":"` + id + `","gen":0,"tk":1`,
		`[{"v":1,"job":"` + id + `","gen":0,"tk":1}]`,
		`{"displayName":"App\\Jobs\\Enrich","job":"CallQueuedHandler@call"}`,
		strings.Repeat("[", 20_000),
		`{"v":1,"job":"` + strings.Repeat("A", 300_000) + `","gen":0,"tk":1}`,
	}
}

func TestPoisonIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	for _, body := range poison() {
		m, err := job.DecodeMessage(body)
		if job.CodeOf(err) != job.Poison || m != (job.Message{}) || !strings.HasPrefix(err.Error(), "POISON: message ") {
			t.Errorf("%.60q: got %+v, %v", body, m, err)
		}
	}
}

// FuzzDecodeMessage: whatever a stranger sends, it is one of our messages, whole,
// or poison.
func FuzzDecodeMessage(f *testing.F) {
	for _, body := range poison() {
		if len(body) < 1000 {
			f.Add(body)
		}
	}
	f.Add(job.Message{Version: 1, Job: job.DerivedID("x"), Generation: 3, Ticket: 9}.Encode())
	f.Fuzz(func(t *testing.T, body string) {
		m, err := job.DecodeMessage(body)
		if err != nil {
			if job.CodeOf(err) != job.Poison {
				t.Fatalf("code %s", job.CodeOf(err))
			}
			return
		}
		if m.Version != job.MessageVersion || !job.ValidID(m.Job) || m.Generation < 0 || m.Ticket < 1 {
			t.Fatalf("accepted %+v", m)
		}
		if again, err := job.DecodeMessage(m.Encode()); err != nil || again != m {
			t.Fatalf("%+v became %+v, %v", m, again, err)
		}
	})
}
