package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

const (
	batchOf = "01JM8WR6C1F3G5H7J9K1M3N5P7"
	pointOf = "01JM8WQ5Z3T5V9B0C2D4E6F8GH"
)

func TestCallbacksAreReadFromOneWord(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want *client.Callback // nil: none
		ok   bool
	}{
		{"", nil, true},
		{"notify", &client.Callback{Notify: true}, true},
		{"https://example.org/hook?a=job:b", &client.Callback{Webhook: "https://example.org/hook?a=job:b"}, true},
		{"ftp://example.org", &client.Callback{Webhook: "ftp://example.org"}, true}, // the API says what is wrong with it
		{"job:enrich:" + pointOf, &client.Callback{Job: &client.CallbackJob{Kind: "enrich", PointID: pointOf}}, true},
		{"job:enrich", nil, false},
		{"job::" + pointOf, nil, false},
		{"job:enrich:", nil, false},
		{"enrich:" + pointOf, nil, false},
		{"Notify", nil, false},
		{"example.org/hook", nil, false},
	} {
		got, err := callback("then", c.in)
		if (err == nil) != c.ok || !reflect.DeepEqual(got, c.want) || err != nil && exitCode(err) != exitUsage {
			t.Errorf("%q: got %+v, %v, want %+v", c.in, got, err, c.want)
		}
	}
}

// An upper bound that is a day means all of it, and a time means itself.
func TestABoundOfADay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, wantFrom, wantTo string }{
		{"", "", "", ""},
		{"2020-02-28", "2020-02-29", "2020-02-28T00:00:00Z", "2020-02-29T23:59:59.999Z"},
		{"2020-02-28T12:00:00+02:00", "2020-02-29T00:00:00Z", "2020-02-28T10:00:00Z", "2020-02-29T00:00:00Z"},
	} {
		var n client.NewBatch
		err := (&chosen{campaign: "dunes", metric: "m", from: c.from, to: c.to}).fill(&cobra.Command{}, &n, nil)
		if err != nil || n.Filter.CampaignID != "dunes" || n.Filter.MetricID != "m" || n.PointIDs != nil {
			t.Fatalf("%+v: got %+v, %v", c, n.Filter, err)
		}
		if got := stamp(n.Filter.CollectedFrom) + " " + stamp(n.Filter.CollectedTo); got != c.wantFrom+" "+c.wantTo {
			t.Errorf("got %s, want %s %s", got, c.wantFrom, c.wantTo)
		}
	}
}

// stamp writes a bound as the API gets it.
func stamp(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.Format(time.RFC3339Nano)
}

func TestIDsAreTheFirstWordsOfLines(t *testing.T) {
	t.Parallel()
	const text = "# of May\n A  rest of a table\r\n\n\tB # why\n#C\nD"
	want := []string{"A", "B", "D"}
	path := t.TempDir() + "/ids.txt"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write ids: %v", err)
	}
	piped := &cobra.Command{}
	piped.SetIn(strings.NewReader(text))
	for name, cmd := range map[string]*cobra.Command{path: {}, "-": piped} {
		if got, err := readIDs(cmd, name); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	endless := &cobra.Command{}
	endless.SetIn(strings.NewReader(strings.Repeat("x", 1<<20)))
	if got, err := readIDs(endless, "-"); err == nil {
		t.Errorf("a line without an end gave %d ids", len(got))
	}
}

func TestItemsOfOneState(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	all := func(yield func(client.BatchItem, error) bool) {
		for _, state := range []job.TrackState{job.TrackFailed, job.TrackSucceeded, job.TrackFailed} {
			if !yield(client.BatchItem{State: state}, nil) {
				return
			}
		}
		yield(client.BatchItem{}, broken)
	}
	for _, c := range []struct {
		state job.TrackState
		limit int
		want  int
		more  bool
		err   error
	}{
		{"", 0, 3, false, broken},
		{job.TrackFailed, 0, 2, false, broken},
		{job.TrackFailed, 1, 1, true, nil},
		{job.TrackCancelled, 5, 0, false, broken},
	} {
		got, err := firstOf(only(all, c.state), c.limit)
		if len(got.Items) != c.want || got.More != c.more || !errors.Is(err, c.err) {
			t.Errorf("%q up to %d: got %d, more %v, %v", c.state, c.limit, len(got.Items), got.More, err)
		}
	}
	for state, ok := range map[string]bool{
		"": true, "pending": true, "running": true, "succeeded": true, "skipped": true, "failed": true, "cancelled": true, "dead": false, "Failed": false,
	} {
		if err := checkItems(state, 0); (err == nil) != ok {
			t.Errorf("state %q: %v", state, err)
		}
	}
}

// What a script hears: success only when nothing failed and nothing was taken back.
func TestTheEndOfABatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   *job.Counts
		want string // empty: all well
	}{
		{"all", &job.Counts{Succeeded: 3}, ""},
		{"skipped by a limit", &job.Counts{Succeeded: 1, Skipped: 2}, ""},
		{"one failed", &job.Counts{Succeeded: 2, Failed: 1}, "1 of 3 items failed; why: orbitq batches items " + batchOf},
		{"stopped", &job.Counts{Failed: 1, Cancelled: 2}, "1 of 3 items failed, 2 were cancelled"},
		{"taken back", &job.Counts{Cancelled: 3}, "0 of 3 items failed, 3 were cancelled"},
		{"not counted", nil, ""},
	} {
		err := batchFault(&client.Batch{ID: batchOf, Total: 3, Counts: c.in})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want) || exitCode(err) != exitUnwell) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// One line for each change where there is no terminal, and none for time alone.
func TestTheMeterTellsChanges(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	m := newBatchMeter(&out)
	looks := []struct {
		seconds float64
		counts  job.Counts
		eta     *time.Time
	}{
		{0, job.Counts{Pending: 6, Running: 2}, nil},
		{1, job.Counts{Pending: 6, Running: 2}, when(9)},
		{2, job.Counts{Running: 2, Succeeded: 5, Failed: 1}, when(3)},
		{60, job.Counts{Running: 1, Succeeded: 6, Failed: 1}, when(59)},
		{61, job.Counts{Succeeded: 6, Failed: 1, Cancelled: 1}, when(99)},
	}
	for i, l := range looks {
		b := client.Batch{State: "running", Total: 8, Counts: &l.counts, ETA: l.eta}
		if i == len(looks)-1 {
			b.FinishedAt = when(61)
		}
		m.show(&b, at(l.seconds))
	}
	m.end()
	want := "  ░░░░░░░░░░░░░░░░░░░░░░░░   0 %  0/8  pending 6  running 2\n" +
		"  ██████████████████░░░░░░  75 %  6/8  running 2  succeeded 5  failed 1  3.0/s  ETA 08:00:03Z (1.0 s)\n" +
		"  █████████████████████░░░  87 %  7/8  running 1  succeeded 6  failed 1  7.0/min  ETA 08:00:59Z (0 ms)\n" +
		"  ████████████████████████ 100 %  8/8  succeeded 6  failed 1  cancelled 1  7.9/min\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

// On a terminal one line changes, and stays at the end; what was never drawn leaves nothing.
func TestTheMeterOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	(&batchMeter{out: &out, live: true}).end()
	m := &batchMeter{out: &out, live: true}
	for i := range 3 {
		m.show(&client.Batch{State: "stopping", Counts: &job.Counts{Running: 1}}, at(float64(i)))
	}
	m.show(&client.Batch{State: "cancelled"}, at(4)) // without counts
	m.end()
	if got := out.String(); strings.Count(got, "\r\x1b[K  ░") != 3 || strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\x1b[K  cancelled\n") {
		t.Errorf("got %q", got)
	}
}

// The bar never lies: it is full only at the end, and as long as ever.
func TestTheBarOfRandomCounts(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 7))
	for range 2000 {
		n := job.Counts{Pending: rng.IntN(9), Running: rng.IntN(9), Succeeded: rng.IntN(5000), Skipped: rng.IntN(3), Failed: rng.IntN(9), Cancelled: rng.IntN(3)}
		if n.Total() == 0 {
			continue
		}
		line := batchTally("running", n)
		full, empty := strings.Count(line, "█"), strings.Count(line, "░")
		if full+empty != barWidth || n.Final() < n.Total() && (full == barWidth || strings.Contains(line, "100 %")) {
			t.Fatalf("%+v: %s", n, line)
		}
	}
}

func TestLooksAtLargeBatchesAreRare(t *testing.T) {
	t.Parallel()
	for total, want := range map[int]time.Duration{0: time.Second, 200: 1200 * time.Millisecond, 5000: 6 * time.Second} {
		if got := lookPause(total); got != want {
			t.Errorf("%d items: got %v, want %v", total, got, want)
		}
	}
}

// TestWhoStopsWatchingABatchStopsNothing: Ctrl-C ends the command as a failure that says how to look again and how to stop.
func TestWhoStopsWatchingABatchStopsNothing(t *testing.T) {
	t.Parallel()
	const running = `{"id":"` + batchOf + `","state":"running","total":2,"counts":{"pending":2},"created_at":"2026-11-25T08:00:00Z"}`
	ctx, interrupt := context.WithCancel(t.Context())
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked = append(asked, r.Method+" "+r.URL.Path); r.Method == http.MethodGet {
			interrupt()
		}
		_, _ = w.Write([]byte(running)) // the client would say so
	}))
	defer server.Close()
	var out, errOut bytes.Buffer
	code := execute(ctx, []string{"batches", "start", "--name", "x", pointOf, "--watch", "--api-url", server.URL}, &out, &errOut)
	want := "stopped watching; the batch goes on; watch it: orbitq batches watch " + batchOf + "; stop it: orbitq batches cancel " + batchOf
	if code != exitFailed || !strings.Contains(errOut.String(), want) {
		t.Errorf("exit code %d\n%s%s", code, &out, &errOut)
	}
	if len(asked) != 2 || asked[0] != "POST /v1/batches" || asked[1] != "GET /v1/batches/"+batchOf {
		t.Errorf("asked %v: the batch must go on", asked)
	}
}
