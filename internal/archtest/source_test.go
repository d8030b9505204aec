package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// root is the repository as seen from this package.
const root = "../.."

// source is one parsed Go file; path is relative to the repository, with slashes.
type source struct {
	path string
	test bool
	text []byte
	fset *token.FileSet
	file *ast.File
}

func (s source) dir() string { return filepath.ToSlash(filepath.Dir(s.path)) }

// lines says how many lines a node has, from its first to its last.
func (s source) lines(from, to token.Pos) int {
	return s.fset.PositionFor(to, false).Line - s.fset.PositionFor(from, false).Line + 1
}

// at names a place for a complaint.
func (s source) at(pos token.Pos) string {
	return s.path + ":" + s.fset.PositionFor(pos, false).String()
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

var repository = sync.OnceValues(func() ([]source, error) {
	var all []source

	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}

		name := d.Name()
		if d.IsDir() {
			if path != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}

			return nil
		}

		if !strings.HasSuffix(name, ".go") {
			return nil
		}

		text, err := os.ReadFile(path)
		if err != nil || generated.Match(text) {
			return err
		}

		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}

		s, err := parse(filepath.ToSlash(rel), text)
		all = append(all, s)

		return err
	})

	return all, err
})

func parse(path string, text []byte) (source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", text, parser.ParseComments)

	return source{path: path, test: strings.HasSuffix(path, "_test.go"), text: text, fset: fset, file: file}, err
}

// sources returns every Go file of the repository.
func sources(t *testing.T) []source {
	t.Helper()

	all, err := repository()
	if err != nil {
		t.Fatalf("read the repository: %v", err)
	}

	return all
}

// snippet parses text as if it stood at path, for tests that show a check can fail.
func snippet(t *testing.T, path, text string) []source {
	t.Helper()

	s, err := parse(path, bytes.TrimSpace([]byte(text)))
	if err != nil {
		t.Fatalf("parse snippet: %v", err)
	}

	return []source{s}
}

// expectNone fails once per complaint.
func expectNone(t *testing.T, complaints []string) {
	t.Helper()

	for _, c := range complaints {
		t.Error(c)
	}
}

// expectOne fails unless there is exactly one complaint and it contains want.
func expectOne(t *testing.T, complaints []string, want string) {
	t.Helper()

	if len(complaints) != 1 || !strings.Contains(complaints[0], want) {
		t.Errorf("got %q, want one complaint about %q", complaints, want)
	}
}
