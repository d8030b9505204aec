package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/stack"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   error
		want int
	}{
		{"nothing", nil, exitOK},
		{"anything", errors.New("boom"), exitFailed},
		{"usage", usageError{errors.New("flag")}, exitUsage},
		{"ended unwell", errors.Join(nil, unwellError{errors.New("2 items failed")}), exitUnwell},
		{"no API known", notRunningError{errors.New("none")}, exitUnreachable},
		{"no stack", fmt.Errorf("find: %w", stack.ErrNotRunning), exitUnreachable},
		{"silence", fmt.Errorf("ask: %w", &client.Unreachable{URL: "u", Err: errors.New("refused")}), exitUnreachable},
		{"absent", &client.Problem{Status: 404, Code: job.NotFound}, exitNotFound},
		{"refused", fmt.Errorf("store: %w", &client.Problem{Status: 422, Code: job.InvalidField}), exitInvalid},
		{"conflict", &client.Problem{Status: 409, Code: job.KeyReused}, exitInvalid},
		{"broken", &client.Problem{Status: 500, Code: job.Internal}, exitFailed},
		{"denied", &client.Denied{Status: 401}, exitFailed},
	} {
		if got := exitCode(c.in); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestReportSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   error
		want []string
	}{
		{"a defect", &client.Problem{Status: 500, Code: job.Internal, Detail: "oops", RequestID: "r-9"}, []string{"orbitq: INTERNAL: oops", "request id r-9"}},
		{"one broken rule", &client.Problem{Status: 422, Code: job.InvalidField, Detail: "latitude: no", Errors: []job.Violation{{Field: "latitude"}}}, []string{"orbitq: INVALID_FIELD: latitude: no"}},
		{"interrupted", fmt.Errorf("watch: %w", context.Canceled), []string{"orbitq: interrupted"}},
	} {
		var out bytes.Buffer
		report(&out, root(), c.in)
		got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		for i, want := range c.want {
			if i >= len(got) || !strings.Contains(got[i], want) {
				t.Errorf("%s: got %q, want line %d to say %q", c.name, got, i, want)
			}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: got %d lines, want %d: %q", c.name, len(got), len(c.want), got)
		}
	}
}
