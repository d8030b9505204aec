package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/stack"
)

// The exit codes of every command. They are part of the contract with scripts: a code may be added, none may change its
// meaning.
const (
	exitOK          = 0 // done
	exitFailed      = 1 // tried and failed: the job is dead, the service is broken, time is over
	exitUsage       = 2 // the command line is wrong
	exitUnreachable = 3 // nothing answers: no stack is running, or the address is wrong
	exitNotFound    = 4 // no such point or job of this user
	exitInvalid     = 5 // the API refused the input
	exitUnwell      = 6 // what was waited for has ended, and not all of it well: a step or an item failed or was cancelled
)

// usageError is a command line that makes no sense. It is a type of its own because cobra gives its errors none.
type usageError struct{ error }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

// notRunningError is a command that needs an API and knows none.
type notRunningError struct{ error }

// Unwrap returns the cause.
func (e notRunningError) Unwrap() error { return e.error }

// unwellError is a chain or batch that ended without its success. It is no exitFailed, so that a script can tell "three
// items failed, retry them" from "nobody knows what became of it".
type unwellError struct{ error }

// Unwrap returns the cause.
func (e unwellError) Unwrap() error { return e.error }

// exitCode maps an error to the code, once for all commands. A denied token is a failure like others: the input was
// good, and somebody answers.
func exitCode(err error) int {
	var (
		unwell  unwellError
		usage   usageError
		lost    notRunningError
		silent  *client.Unreachable
		problem *client.Problem
	)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &unwell):
		return exitUnwell
	case errors.As(err, &lost), errors.As(err, &silent), errors.Is(err, stack.ErrNotRunning):
		return exitUnreachable
	case !errors.As(err, &problem):
		return exitFailed
	case problem.Code == job.NotFound:
		return exitNotFound
	case problem.Status >= http.StatusBadRequest && problem.Status < http.StatusInternalServerError:
		return exitInvalid
	default:
		return exitFailed
	}
}

// report tells a person, or with -o json a program, what went wrong. Both go to standard error: what is on standard
// output is a result, always.
func report(w io.Writer, cmd *cobra.Command, err error) {
	if wantsJSON(cmd) {
		_ = json.NewEncoder(w).Encode(faultOf(err)) //nolint:errchkjson // nowhere left to complain
		return
	}
	if errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	lines := append([]string{"orbitq: " + err.Error()}, advice(cmd, err)...)
	_, _ = fmt.Fprintln(w, strings.Join(lines, "\n  ")) // nowhere left to complain
}

// fault is an error as -o json shows it.
type fault struct {
	Error     string          `json:"error"`
	Exit      int             `json:"exit_code"`
	Code      job.Code        `json:"code,omitempty"`
	Fields    []job.Violation `json:"errors,omitempty"`
	RequestID string          `json:"request_id,omitempty"`
}

// faultOf writes an error down for programs.
func faultOf(err error) fault {
	f := fault{Error: err.Error(), Exit: exitCode(err)}
	if p, ok := errors.AsType[*client.Problem](err); ok {
		f.Code, f.Fields, f.RequestID = p.Code, p.Errors, p.RequestID
	}
	return f
}

// advice is what to do next, one line each. Where the error itself says it, there is none.
func advice(cmd *cobra.Command, err error) []string {
	var p *client.Problem
	switch code := exitCode(err); {
	case code == exitUsage:
		return []string{"usage: " + cmd.UseLine(), "more:  " + cmd.CommandPath() + " --help"}
	case errors.As(err, new(notRunningError)):
		return []string{"or name another API with --api-url or ORBITQ_API_URL"}
	case errors.Is(err, stack.ErrNotRunning):
		return nil
	case code == exitUnreachable:
		return []string{"is the address right (--api-url, ORBITQ_API_URL)? Is the local stack up (orbitq local status)?"}
	case code == exitNotFound:
		return []string{"other users' points and jobs are not found either; yours: orbitq jobs list"}
	case !errors.As(err, &p):
		return nil
	case len(p.Errors) > 1: // the detail names the first only
		lines := make([]string, 0, len(p.Errors))
		for _, v := range p.Errors {
			lines = append(lines, v.Field+": "+v.Detail)
		}
		return lines
	case code == exitFailed:
		return []string{"request id " + p.RequestID + ": orbitq local logs shows what happened"}
	default:
		return nil
	}
}
