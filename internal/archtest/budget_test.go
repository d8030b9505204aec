package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sized is a file or function with its length in lines.
type sized struct {
	name  string
	lines int
}

// shape is what the size limits look at; test files are not part of it.
type shape struct {
	files, funcs []sized
	packages     map[string]bool // true: has a package comment
	undocumented []string        // exported names without a comment
}

func measure(all []source) shape {
	m := shape{packages: map[string]bool{}}

	for _, s := range all {
		if s.test {
			continue
		}

		m.files = append(m.files, sized{s.path, bytes.Count(s.text, []byte("\n"))})
		m.packages[s.dir()] = m.packages[s.dir()] || s.file.Doc != nil

		for _, d := range s.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				m.funcs = append(m.funcs, sized{s.path + ":" + fn.Name.Name, s.lines(fn.Type.Func, fn.Body.Rbrace)})
			}

			m.findUndocumented(s, d)
		}
	}

	return m
}

func (m *shape) findUndocumented(s source, d ast.Decl) {
	count := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}

		if !slices.ContainsFunc(docs, func(g *ast.CommentGroup) bool { return g != nil }) {
			m.undocumented = append(m.undocumented, s.at(name.Pos())+" "+name.Name)
		}
	}

	switch d := d.(type) {
	case *ast.FuncDecl:
		count(d.Name, d.Doc)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				count(spec.Name, spec.Doc, d.Doc)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					count(name, spec.Doc, spec.Comment, d.Doc)
				}
			}
		}
	}
}

// Limits of size, in lines.
const (
	maxFile = 500
	maxFunc = 60
)

// checkShape returns what is over a limit or lacks its comment.
func checkShape(m shape) (complaints []string) {
	for _, f := range m.files {
		if f.lines > maxFile {
			complaints = append(complaints, fmt.Sprintf("file %s has %d lines, at most %d", f.name, f.lines, maxFile))
		}
	}

	for _, f := range m.funcs {
		if f.lines > maxFunc {
			complaints = append(complaints, fmt.Sprintf("function %s has %d lines, at most %d", f.name, f.lines, maxFunc))
		}
	}

	for dir, documented := range m.packages {
		if !documented {
			complaints = append(complaints, dir+" has no package comment")
		}
	}

	for _, name := range m.undocumented {
		complaints = append(complaints, name+" is exported and has no comment")
	}

	return complaints
}

func TestSizesAndDocs(t *testing.T) {
	t.Parallel()

	m := measure(sources(t))
	expectNone(t, checkShape(m))
	t.Logf("%d packages, %d files, %d functions", len(m.packages), len(m.files), len(m.funcs))
}

func TestFunctionMainsOnlyWire(t *testing.T) {
	t.Parallel()

	mains, err := filepath.Glob(root + "/functions/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("no functions found: %v", err)
	}

	for _, path := range mains {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}

		if lines := bytes.Count(text, []byte("\n")); lines > 30 {
			t.Errorf("%s has %d lines, at most 30: move what it decides into wire or entry", path, lines)
		}
	}
}

// direct finds the modules that go.mod requires for code of ours.
var direct = regexp.MustCompile(`(?m)^(?:require )?\s*([\w.-]+\.[\w./~-]+) v\S+$`)

// maxDirect is four above the budget's twelve: every service of the AWS SDK is a module of its own, and SNS, Lambda and
// Step Functions came with the operators' topic, the pause of a queue, and chains and batches; see docs/design.md. S3 did
// not: one signed request stores the list of a large batch. The sixteenth is golang.org/x/text, for Unicode's form NFC.
const maxDirect = 16

func TestDirectDependencies(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile(root + "/go.mod")
	if err != nil {
		t.Fatal(err)
	}

	if found := direct.FindAllSubmatch(text, -1); len(found) > maxDirect {
		t.Errorf("%d direct dependencies, at most %d: %s", len(found), maxDirect, found)
	}
}

func TestSizesCanFail(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("\t_ = 1\n", 501)
	m := measure(snippet(t, "internal/x/x.go", "package x\n\nfunc Long() {\n"+long+"}"))
	got := strings.Join(checkShape(m), "\n")

	for _, want := range []string{"file internal/x/x.go has 504 lines", "function internal/x/x.go:Long has 503 lines", "internal/x has no package comment", "Long is exported and has no comment"} {
		if !strings.Contains(got, want) {
			t.Errorf("no complaint %q in\n%s", want, got)
		}
	}

	fine := "// Package x is fine.\npackage x\n\n// A is one.\nconst (\n\tA = 1\n\tB = 2 // behind code\n)\n\n// F does it.\nfunc F() {\n\tprint(1)\n}\n"
	expectNone(t, checkShape(measure(snippet(t, "internal/x/x.go", fine))))
}
