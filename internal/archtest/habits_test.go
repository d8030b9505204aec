package archtest

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unfinished marks work that belongs in an issue; written so that it does not find itself.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX|HA` + `CK)\b`)

// checkHabits complains about what reviewers would otherwise have to find by eye.
func checkHabits(all []source) (complaints []string) {
	for _, s := range all {
		add := func(pos token.Pos, what string) { complaints = append(complaints, s.at(pos)+": "+what) }

		for _, name := range []string{s.file.Name.Name, strings.TrimSuffix(path.Base(s.path), ".go")} {
			if slices.Contains([]string{"util", "utils", "common", "types", "models", "helpers", "misc"}, name) {
				add(s.file.Package, name+" names nothing: say what is in it")
			}
		}

		for _, group := range s.file.Comments {
			if mark := unfinished.FindString(group.Text()); mark != "" {
				add(group.Pos(), mark+" in a comment: finish it or file it")
			}
		}

		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					add(d.Pos(), "init runs behind the reader's back: call it from main")
				}
			case *ast.GenDecl:
				if d.Tok == token.VAR && !s.test {
					checkVars(d, add)
				}
			}
		}

		if s.test {
			checkTestCalls(s, add)
		}
	}

	return complaints
}

// checkVars allows interface assertions, embedded files, sentinel errors, compiled patterns, and what a written
// reason excuses.
func checkVars(d *ast.GenDecl, add func(token.Pos, string)) {
	embedded := d.Doc != nil && slices.ContainsFunc(d.Doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed") })

	for _, spec := range d.Specs {
		v, ok := spec.(*ast.ValueSpec)
		if !ok || embedded {
			continue
		}

		excused := v.Comment != nil && strings.Contains(v.Comment.List[0].Text, "nolint:gochecknoglobals //")

		for i, name := range v.Names {
			constant := i < len(v.Values) && immutable(v.Values[i])
			if name.Name != "_" && !excused && !constant {
				add(name.Pos(), "package variable "+name.Name+": pass it in, or make it a constant or a function")
			}
		}
	}
}

// immutable reports whether a value is one that nobody changes.
func immutable(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}

	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}

	pkg, ok := fun.X.(*ast.Ident)

	return ok && slices.Contains([]string{"errors.New", "fmt.Errorf", "regexp.MustCompile"}, pkg.Name+"."+fun.Sel.Name)
}

// checkTestCalls wants a reason for each skip, and a sleep only between looks at a condition.
func checkTestCalls(s source, add func(token.Pos, string)) {
	var loops []ast.Node

	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ForStmt, *ast.RangeStmt:
			loops = append(loops, n)
		case *ast.CallExpr:
			fun, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}

			x, _ := fun.X.(*ast.Ident)

			switch {
			case fun.Sel.Name == "SkipNow", fun.Sel.Name == "Skip" && len(n.Args) == 0:
				add(n.Pos(), "skip without a reason")
			case fun.Sel.Name == "Sleep" && x != nil && x.Name == "time" && !slices.ContainsFunc(loops, func(l ast.Node) bool { return l.Pos() < n.Pos() && n.Pos() < l.End() }):
				add(n.Pos(), "sleep outside a loop: wait on the condition")
			}
		}

		return true
	})
}

func TestHabits(t *testing.T) {
	t.Parallel()
	expectNone(t, checkHabits(sources(t)))
}

func TestHabitChecksCanFail(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ path, code, want string }{
		{"internal/x/x.go", "package x\nfunc init() {}", "init runs"},
		{"internal/x/x.go", "package x\nvar cache = map[string]int{}", "package variable cache"},
		{"internal/x/x.go", "package x\n//nolint:gochecknoglobals\nvar cache = 1", "package variable cache"},
		{"internal/util/x.go", "package util", "util names nothing"},
		{"internal/x/types.go", "package x", "types names nothing"},
		{"internal/x/x.go", "package x\n// TO" + "DO: later", "in a comment"},
		{"internal/x/x_test.go", "package x\nfunc f(t T) { t.Skip() }", "skip without a reason"},
		{"internal/x/x_test.go", "package x\nfunc f(t T) { t.SkipNow() }", "skip without a reason"},
		{"internal/x/x_test.go", "package x\nfunc f() { time.Sleep(1) }", "sleep outside a loop"},
	} {
		expectOne(t, checkHabits(snippet(t, c.path, c.code)), c.want)
	}

	for _, code := range []string{
		"package x\nvar _ I = T{}",
		"package x\nvar ErrGone = errors.New(\"gone\")",
		"package x\n//go:embed x\nvar x string",
		"package x\nvar x = f() //nolint:gochecknoglobals // a cache nobody can write to",
	} {
		expectNone(t, checkHabits(snippet(t, "internal/x/x.go", code)))
	}

	expectNone(t, checkHabits(snippet(t, "internal/x/x_test.go", "package x\nfunc f(t T) { t.Skip(\"no JDK\"); for !done() { time.Sleep(1) } }")))
}
