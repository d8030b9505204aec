package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is where the words of the queue that orbitq replaces are looked up.
const page = "docs/laravel.md"

// replaced are the words that must have a row with a test; later are those that may say that they are not there yet.
func replaced() []string {
	return []string{
		"connection", "retry_after", "queue:work", "--sleep", "--tries", "--timeout", "--max-time", "--queue",
		"dispatch", "dispatchSync", "delay", "onQueue", "afterCommit", "ShouldBeUnique", "SerializesModels",
		"handle", "DB::transaction", "recordUsage", "canPerformAction", "release", "fail", "attempts",
		"Redis::throttle", "RateLimited", "ThrottlesExceptions", "SatelliteApiCall::create", "Log::info",
		"$tries", "$backoff", "retryUntil", "$maxExceptions", "$timeout", "RateLimitException", "ValidationException", "throw $e",
		"failed()", "queue:failed", "queue:retry id", "queue:retry all", "queue:forget", "queue:flush", "queue:monitor",
		"queue:pause", "queue:resume", "queue:restart", "gc_collect_cycles", "DB::reconnect", "lockForUpdate",
		"Bus::chain", "Bus::batch", "then", "catch", "finally", "progress", "findBatch", "cancel", "allowFailures", "add", "queue:retry-batch",
	}
}

func later() []string {
	return []string{"Horizon"}
}

// notYet begins the second cell of a row whose word has nothing to stand for it.
const notYet = "not there yet"

// Shapes of what the pages quote: the tests, the names and the places of the code, the routes, the commands.
var (
	quoted     = regexp.MustCompile("`([^`]+)`")
	testName   = regexp.MustCompile(`^Test[A-Z]\w*$`)
	testPlace  = regexp.MustCompile("`(Test[A-Z]\\w*)` in `([\\w/]+)`")
	codeName   = regexp.MustCompile(`^((?:internal|cmd)/[\w/]+)\.([A-Z]\w*(?:\.[A-Z]\w*)?)$`)
	place      = regexp.MustCompile(`^(?:internal|cmd|docs|tools|events|functions|local)/[\w./*-]+$`)
	routeName  = regexp.MustCompile(`^(GET|POST|DELETE|PUT|PATCH) (/v1/[^\s?]+)`)
	command    = regexp.MustCompile(`^orbitq ([a-z]+)(?: ([a-z][a-z-]*))?`)
	variable   = regexp.MustCompile(`^ORBITQ_[A-Z_]+$`)
	commandUse = regexp.MustCompile(`(?:Use:\s+"|  orbitq )([a-z][a-z-]*)(?: ([a-z][a-z-]*))?`)
)

// known is what the pages may name, taken from the sources and the template.
type known struct {
	tests    map[string]bool // "internal/job.TestX"
	names    map[string]bool // "internal/job.Judge", "internal/job.Job.Parked"
	commands map[string]bool
	template string
	exists   func(path string) bool // relative to the repository, patterns allowed
}

// survey reads what the pages may name.
func survey(all []source, template string, exists func(string) bool) known {
	k := known{tests: map[string]bool{}, names: map[string]bool{}, commands: map[string]bool{}, template: template, exists: exists}

	for _, s := range all {
		if s.dir() == "cmd/orbitq" && !s.test {
			for _, use := range commandUse.FindAllSubmatch(s.text, -1) { // names and examples
				k.commands[string(use[1])], k.commands[string(use[2])] = true, true
			}
		}

		for _, d := range s.file.Decls {
			for _, name := range declared(d) {
				if s.test {
					k.tests[s.dir()+"."+name] = true
				} else {
					k.names[s.dir()+"."+name] = true
				}
			}
		}
	}

	return k
}

// declared returns the names of a declaration; a method is named after its type.
func declared(d ast.Decl) (names []string) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []string{d.Name.Name}
		}

		if on := receiver(d.Recv.List[0].Type); on != "" {
			return []string{on + "." + d.Name.Name}
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return nil
		}

		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					names = append(names, n.Name)
				}
			}
		}
	}

	return names
}

// receiver returns the name of a method's type.
func receiver(t ast.Expr) string {
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}

	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}

	return ""
}

// checkWords complains about words that have no row, and about rows that nothing shows.
func checkWords(text string, must, may []string, k known) (complaints []string) {
	shown, postponed := map[string]bool{}, map[string]bool{}

	for n, line := range strings.Split(text, "\n") {
		cells := strings.Split(strings.Trim(line, " "), "|")
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| ---") || strings.HasPrefix(line, "| Laravel |") || len(cells) < 3 {
			continue
		}

		cells = cells[1 : len(cells)-1] // a line begins and ends with a bar

		words := shown
		tests := testPlace.FindAllStringSubmatch(cells[len(cells)-1], -1)

		switch {
		case strings.Contains(line, notYet):
			words = postponed
		case len(cells) != 4:
			complaints = append(complaints, fmt.Sprintf("%s:%d: %d cells, want 4", page, n+1, len(cells)))
		case len(tests) == 0:
			complaints = append(complaints, fmt.Sprintf("%s:%d: no test shows %s", page, n+1, strings.TrimSpace(cells[0])))
		}

		for _, word := range quoted.FindAllStringSubmatch(cells[0], -1) {
			words[word[1]] = true
		}

		for _, test := range tests {
			if !k.tests[test[2]+"."+test[1]] {
				complaints = append(complaints, fmt.Sprintf("%s:%d: no %s in %s", page, n+1, test[1], test[2]))
			}
		}
	}

	for _, word := range must {
		if !shown[word] {
			complaints = append(complaints, page+": no row shows "+word)
		}
	}

	for _, word := range may {
		if !shown[word] && !postponed[word] {
			complaints = append(complaints, page+": no row for "+word)
		}
	}

	return complaints
}

// checkQuotes complains about what a page quotes and the repository does not have. Routes are held against the template,
// whose routes another test holds against the contract.
func checkQuotes(name, text string, k known) (complaints []string) {
	for n, line := range strings.Split(text, "\n") {
		for _, q := range quoted.FindAllStringSubmatch(line, -1) {
			if what := k.missing(q[1]); what != "" {
				complaints = append(complaints, fmt.Sprintf("%s:%d: there is no %s", name, n+1, what))
			}
		}
	}

	return complaints
}

// missing returns what of a quotation does not exist, or nothing.
func (k known) missing(quote string) string {
	switch {
	case testName.MatchString(quote):
		for test := range k.tests {
			if strings.HasSuffix(test, "."+quote) {
				return ""
			}
		}

		return "test " + quote
	case codeName.MatchString(quote) && !k.exists(quote):
		if !k.names[quote] {
			return "name " + quote
		}
	case place.MatchString(quote):
		if !k.exists(strings.TrimSuffix(quote, "/...")) {
			return "place " + quote
		}
	case variable.MatchString(quote):
		if !strings.Contains(k.template, quote+":") {
			return "variable " + quote
		}
	case routeName.MatchString(quote):
		m := routeName.FindStringSubmatch(quote)
		if !regexp.MustCompile(`Method: ` + m[1] + `, Path: "?` + regexp.QuoteMeta(m[2]) + `"?,`).MatchString(k.template) {
			return "route " + m[0]
		}
	case command.MatchString(quote):
		for _, word := range command.FindStringSubmatch(quote)[1:] {
			if word != "" && !k.commands[word] {
				return "command " + quote
			}
		}
	}

	return ""
}

// surveyed is what the repository has.
func surveyed(t *testing.T) known {
	t.Helper()

	template, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	return survey(sources(t), string(template), func(path string) bool {
		found, err := filepath.Glob(filepath.Join(root, path))

		return err == nil && len(found) > 0
	})
}

func TestEveryWordOfLaravelIsShown(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}

	expectNone(t, checkWords(string(text), replaced(), later(), surveyed(t)))
}

func TestPagesNameWhatExists(t *testing.T) {
	t.Parallel()

	k := surveyed(t)

	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil || len(pages) < 5 {
		t.Fatalf("pages %v, %v", pages, err)
	}

	for _, name := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}

		expectNone(t, checkQuotes(strings.TrimPrefix(filepath.ToSlash(name), root+"/"), string(text), k))
	}
}

func TestPageChecksCanFail(t *testing.T) {
	t.Parallel()

	all := slices.Concat(
		snippet(t, "internal/x/x.go", "package x\ntype T struct{}\nfunc (*T) Do() {}\nconst Most = 1"),
		snippet(t, "internal/x/x_test.go", "package x\nfunc TestIt() {}"),
		snippet(t, "cmd/orbitq/jobs.go", "package main\nvar use = command{Use: \"jobs\"}"),
	)
	k := survey(all, "ORBITQ_X_SECONDS: 1\nMethod: GET, Path: \"/v1/x/{id}\", Auth", func(path string) bool { return path == "internal/x" })
	row := "| `dispatch` | `GET /v1/x/{id}` | | `TestIt` in `internal/x` |"

	for _, c := range []struct{ text, want string }{
		{"", "no row shows dispatch"},
		{strings.Replace(row, "TestIt", "TestThat", 1), "no TestThat in internal/x"},
		{strings.Replace(row, "internal/x`", "internal/y`", 1), "no TestIt in internal/y"},
		{strings.Replace(row, "dispatch", "release", 1), "no row shows dispatch"},
		{strings.Replace(row, "| |", "|", 1), "3 cells"},
		{strings.Replace(row, "`TestIt` in `internal/x`", "everybody knows", 1), "no test shows"},
		{"| `dispatch` | not there yet | | |", "no row shows dispatch"},
	} {
		expectOne(t, checkWords(c.text, []string{"dispatch"}, nil, k), c.want)
	}

	expectOne(t, checkWords(row, nil, []string{"chain"}, k), "no row for chain")
	expectNone(t, checkWords(row+"\n| `chain` | not there yet | | |", []string{"dispatch"}, []string{"chain"}, k))

	for _, good := range []string{
		"TestIt", "internal/x", "internal/x.T", "internal/x.T.Do", "internal/x.Most", "ORBITQ_X_SECONDS", "GET /v1/x/{id}?tag=", "orbitq jobs", "make demo",
	} {
		expectNone(t, checkQuotes("a.md", "see `"+good+"`", k))
	}

	for _, bad := range []string{
		"TestThat", "internal/y", "internal/x.U", "internal/x.T.Undo", "ORBITQ_Y", "POST /v1/x/{id}", "GET /v1/x", "orbitq tasks", "orbitq jobs boil",
	} {
		expectOne(t, checkQuotes("a.md", "see `"+bad+"`", k), "a.md:1: there is no ")
	}
}
