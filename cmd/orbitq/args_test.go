package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/stack"
)

func TestArgumentsAreCountedAndNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		rule cobra.PositionalArgs
		args []string
		want string // empty: accepted
	}{
		{"one, none given", exactly("the id"), nil, "the id is missing"},
		{"one, one given", exactly("the id"), []string{"a"}, ""},
		{"one, three given", exactly("the id"), []string{"a", "b", "c"}, "the id is all that is wanted, not 3 arguments"},
		{"some, none given", some("an id"), nil, "an id is missing"},
		{"some, three given", some("an id"), []string{"a", "b", "c"}, ""},
		{"none, none given", none, nil, ""},
		{"none, one given", none, []string{"a"}, `what does "a" mean here? This command takes flags only`},
	} {
		err := c.rule(&cobra.Command{}, c.args)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want || exitCode(err) != exitUsage) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestMissingFlagsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ given, want string }{
		{"", "--lat, --lon missing"},
		{"--lat=0", "--lon missing"}, // zero is a place
		{"--lat=0 --lon=0", ""},
	} {
		cmd := &cobra.Command{}
		cmd.Flags().Float64("lat", 0, "")
		cmd.Flags().Float64("lon", 0, "")
		if err := cmd.ParseFlags(strings.Fields(c.given)); err != nil {
			t.Fatalf("parse %q: %v", c.given, err)
		}
		got := ""
		if err := needs(cmd, "lat", "lon"); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.given, got, c.want)
		}
	}
}

func TestCommandLinesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		want string
	}{
		{"point", `there is no command "orbitq point"; did you mean "orbitq points"?`},
		{"zzzzzzzz", `there is no command "orbitq zzzzzzzz"`},
		{"failed lst", `did you mean "orbitq failed list"?`},
		{"local stats", `did you mean "orbitq local status"?`},
		{"failed forget", "the id of a job is missing"},
		{"jobs cancel", "the id of a job is missing"},
		{"failed list extra", `what does "extra" mean here?`},
		{"failed retry", "name jobs by id, or by a filter such as --code, or say --all"},
		{"failed retry A --code X", "name jobs by id, or by a filter such as --code, or say --all"},
		{"failed retry --all --code X", "name jobs by id, or by a filter such as --code, or say --all"},
		{"failed list --limit=-1", "--limit is how many dead jobs to list, not -1"},
		{"failed list --limit=many", `invalid argument "many"`},
		{"chains start", "the id of a point is missing"},
		{"chains redrive A B", "the id of a chain is all that is wanted, not 2 arguments"},
		{"chains list --limit=-1", "--limit is how many chains to list, not -1"},
		{"batches stat", `did you mean "orbitq batches start"?`},
		{"batches start A", "--name missing"},
		{"batches start --name x", "name points by id, or by one of --file and --campaign"},
		{"batches start --name x A --campaign c", "name points by id, or by one of --file and --campaign"},
		{"batches start --name x A --metric m", "--metric, --from and --to go with --campaign"},
		{"batches start --name x --campaign c --to soon", `--to is a day (2020-02-19) or a time (2020-02-19T11:30:00Z), not "soon"`},
		{"batches start --name x --file nowhere.txt", "read ids: open nowhere.txt"},
		{"batches start --name x --file /dev/null", "there is no id in /dev/null"},
		{"batches start --name x A --then later", `--then is a URL, notify, or job:KIND:POINT, not "later"`},
		{"batches start --name x A --dry-run --watch", "--dry-run starts nothing that --watch could watch"},
		{"batches list --limit=-1", "--limit is how many batches to list, not -1"},
		{"batches items A --limit=-1", "--limit is how many items to list, not -1"},
		{"batches items A --state lost", `--state is pending, running, succeeded, skipped, failed or cancelled, not "lost"`},
		{"batches add A", "the id of a point is missing"},
		{"notifications list --limit=-1", "--limit is how many messages to list, not -1"},
		{"campaigns zones", "the id of a campaign is missing"},
		{"campaigns zones a --set []", "there is no zone in it; --remove removes all"},
		{"points review A --notes x", "say --status, --flag, or both"},
		{"local install here", `what does "here" mean here?`},
	} {
		code, out, errOut := here(strings.Fields(c.args)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, c.want) || !strings.Contains(errOut, "\n  usage: orbitq") {
			t.Errorf("%s: exit code %d, %q and %q, want %q", c.args, code, out, errOut, c.want)
		}
	}
}

// TestFaultsOfAllKinds: scripts branch on the code, and programs on what -o json says.
func TestFaultsOfAllKinds(t *testing.T) {
	t.Parallel()
	problem := func(status int, code job.Code) error {
		return fmt.Errorf("ask: %w", &client.Problem{Status: status, Code: code, Detail: "why", RequestID: "r-1"})
	}
	for _, c := range []struct {
		name string
		in   error
		want string
	}{
		{"usage beside others", errors.Join(usageError{errors.New("flag")}, problem(422, job.InvalidField)), `{"error":"flag\nask: INVALID_FIELD: why","exit_code":2,"code":"INVALID_FIELD","request_id":"r-1"}`},
		{"no stack", notRunningError{stack.ErrNotRunning}, `{"error":"no local stack is running","exit_code":3}`},
		{"silence", &client.Unreachable{URL: "u", Err: fmt.Errorf("dial: %w", errors.New("refused"))}, `{"error":"no answer from u: refused","exit_code":3}`},
		{"absent", problem(404, job.NotFound), `{"error":"ask: NOT_FOUND: why","exit_code":4,"code":"NOT_FOUND","request_id":"r-1"}`},
		{"a state in the way", problem(409, job.StateConflict), `{"error":"ask: STATE_CONFLICT: why","exit_code":5,"code":"STATE_CONFLICT","request_id":"r-1"}`},
		{"too large", problem(413, job.BodyTooLarge), `{"error":"ask: BODY_TOO_LARGE: why","exit_code":5,"code":"BODY_TOO_LARGE","request_id":"r-1"}`},
		{"unavailable", problem(503, job.Unavailable), `{"error":"ask: UNAVAILABLE: why","exit_code":1,"code":"UNAVAILABLE","request_id":"r-1"}`},
		{"denied", &client.Denied{Status: 403, Reason: "scope"}, `{"error":"the token may not do this (scope): get one with the scope (locally: orbitq token --scope 'orbitq/read orbitq/write'; to pause, resume and see poison, orbitq/operate too)","exit_code":1}`},
		{"something else answers", &client.Refused{Status: 418, URL: "u", Text: "tea"}, `{"error":"u answered 418 I'm a teapot: tea","exit_code":1}`},
		{"stopped by hand", context.Canceled, `{"error":"context canceled","exit_code":1}`},
	} {
		got, err := json.Marshal(faultOf(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got\n%s, %v, want\n%s", c.name, got, err, c.want)
		}
	}
}

func TestAdviceFitsTheFailure(t *testing.T) {
	t.Parallel()
	two := &client.Problem{Status: 422, Code: job.InvalidField, Errors: []job.Violation{{Field: "a", Detail: "is wrong"}, {Field: "b", Detail: "too"}}}
	for _, c := range []struct {
		name string
		in   error
		want string
	}{
		{"usage", usageError{errors.New("x")}, "usage: orbitq\nmore:  orbitq --help"},
		{"no API known", notRunningError{stack.ErrNotRunning}, "or name another API with --api-url or ORBITQ_API_URL"},
		{"no stack", fmt.Errorf("%w in x", stack.ErrNotRunning), ""},
		{"silence", &client.Unreachable{}, "is the address right (--api-url, ORBITQ_API_URL)? Is the local stack up (orbitq local status)?"},
		{"absent", &client.Problem{Status: 404, Code: job.NotFound}, "other users' points and jobs are not found either; yours: orbitq jobs list"},
		{"every broken rule", two, "a: is wrong\nb: too"},
		{"a defect", &client.Problem{Status: 500, RequestID: "r-2"}, "request id r-2: orbitq local logs shows what happened"},
		{"a refusal that says all", &client.Problem{Status: 409, Code: job.KeyReused}, ""},
		{"denied", &client.Denied{Status: 401}, ""},
	} {
		if got := strings.Join(advice(&cobra.Command{Use: "orbitq"}, c.in), "\n"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEachIDStopsAtTheFirstFailure(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		ids   string
		want  int
		err   error
		asked string
	}{
		{"", 0, nil, ""},
		{"a b c", 3, nil, "abc"},
		{"bad a", 0, broken, "bad"},
		{"a bad c", 1, broken, "abad"},
	} {
		var asked strings.Builder
		got, err := eachID(t.Context(), strings.Fields(c.ids), func(_ context.Context, id string) (client.Job, error) {
			asked.WriteString(id)
			if id == "bad" {
				return client.Job{}, broken
			}
			return client.Job{ID: id}, nil
		})
		if got != c.want || !errors.Is(err, c.err) || asked.String() != c.asked {
			t.Errorf("%q: %d done, %v, asked for %s", c.ids, got, err, &asked)
		}
	}
}

func TestFirstOfKnowsWhetherThereIsMore(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		name             string
		limit, breaksAt  int
		want, wantPulled int
		more             bool
	}{
		{"no limit", 0, 9, 5, 5, false},
		{"more than there are", 6, 9, 5, 5, false},
		{"just as many", 5, 9, 5, 5, false},
		{"fewer", 2, 9, 2, 3, true},
		{"a failure beyond the one that tells", 2, 3, 2, 3, true},
		{"a failure on the way", 0, 1, 1, 2, false},
	} {
		pulled := 0
		list, err := firstOf(func(yield func(client.Job, error) bool) {
			for i := range 5 {
				pulled++
				if i == c.breaksAt {
					yield(client.Job{}, broken)
					return
				}
				if !yield(client.Job{}, nil) {
					return
				}
			}
		}, c.limit)
		if failed := pulled > c.breaksAt; len(list.Items) != c.want || list.More != c.more || pulled != c.wantPulled || errors.Is(err, broken) != failed {
			t.Errorf("%s: %d jobs, more %v, %d pulled, %v", c.name, len(list.Items), list.More, pulled, err)
		}
	}
}

// TestListOfTheDead: the jobs that somebody must look at, as people see them.
func TestListOfTheDead(t *testing.T) {
	t.Parallel()
	dead := exampleJobs()[1]
	dead.State, dead.Attempts, dead.NextAt, dead.FinishedAt = job.Dead, 3, nil, when(200)
	dead.Error = &client.Failure{Code: job.ProviderDenied, Message: "provider answered 401"}
	var out bytes.Buffer
	if err := writeJobs(&out, &jobList{Items: []client.Job{dead}}); err != nil {
		t.Fatalf("write: %v", err)
	}
	golden(t, "jobs_dead", out.Bytes())
	if err := writeJobs(full{}, &jobList{Items: []client.Job{dead}}); err == nil {
		t.Error("a full disk is no error")
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
