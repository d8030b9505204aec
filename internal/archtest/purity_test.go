package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// impure reports whether a package of the standard library touches the world. Pure packages may not even take a
// context: what cannot block needs none.
func impure(path string, pure bool) bool {
	world := []string{"net", "os", "syscall", "log", "math/rand", "crypto/rand", "database", "plugin", "runtime", "unsafe"}
	if pure {
		world = append(world, "context", "sync")
	}

	return slices.ContainsFunc(world, func(w string) bool {
		return path == w || strings.HasPrefix(path, w+"/") && path != "net/url"
	}) || path == "math/rand/v2"
}

// checkClock complains about calls that read the clock or wait, and about goroutines in pure packages. Time comes in
// as a value, so that a simulation can live through years in a second.
func checkClock(all []source, table map[string]layer) (complaints []string) {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

	for _, s := range all {
		name := importName(s.file, "time")
		l, _ := find(table, s.dir())

		if s.test || !l.pure && !l.quiet {
			continue
		}

		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == name && slices.Contains(clock, n.Sel.Name) {
					complaints = append(complaints, s.at(n.Pos())+": time."+n.Sel.Name+" in the core: take the time as a value")
				}
			case *ast.GoStmt:
				if l.pure {
					complaints = append(complaints, s.at(n.Pos())+": goroutine in the core")
				}
			}

			return true
		})
	}

	return complaints
}

// importName returns the name under which a file knows an import, or a name that nothing has.
func importName(file *ast.File, path string) string {
	for _, spec := range file.Imports {
		if value, _ := strconv.Unquote(spec.Path.Value); value == path {
			if spec.Name != nil {
				return spec.Name.Name
			}

			return path
		}
	}

	return token.ILLEGAL.String()
}

func TestCoreHasNoClock(t *testing.T) {
	t.Parallel()

	expectNone(t, checkClock(sources(t), layers()))
}

func TestClockCheckCanFail(t *testing.T) {
	t.Parallel()

	for _, body := range []string{"_ = clock.Now()", "clock.Sleep(1)", "f := clock.Since; _ = f", "go println()"} {
		code := "package job\nimport clock \"time\"\nvar _ clock.Time\nfunc f() {" + body + "}"
		if got := checkClock(snippet(t, "internal/job/x.go", code), layers()); len(got) != 1 {
			t.Errorf("%s: got %q, want one complaint", body, got)
		}
	}

	harmless := "package job\nimport \"time\"\nfunc f(now time.Time) time.Time { return now.Add(time.Second) }"
	expectNone(t, checkClock(snippet(t, "internal/job/x.go", harmless), layers()))
}
