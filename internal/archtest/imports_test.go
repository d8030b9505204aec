package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const (
	module       = "orbitq/"
	awsSDK       = "github.com/aws/aws-sdk-go-v2/..."
	smithy       = "github.com/aws/smithy-go/..."
	awsLambda    = "github.com/aws/aws-lambda-go/..."
	lambdaEvents = "github.com/aws/aws-lambda-go/events"
	unicodeNorm  = "golang.org/x/text/unicode/norm"
)

// layer says what the non-test files of a package may import beyond the standard library: packages of ours, without
// the module's name, and packages of others. A trailing /... covers everything below.
type layer struct {
	may []string
	// pure packages have no clock, randomness, input or output; see purity_test.go.
	pure bool
	// quiet packages use ports for all input and output, so that every engine and fault can stand behind them.
	quiet bool
	// bench packages are for tests and the local run; no function may reach them.
	bench bool
}

// layers is the import table. To add a package, say here what it may know.
func layers() map[string]layer {
	core := []string{"internal/quality", "internal/job", "internal/usage", "internal/point", "internal/satellite", "internal/limit"}
	cases := []string{"internal/intake", "internal/worker", "internal/relay", "internal/deadletter", "internal/query", "internal/kinds", "internal/gate", "internal/flow", "internal/outbox"}
	of := func(groups ...any) (all []string) {
		for _, g := range groups {
			switch g := g.(type) {
			case string:
				all = append(all, g)
			case []string:
				all = append(all, g...)
			}
		}

		return all
	}

	return map[string]layer{
		// The core: values in, values out.
		"internal/job":       {pure: true},
		"internal/limit":     {pure: true},
		"internal/usage":     {pure: true, may: of("internal/job")},
		"internal/point":     {pure: true, may: of("internal/job")},
		"internal/satellite": {pure: true, may: of("internal/job", "internal/point")},
		"internal/quality":   {pure: true, may: of("internal/job", "internal/point", "internal/satellite")},

		// Use cases: they declare their ports and never know who stands behind them, nor each other.
		"internal/intake":     {quiet: true, may: core},
		"internal/worker":     {quiet: true, may: core},
		"internal/relay":      {quiet: true, may: core},
		"internal/deadletter": {quiet: true, may: core},
		"internal/query":      {quiet: true, may: core},
		"internal/gate":       {quiet: true, may: core},
		"internal/flow":       {quiet: true, may: core},
		"internal/outbox":     {quiet: true, may: core},
		"internal/kinds":      {quiet: true, may: of(core, "internal/worker")},

		// The edge: Lambda events to use case calls, and the only place that logs.
		"internal/openapi": {},
		"internal/entry":   {may: of(core, cases, "internal/openapi", awsLambda, unicodeNorm)},

		// Adapters: one technology each, never each other.
		"internal/dynamostore": {may: of(core, cases, awsSDK, smithy)},
		"internal/sqsqueue":    {may: of(core, cases, awsSDK, smithy)},
		"internal/account":     {may: of(core, "internal/flow", awsSDK, smithy)},
		"internal/copernicus":  {may: of(core, "internal/kinds")},
		"internal/webhook":     {may: of("internal/job")},

		// Wiring.
		"internal/wire": {may: of(core, cases, "internal/entry", "internal/openapi", "internal/dynamostore", "internal/sqsqueue", "internal/account", "internal/copernicus", "internal/webhook", awsSDK, smithy)},
		"functions/...": {may: of("internal/wire", "internal/entry", awsLambda)},

		// The command line and the local run. The local run speaks AWS's protocols to the real binaries; it knows no
		// package of theirs, so it cannot help them.
		"internal/client":    {may: of("internal/job")},
		"internal/local/...": {bench: true, may: of("internal/local/...", "github.com/dop251/goja/...", "github.com/golang-jwt/jwt/v5", lambdaEvents)},
		"cmd/orbitq":         {may: of("internal/client", "internal/job", "internal/local/...", "github.com/spf13/cobra")},

		// Benches.
		"internal/memstore":             {bench: true, may: of(core, cases)},
		"internal/memqueue":             {bench: true, may: of(core, cases)},
		"internal/storetest":            {bench: true, may: of(core, cases)},
		"internal/queuetest":            {bench: true, may: of(core, cases)},
		"internal/faulty":               {bench: true, may: of(core, cases)},
		"internal/sim":                  {bench: true},
		"internal/archtest":             {bench: true},
		"internal/e2e":                  {bench: true},
		"internal/openapi/contracttest": {bench: true, may: of("internal/openapi", "github.com/getkin/kin-openapi/...")},
		"tools/testcount":               {bench: true},
	}
}

// unit is a package as go list tells it.
type unit struct {
	ImportPath string   `json:"ImportPath"`
	Imports    []string `json:"Imports"`
}

func listPackages(t *testing.T) []unit {
	t.Helper()

	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root

	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}

	var all []unit

	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var u unit
		if err := dec.Decode(&u); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read package list: %v", err)
		}

		all = append(all, u)
	}
}

// find returns the layer of a package: its own line, or the longest /... line above it.
func find(table map[string]layer, path string) (layer, bool) {
	if l, ok := table[path]; ok {
		return l, true
	}

	for at := strings.LastIndexByte(path, '/'); at > 0; at = strings.LastIndexByte(path[:at], '/') {
		if l, ok := table[path[:at]+"/..."]; ok {
			return l, true
		}
	}

	return layer{}, false
}

func allowed(l layer, path string) bool {
	return slices.ContainsFunc(l.may, func(may string) bool {
		above, open := strings.CutSuffix(may, "/...")

		return path == above || open && strings.HasPrefix(path, above+"/")
	})
}

// checkImports complains about packages without a layer and imports that the layer does not allow.
func checkImports(table map[string]layer, units []unit) (complaints []string) {
	for _, u := range units {
		name := strings.TrimPrefix(u.ImportPath, module)

		l, ok := find(table, name)
		if !ok {
			complaints = append(complaints, name+" is not in the import table: add it to the table in internal/archtest/imports_test.go")

			continue
		}

		for _, path := range u.Imports {
			inside, ours := strings.CutPrefix(path, module)
			first, _, _ := strings.Cut(path, "/")

			standard := !ours && !strings.Contains(first, ".")
			if !standard && !allowed(l, inside) {
				complaints = append(complaints, fmt.Sprintf("%s must not import %s", name, inside))
			}

			if standard && (l.pure || l.quiet) && impure(path, l.pure) {
				complaints = append(complaints, fmt.Sprintf("%s must not import %s: it would not be decided by values alone", name, path))
			}
		}
	}

	return complaints
}

// checkReach complains about benches that a function can reach, with the way there.
func checkReach(table map[string]layer, units []unit) (complaints []string) {
	imports := map[string][]string{}
	for _, u := range units {
		imports[u.ImportPath] = u.Imports
	}

	seen := map[string]bool{}

	var visit func(path, way string)

	visit = func(path, way string) {
		inside, ours := strings.CutPrefix(path, module)
		if !ours || seen[path] {
			return
		}

		seen[path] = true
		if l, _ := find(table, inside); l.bench {
			complaints = append(complaints, "a function reaches "+way)
		}

		for _, next := range imports[path] {
			visit(next, way+" -> "+strings.TrimPrefix(next, module))
		}
	}

	for _, u := range units {
		if strings.HasPrefix(u.ImportPath, module+"functions/") {
			visit(u.ImportPath, strings.TrimPrefix(u.ImportPath, module))
		}
	}

	return complaints
}

func TestImports(t *testing.T) {
	t.Parallel()
	expectNone(t, checkImports(layers(), listPackages(t)))
}

func TestFunctionsReachNoBench(t *testing.T) {
	t.Parallel()
	expectNone(t, checkReach(layers(), listPackages(t)))
}

func TestImportChecksCanFail(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, from, to, want string }{
		{"unknown package", "orbitq/internal/newcomer", "fmt", "add it to the table"},
		{"use case knows another", "orbitq/internal/intake", "orbitq/internal/relay", "must not import internal/relay"},
		{"use case knows an adapter", "orbitq/internal/worker", "orbitq/internal/dynamostore", "must not import"},
		{"adapter knows another", "orbitq/internal/sqsqueue", "orbitq/internal/dynamostore", "must not import"},
		{"core knows AWS", "orbitq/internal/job", "github.com/aws/aws-sdk-go-v2/aws", "must not import"},
		{"core knows the clock of the host", "orbitq/internal/job", "os", "must not import os"},
		{"use case does I/O", "orbitq/internal/worker", "net/http", "must not import net/http"},
		{"local run helps the product", "orbitq/internal/local/gateway", "orbitq/internal/worker", "must not import"},
		{"function does more than wiring", "orbitq/functions/enqueue", "orbitq/internal/intake", "must not import"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			expectOne(t, checkImports(layers(), []unit{{c.from, []string{c.to}}}), c.want)
		})
	}

	units := []unit{
		{"orbitq/functions/enqueue", []string{"orbitq/internal/wire"}},
		{"orbitq/internal/wire", []string{"orbitq/internal/memstore"}},
	}
	expectOne(t, checkReach(layers(), units), "functions/enqueue -> internal/wire -> internal/memstore")
}
