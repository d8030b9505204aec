package wire_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orbitq/internal/wire"
)

// shared is what every function gets; the template's Globals and Lambda itself set it.
func shared() map[string]string {
	return map[string]string{
		"AWS_REGION": "eu-central-1", "ORBITQ_STACK": "orbitq-dev", "ORBITQ_TABLE": "orbitq", "ORBITQ_DEADLINE_SECONDS": "86400",
		"ORBITQ_RESEND_AFTER_SECONDS": "900", "ORBITQ_LEASE_MARGIN_SECONDS": "30", "ORBITQ_BACKOFF_SECONDS": "10,30,60",
		"ORBITQ_RELEASE_WAIT_SECONDS": "60", "ORBITQ_QUOTA_WAIT_SECONDS": "10",
		"ORBITQ_PASSES_SECONDS": "86400,259200,604800", "ORBITQ_MAX_RECEIVES": "8",
		"ORBITQ_LIMIT_SHARED": "24", "ORBITQ_LIMIT_RESERVED": "6", "ORBITQ_LIMIT_WINDOW_SECONDS": "60", "ORBITQ_LIMIT_USABLE_SECONDS": "5",
		"ORBITQ_PACE_SECONDS": "58", "ORBITQ_BREAKER_EXCEPTIONS": "10", "ORBITQ_BREAKER_PERIOD_SECONDS": "300",
		"ORBITQ_BREAKER_PROBE_SECONDS": "30", "ORBITQ_BUDGET_REQUESTS": "10000", "ORBITQ_BUDGET_UNITS": "10000",
	}
}

// parts are the parts of the six functions, with the variables that only they get.
func parts() map[string]struct {
	build func(*wire.System) any
	own   []string
} {
	queues := []string{"ORBITQ_QUEUE_URL", "ORBITQ_QUEUE_HIGH_URL", "ORBITQ_QUEUE_LOW_URL"}
	feeds := []string{"ORBITQ_FEED", "ORBITQ_FEED_HIGH", "ORBITQ_FEED_LOW"}
	provider := []string{"COPERNICUS_API_URL", "COPERNICUS_TOKEN_URL", "COPERNICUS_SECRET_ARN"}
	starts := []string{"ORBITQ_CHAIN_MACHINE", "ORBITQ_BATCH_MACHINE", "ORBITQ_LISTS_BUCKET"}
	signs := []string{"ORBITQ_WEBHOOK_SECRET_ARN"}
	return map[string]struct {
		build func(*wire.System) any
		own   []string
	}{
		"enqueue": {func(s *wire.System) any {
			return []any{s.Intake(), s.Operator(), s.Starter()}
		}, slices.Concat(queues, feeds, provider, starts)},
		"query": {func(s *wire.System) any { return s.Reads() }, slices.Concat(queues, feeds, []string{"ORBITQ_DLQ_URL", "ORBITQ_WEBHOOK_SECRET_ARN"})},
		"relay": {func(s *wire.System) any { return s.RelayParts() }, slices.Concat(queues, starts, signs, []string{"ORBITQ_EVENTS_TOPIC", "ORBITQ_NOTICES_TOPIC"})},
		"dlq":   {func(s *wire.System) any { return s.DeadLetters() }, []string{"ORBITQ_DLQ_URL", "ORBITQ_DLQ_ARN"}},
		"step":  {func(s *wire.System) any { return s.Flow() }, slices.Concat(queues, provider, signs)},
		"enrich": {
			func(s *wire.System) any { return s.Worker() },
			slices.Concat(queues, provider),
		},
	}
}

// full is the whole environment of a function.
func full(own []string) map[string]string {
	env := shared()
	for _, name := range own {
		env[name] = "https://example.com/" + strings.ToLower(name)
	}
	return env
}

// over returns a System on an environment, and what it logs.
func over(env map[string]string) (*wire.System, *bytes.Buffer) {
	var out bytes.Buffer
	return wire.New(func(name string) string { return env[name] }, &out), &out
}

func TestEveryPartBuildsFromItsOwnEnvironment(t *testing.T) {
	t.Parallel()
	for name, part := range parts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sys, _ := over(full(part.own))
			if built := part.build(sys); built == nil {
				t.Error("nothing was built")
			}
			if err := sys.Err(); err != nil {
				t.Errorf("complete environment: %v", err)
			}
		})
	}
}

// Every variable but one: the part must miss exactly that one, or do without it as another complete run does.
func TestEachMissingVariableIsNamed(t *testing.T) {
	t.Parallel()
	for name, part := range parts() {
		for _, missing := range append([]string{"AWS_REGION", "ORBITQ_STACK", "ORBITQ_TABLE"}, part.own...) {
			t.Run(name+" without "+missing, func(t *testing.T) {
				t.Parallel()
				env := full(part.own)
				delete(env, missing)
				sys, _ := over(env)
				part.build(sys)
				want := "environment variable " + missing + " is not set"
				if err := sys.Err(); err == nil || err.Error() != want {
					t.Errorf("got %v, want %q", err, want)
				}
			})
		}
	}
}

func TestAllMissingVariablesAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	for name, part := range parts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sys, _ := over(nil)
			part.build(sys)
			err := sys.Err()
			if err == nil {
				t.Fatal("an empty environment is enough")
			}
			lines := strings.Split(err.Error(), "\n")
			for _, variable := range append([]string{"AWS_REGION", "ORBITQ_STACK", "ORBITQ_TABLE"}, part.own...) {
				want := "environment variable " + variable + " is not set"
				if n := len(slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return l != want })); n != 1 {
					t.Errorf("%q is said %d times, want once, in\n%v", want, n, err)
				}
			}
		})
	}
}

// A part that is not built asks for nothing: the read API has no queues.
func TestUnbuiltPartsAskForNothing(t *testing.T) {
	t.Parallel()
	sys, _ := over(map[string]string{"AWS_REGION": "eu-central-1", "ORBITQ_STACK": "orbitq"})
	if err := sys.Err(); err != nil {
		t.Errorf("nothing was built, but %v", err)
	}
}

func TestSeconds(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, variable, value, want string }{
		{"fraction", "ORBITQ_LEASE_MARGIN_SECONDS", "0.25", ""},
		{"zero", "ORBITQ_LEASE_MARGIN_SECONDS", "0", ""},
		{"spaces in a list", "ORBITQ_BACKOFF_SECONDS", "10, 30 ,60", ""},
		{"one of a list", "ORBITQ_BACKOFF_SECONDS", "10", ""},
		{"not a number", "ORBITQ_LEASE_MARGIN_SECONDS", "30s", `ORBITQ_LEASE_MARGIN_SECONDS: "30s" is not a number of seconds`},
		{"negative", "ORBITQ_LEASE_MARGIN_SECONDS", "-1", `"-1" is not a number of seconds`},
		{"not finite", "ORBITQ_LEASE_MARGIN_SECONDS", "NaN", `"NaN" is not a number of seconds`},
		{"infinite", "ORBITQ_LEASE_MARGIN_SECONDS", "Inf", `"Inf" is not a number of seconds`},
		{"overflow", "ORBITQ_LEASE_MARGIN_SECONDS", "1e12", `"1e12" is not a number of seconds`},
		{"list for one", "ORBITQ_LEASE_MARGIN_SECONDS", "10,30", "2 numbers where one belongs"},
		{"hole in a list", "ORBITQ_BACKOFF_SECONDS", "10,,60", `ORBITQ_BACKOFF_SECONDS: "" is not a number of seconds`},
		{"each wrong part is named", "ORBITQ_BACKOFF_SECONDS", "ten,60", `"ten" is not a number`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			part := parts()["enrich"]
			env := full(part.own)
			env[c.variable] = c.value
			sys, _ := over(env)
			part.build(sys)
			err := sys.Err()
			switch {
			case c.want == "" && err != nil:
				t.Errorf("%q is refused: %v", c.value, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want a complaint with %q", err, c.want)
			case c.want != "" && strings.Contains(err.Error(), "\n"):
				t.Errorf("one fault is told more than once: %v", err)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ version, want string }{
		{"", wire.Release}, {"17", wire.Release + "+17"}, {"$LATEST", wire.Release + "+$LATEST"},
	} {
		env := shared()
		env["AWS_LAMBDA_FUNCTION_VERSION"] = c.version
		if sys, _ := over(env); sys.Version() != c.want {
			t.Errorf("function version %q gives %q, want %q", c.version, sys.Version(), c.want)
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		level string
		want  []string
	}{
		{"", []string{"INFO", "ERROR"}},
		{"nonsense", []string{"INFO", "ERROR"}},
		{"DEBUG", []string{"DEBUG", "INFO", "ERROR"}},
		{"error", []string{"ERROR"}},
	} {
		env := shared()
		env["AWS_LAMBDA_LOG_LEVEL"] = c.level
		sys, out := over(env)
		sys.Log().Debug("a")
		sys.Log().Info("b")
		sys.Log().Error("c")
		var got []string
		for line := range strings.Lines(out.String()) {
			var entry struct{ Level, Stack string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Stack != "orbitq-dev" {
				t.Fatalf("line is not JSON, or not of the stack: %v in %s", err, line)
			}
			got = append(got, entry.Level)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("level %q logs %v, want %v", c.level, got, c.want)
		}
	}
}

// The real binaries: without their environment they must end in INIT, with one line that names what is missing.
func TestFunctionsEndWithoutTheirEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", dir, "./functions/...")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build functions: %v\n%s", err, out)
	}
	for name, part := range parts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			function := exec.CommandContext(t.Context(), filepath.Join(dir, name))
			function.Env = []string{"PATH=" + os.Getenv("PATH")}
			out, err := function.Output()
			if code := function.ProcessState.ExitCode(); code != 1 {
				t.Errorf("ends with %d (%v), want 1", code, err)
			}
			var line struct{ Level, Msg, Error string }
			if err := json.Unmarshal(out, &line); err != nil {
				t.Fatalf("not one line of JSON: %v in %q", err, out)
			}
			if line.Level != "ERROR" || line.Msg != "configuration is incomplete" {
				t.Errorf("line is %+v", line)
			}
			for _, variable := range append([]string{"AWS_REGION", "ORBITQ_STACK", "ORBITQ_TABLE"}, part.own...) {
				if !strings.Contains(line.Error, variable+" is not set") {
					t.Errorf("%s is not named in %q", variable, line.Error)
				}
			}
		})
	}
}
