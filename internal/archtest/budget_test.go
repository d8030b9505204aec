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

// shape is what the style budget limits. Test files count only for testLines.
type shape struct {
	files, funcs                []sized
	packages                    map[string]bool // true: has a package comment
	code, comment, blank        int
	exported                    int
	undocumented                []string
	testLines                   int
	commentsByFile, codesByFile map[string]int
}

func measure(all []source) shape {
	m := shape{packages: map[string]bool{}, commentsByFile: map[string]int{}, codesByFile: map[string]int{}}

	for _, s := range all {
		lines := bytes.Count(s.text, []byte("\n"))
		if s.test {
			m.testLines += lines

			continue
		}

		m.files = append(m.files, sized{s.path, lines})
		m.packages[s.dir()] = m.packages[s.dir()] || s.file.Doc != nil
		m.countLines(s)

		for _, d := range s.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				m.funcs = append(m.funcs, sized{s.path + ":" + fn.Name.Name, s.lines(fn.Type.Func, fn.Body.Rbrace)})
			}

			m.countDocs(s, d)
		}
	}

	return m
}

// countLines sorts lines into comment, code and blank; a comment behind code is code.
func (m *shape) countLines(s source) {
	lines := bytes.Split(s.text, []byte("\n"))
	isComment := make([]bool, len(lines)+1)

	for _, group := range s.file.Comments {
		for _, c := range group.List {
			from, to := s.fset.PositionFor(c.Pos(), false), s.fset.PositionFor(c.End(), false)
			if len(bytes.TrimSpace(lines[from.Line-1][:from.Column-1])) > 0 {
				from.Line++
			}

			for n := from.Line; n <= to.Line; n++ {
				isComment[n] = true
			}
		}
	}

	for i, line := range lines {
		switch {
		case len(bytes.TrimSpace(line)) == 0:
			m.blank++
		case isComment[i+1]:
			m.comment++
			m.commentsByFile[s.dir()]++
		default:
			m.code++
			m.codesByFile[s.dir()]++
		}
	}
}

func (m *shape) countDocs(s source, d ast.Decl) {
	count := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}

		m.exported++

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

// spread returns the median, the 90th percentile (nearest rank) and the largest.
func spread(set []sized) (median, p90, largest int) {
	slices.SortFunc(set, func(a, b sized) int { return a.lines - b.lines })
	n := len(set)

	return set[(n-1)/2].lines, set[(n*9+9)/10-1].lines, set[n-1].lines
}

// checkShape holds the figures against the budget.
func checkShape(m shape) (complaints []string) {
	over := func(name string, got, limit int, why ...string) {
		if got > limit {
			complaints = append(complaints, fmt.Sprintf("%s is %d, at most %d: %s", name, got, limit, strings.Join(why, ", ")))
		}
	}
	longer := func(set []sized, limit int) (names []string) {
		for _, s := range set {
			if s.lines > limit {
				names = append(names, fmt.Sprintf("%s %d", s.name, s.lines))
			}
		}

		return names
	}

	median, p90, largest := spread(m.files)
	over("median file", median, 110)
	over("90th percentile of files", p90, 260, longer(m.files, 260)...)
	over("longest file", largest, 400, longer(m.files, 400)...)

	median, p90, largest = spread(m.funcs)
	over("median function", median, 10)
	over("90th percentile of functions", p90, 32, longer(m.funcs, 45)...)
	over("longest function", largest, 60, longer(m.funcs, 60)...)

	over("packages", len(m.packages), 50)

	for dir, documented := range m.packages {
		if !documented {
			complaints = append(complaints, dir+" has no package comment")
		}
	}

	share := m.commentShare()
	over("comment share in percent", share, 25, m.sharesBeyond(25)...)
	over("code without comment in percent", 100-share, 100-15, m.sharesBeyond(15)...)
	over("undocumented exported names in 20", 20*len(m.undocumented)/max(1, m.exported), 0, m.undocumented...)
	over("lines of code without a line of test", m.code+m.comment+m.blank-m.testLines, 0)

	return complaints
}

// commentShare is rounded, as the style guide's own figures are.
func (m *shape) commentShare() int { return (200*m.comment/(m.comment+m.code) + 1) / 2 }

// sharesBeyond lists packages whose comment share is on the far side of a limit: above 25, or below 15.
func (m *shape) sharesBeyond(limit int) (names []string) {
	for dir := range m.packages {
		share := 100 * m.commentsByFile[dir] / max(1, m.commentsByFile[dir]+m.codesByFile[dir])
		if limit > 20 && share > limit || limit < 20 && share < limit {
			names = append(names, fmt.Sprintf("%s %d", dir, share))
		}
	}

	slices.Sort(names)

	return names
}

func TestStyleBudget(t *testing.T) {
	t.Parallel()

	m := measure(sources(t))
	expectNone(t, checkShape(m))

	fileMedian, fileP90, fileMax := spread(m.files)
	funcMedian, funcP90, funcMax := spread(m.funcs)
	t.Logf("%d packages, %d files (median %d, p90 %d, max %d), %d functions (%d, %d, %d), %d %% comment, %d of %d exported names undocumented, test/code %.2f",
		len(m.packages), len(m.files), fileMedian, fileP90, fileMax, len(m.funcs), funcMedian, funcP90, funcMax,
		m.commentShare(), len(m.undocumented), m.exported, float64(m.testLines)/float64(m.code+m.comment+m.blank))
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

// maxDirect is three above the budget's twelve: every service of the AWS SDK is a module of its own, and SNS, Lambda and
// Step Functions came with the operators' topic, the pause of a queue, and chains and batches; see docs/design.md. S3 did
// not: one signed request stores the list of a large batch.
const maxDirect = 15

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

func TestBudgetCanFail(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("\t_ = 1\n", 61)
	m := measure(snippet(t, "internal/x/x.go", "package x\n\nfunc Long() {\n"+long+"}"))
	got := strings.Join(checkShape(m), "\n")

	for _, want := range []string{"median function is 63", "longest function is 63", "internal/x has no package comment", "code without comment in percent is 100", "undocumented exported names", "without a line of test"} {
		if !strings.Contains(got, want) {
			t.Errorf("no complaint %q in\n%s", want, got)
		}
	}

	fine := "// Package x is fine.\npackage x\n\n// A is one.\nconst (\n\tA = 1\n\tB = 2 // behind code\n\tc = 3\n\td = 4\n\te = 5\n\tf = 6\n)\n\n// F does it.\nfunc F() {\n\tprint(1)\n\tprint(2)\n\tprint(3)\n}\n"
	all := append(snippet(t, "internal/x/x.go", fine), snippet(t, "internal/x/x_test.go", "package x\n"+strings.Repeat("\n", 30)+"const z = 1")...)
	expectNone(t, checkShape(measure(all)))
}
