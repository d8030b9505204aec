package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"orbitq/internal/deadletter"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/issuer"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"orbitq": main})
}

// TestScripts runs the command line as its users do, against a world of its own for each script.
//
// Beside what testscript offers there are two commands: "exits CODE COMMAND..." runs a command that must end with the
// code, and "json PATH VARIABLE" takes a value out of the JSON that was printed last. Points at 25.0, -11.2 die, until
// "mend" repairs what they die of; "minutes N" lets the relay drive operations for so long; "letter TEXT" leaves a
// message that nobody understands in the dead letter queue; while the world is "asleep", nobody works and no state machine
// starts; "webhook URL" wants a callback to have reached a receiver.
func TestScripts(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("testdata/script")
	if err != nil {
		t.Fatalf("read scripts: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(f.Name(), ".txt"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if err := w.provider.SetFaults(cdse.Fault{Kind: cdse.FaultBadRequest, Endpoint: cdse.EndpointStatistics, BBox: []float64{-11.21, 24.99, -11.19, 25.01}}); err != nil {
				t.Fatalf("set faults: %v", err)
			}
			testscript.Run(t, testscript.Params{
				Files: []string{"testdata/script/" + f.Name()},
				Setup: func(env *testscript.Env) error { return w.setup(t, env) },
				Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
					"exits": exits, "json": extract, "mend": w.mend, "minutes": w.minutes, "letter": w.letter,
					"asleep": w.sleep, "awake": w.wake, "webhook": w.webhook,
				},
			})
		})
	}
}

// setup names the world to the script, and tokens of several kinds.
func (w *world) setup(t *testing.T, env *testscript.Env) error {
	t.Helper()
	expired, err := w.issuer.Mint(issuer.Claims{Subject: "ana", Audience: "orbitq", Expires: time.Now().Add(-time.Minute)})
	if err != nil {
		return err
	}
	env.Setenv("ORBITQ_API_URL", w.url)
	env.Setenv("ORBITQ_TOKEN", w.token(t, "ana", "free", "orbitq/read", "orbitq/write"))
	env.Setenv("BORIS", w.token(t, "boris", "enterprise", "orbitq/read", "orbitq/write"))
	env.Setenv("OPERATOR", w.token(t, "ana", "free", "orbitq/read", "orbitq/write", "orbitq/operate"))
	env.Setenv("READER", w.token(t, "ana", "free", "orbitq/read"))
	env.Setenv("EXPIRED", expired)
	return nil
}

// exits runs a command and wants an exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var ended *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%v exited with %d, want %d", args[1:], got, want)
	}
}

// mend takes the provider's faults away.
func (w *world) mend(ts *testscript.TestScript, _ bool, _ []string) { ts.Check(w.provider.SetFaults()) }

// minutes lets the relay drive operations; what they retry has ended when it returns.
func (w *world) minutes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: minutes N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for range n {
		_, err := w.operator.Advance(context.Background())
		ts.Check(err)
		w.running.Wait()
	}
}

// sleep lets nobody work.
func (w *world) sleep(_ *testscript.TestScript, _ bool, _ []string) { w.asleep.Store(true) }

// wake lets what is sent and started from now on be worked on.
func (w *world) wake(_ *testscript.TestScript, _ bool, _ []string) { w.asleep.Store(false) }

// webhook wants a receiver to have got a callback, or not.
func (w *world) webhook(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] webhook URL")
	}
	w.running.Wait() // callbacks come after the end
	found := false
	w.posted.Range(func(_, url any) bool {
		found = found || url == args[0]
		return true
	})
	if found == neg {
		ts.Fatalf("a webhook reached %s: %v", args[0], found)
	}
}

// letter leaves a letter that carries no job.
func (w *world) letter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: letter TEXT")
	}
	l := deadletter.Letter{MessageID: "m-" + args[0], Body: args[0], Source: "arn:aws:sqs:eu-central-1:1:orbitq-satellite", Receives: 8, Sent: at(0)}
	ts.Check(w.store.RecordPoison(context.Background(), l, "message is not JSON", at(60)))
}

// extract wants the last output to be one JSON value, and puts a part of it into a variable.
func extract(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: json PATH VARIABLE")
	}
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for step := range strings.SplitSeq(args[0], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			ts.Check(err)
			v = at[i]
		}
	}
	raw, err := json.Marshal(v)
	ts.Check(err)
	ts.Setenv(args[1], strings.Trim(string(raw), `"`))
}
