package main

import (
	"errors"
	"strings"
	"testing"
)

func count(t *testing.T, events string) (string, bool) {
	t.Helper()

	var out strings.Builder

	c := newCounter(&out)
	if err := c.read(strings.NewReader(strings.TrimSpace(events))); err != nil {
		t.Fatal(err)
	}

	ok := c.summary()

	return out.String(), ok
}

func TestCounts(t *testing.T) {
	t.Parallel()

	const passing = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
`

	for _, c := range []struct {
		name, events string
		want         []string
		unwanted     string
		ok           bool
	}{
		{
			name: "a passed test is quiet", ok: true, events: passing + `{"Action":"pass","Package":"p","Elapsed":1.25}`,
			want: []string{"ok       1.2 s  p\n", "1 passed, 0 failed, 0 skipped\n"}, unwanted: "chatter",
		},
		{
			name: "figures are printed", ok: true,
			events: passing + `{"Action":"output","Package":"p","Test":"TestM","Output":"    m_test.go:1: measured: 7 in 2 s\n"}` + "\n" + `{"Action":"pass","Package":"p","Test":"TestM"}` + "\n" + `{"Action":"pass","Package":"p"}`,
			want:   []string{"measured: TestM: 7 in 2 s\n", "2 passed, 0 failed, 0 skipped\n"}, unwanted: "m_test.go",
		},
		{
			name: "rows count, their table does not", ok: true,
			events: `{"Action":"run","Package":"p","Test":"TestT"}
{"Action":"run","Package":"p","Test":"TestT/a"}
{"Action":"run","Package":"p","Test":"TestT/b"}
{"Action":"pass","Package":"p","Test":"TestT/a"}
{"Action":"pass","Package":"p","Test":"TestT/b"}
{"Action":"pass","Package":"p","Test":"TestT"}
{"Action":"pass","Package":"p"}`,
			want: []string{"2 passed, 0 failed, 0 skipped\n"},
		},
		{
			name: "a failed row does not count its table again",
			events: `{"Action":"run","Package":"p","Test":"TestT"}
{"Action":"run","Package":"p","Test":"TestT/a"}
{"Action":"fail","Package":"p","Test":"TestT/a"}
{"Action":"fail","Package":"p","Test":"TestT"}
{"Action":"fail","Package":"p"}`,
			want: []string{"0 passed, 1 failed, 0 skipped\n"},
		},
		{
			name: "a table that fails by itself counts",
			events: `{"Action":"run","Package":"p","Test":"TestT"}
{"Action":"run","Package":"p","Test":"TestT/a"}
{"Action":"pass","Package":"p","Test":"TestT/a"}
{"Action":"fail","Package":"p","Test":"TestT"}
{"Action":"fail","Package":"p"}`,
			want: []string{"1 passed, 1 failed, 0 skipped\n"},
		},
		{
			name:   "a failed test speaks",
			events: passing + "{\"Action\":\"output\",\"Package\":\"p\",\"Test\":\"TestB\",\"Output\":\"    got 1, want 2\\n\"}\n" + `{"Action":"fail","Package":"p","Test":"TestB"}` + "\n" + `{"Action":"fail","Package":"p"}`,
			want:   []string{"got 1, want 2\n", "FAIL", "1 passed, 1 failed, 0 skipped\n"},
		},
		{
			name: "a skipped test says why", ok: true,
			events: passing + `{"Action":"output","Package":"p","Test":"TestC","Output":"    no JDK\n"}` + "\n" + `{"Action":"skip","Package":"p","Test":"TestC"}` + "\n" + `{"Action":"pass","Package":"p"}`,
			want:   []string{"no JDK\n", "1 passed, 0 failed, 1 skipped\n"},
		},
		{
			name: "a package that does not build", events: passing + `{"ImportPath":"q","Action":"build-output","Output":"q.go:1: syntax error\n"}` + "\n" + `{"Action":"fail","Package":"q"}`,
			want: []string{"syntax error", "1 packages did not build", "1 passed, 1 failed, 0 skipped\n"},
		},
		{
			name: "a test binary that crashes", events: passing + `{"Action":"output","Package":"p","Output":"panic: boom\n"}` + "\n" + `{"Action":"fail","Package":"p"}`,
			want: []string{"panic: boom", "1 passed, 1 failed, 0 skipped\n"},
		},
		{name: "no test at all", events: `{"Action":"skip","Package":"p"}`, want: []string{"0 passed, 0 failed, 0 skipped\n"}},
		{name: "nothing", events: "", want: []string{"0 passed"}},
		{name: "go itself fails", events: "go: updates to go.mod needed", want: []string{"updates to go.mod needed", "0 passed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			got, ok := count(t, c.events)
			if ok != c.ok {
				t.Errorf("ok is %v, want %v", ok, c.ok)
			}

			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}

			if c.unwanted != "" && strings.Contains(got, c.unwanted) {
				t.Errorf("%q in\n%s", c.unwanted, got)
			}
		})
	}
}

// A broken pipe must not look like success.
func TestUnreadableResultIsNoSuccess(t *testing.T) {
	t.Parallel()

	c := newCounter(full{})
	if err := c.read(strings.NewReader(`{"Action":"pass","Package":"p","Test":"TestA"}` + "\n" + `{"Action":"pass","Package":"p"}`)); err != nil {
		t.Fatal(err)
	}

	if c.summary() {
		t.Error("the result was lost, and all is said to be well")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }
