package job_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"strconv"
	"testing"

	"orbitq/internal/job"
)

// declared reads the constants of a type from a file of this package, so that no
// list in a test can be out of date.
func declared(t *testing.T, file, typeName string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, value)
		}
		return true
	})
	return all
}

func TestEveryCodeHasAClass(t *testing.T) {
	t.Parallel()
	// The codes that may end an attempt. A new one must be classed here on purpose.
	attempts := map[job.Code]job.Class{
		job.ProviderRateLimit: job.Release, job.ProviderQuota: job.Release, job.Throttled: job.Release,
		job.Limited: job.Release, job.BreakerOpen: job.Release, job.Snoozed: job.Release,
		job.InvalidRequest: job.Fatal, job.ProviderDenied: job.Fatal, job.UnknownKind: job.Fatal, job.Poison: job.Fatal,
		job.ProviderUnavailable: job.Retry, job.ProviderTimeout: job.Retry, job.AttemptTimeout: job.Retry, job.Internal: job.Retry,
		job.WebhookRefused: job.Fatal, job.WebhookFailed: job.Retry,
	}
	// Those that no attempt ends with: written by the protocol itself, or answers to requests.
	others := []job.Code{
		job.AttemptLost, job.AttemptsSpent, job.DeadlinePassed, job.NoWorkerReport, job.InvalidJSON, job.InvalidField, job.UnknownField,
		job.BodyTooLarge, job.UnsupportedMedia, job.InvalidCursor, job.NotFound, job.KeyReused, job.Forbidden, job.MethodNotAllowed, job.Unavailable, job.StateConflict,
		job.MaxWaitExceeded, job.UniqueHeld, job.LimitExceeded,
	}
	known := map[job.Code]bool{}
	for code, want := range attempts {
		known[code] = true
		if got := code.Class(); got != want {
			t.Errorf("%s has class %d, want %d", code, got, want)
		}
	}
	for _, code := range others {
		known[code] = true
		if code.Class() != job.Retry {
			t.Errorf("%s has class %d", code, code.Class())
		}
	}
	shape := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	all := declared(t, "error.go", "Code")
	for _, code := range all {
		if !known[job.Code(code)] {
			t.Errorf("%s is in neither list", code)
		}
		if !shape.MatchString(code) {
			t.Errorf("%s is no code", code)
		}
	}
	if len(all) != len(known) {
		t.Errorf("%d codes declared, %d known", len(all), len(known))
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	coded := job.Errorf(job.ProviderTimeout, "no answer after %d s: %w", 20, io.ErrUnexpectedEOF)
	wrapped := fmt.Errorf("ask provider: %w", coded)
	if job.CodeOf(wrapped) != job.ProviderTimeout || !errors.Is(wrapped, io.ErrUnexpectedEOF) {
		t.Errorf("code %s, cause lost", job.CodeOf(wrapped))
	}
	if want := "PROVIDER_TIMEOUT: no answer after 20 s: unexpected EOF"; coded.Error() != want {
		t.Errorf("got %q", coded.Error())
	}
	if job.CodeOf(io.EOF) != job.Internal {
		t.Error("a foreign error has a code")
	}
	v := job.Violation{Field: "value", Rule: "range", Detail: "must be small"}
	if e := job.Invalid(v); e.Code != job.InvalidField || e.Message != "value: must be small" || len(e.Violations) != 1 {
		t.Errorf("got %+v", e)
	}
	if e := job.Invalid(); e.Code != job.InvalidField {
		t.Errorf("got %+v", e)
	}
}

func TestOutcomesAreBilledWithTheirAnalysis(t *testing.T) {
	t.Parallel()
	billed := map[string]bool{"SUCCEEDED": true, "PARTIAL": true}
	all := declared(t, "outcome.go", "Outcome")
	for _, o := range all {
		if job.Outcome(o).Billable() != billed[o] || job.Outcome(o).Analysed() != billed[o] {
			t.Errorf("%s: billed %v, analysed %v", o, job.Outcome(o).Billable(), job.Outcome(o).Analysed())
		}
	}
	if len(all) != 14 {
		t.Errorf("%d outcomes: an enrichment has eleven, an analysis one, a message two", len(all))
	}
}

func TestStatesAreClosed(t *testing.T) {
	t.Parallel()
	all := declared(t, "state.go", "State")
	if len(all) != len(job.States()) {
		t.Errorf("%d declared, %d listed", len(all), len(job.States()))
	}
	for _, s := range all {
		if !job.State(s).Known() {
			t.Errorf("%s is not listed", s)
		}
	}
	if job.State("").Known() || job.State("RUNNING").Known() || job.State("").Open() {
		t.Error("something unknown is a state")
	}
}
