package dynamostore

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orbitq/internal/job"
	"orbitq/internal/limit"
)

// keyForm is one function that makes keys: how many parts a user may choose, and the key of
// such parts.
type keyForm struct {
	name  string
	parts int
	make  func(p []string) string
}

// rowText is a primary key as one text. Both halves are quoted, so that it is as distinct as they are.
func rowText(k item) string {
	r := reader(k)
	return fmt.Sprintf("%q %q", r.str("pk"), r.str("sk"))
}

// rowForms are the functions of keys.go that return the key of a row.
func rowForms() []keyForm {
	one := func(name string, f func(string) item) keyForm {
		return keyForm{name, 1, func(p []string) string { return rowText(f(p[0])) }}
	}
	two := func(name string, f func(a, b string) item) keyForm {
		return keyForm{name, 2, func(p []string) string { return rowText(f(p[0], p[1])) }}
	}
	none := func(name string, f func() item) keyForm {
		return keyForm{name, 0, func([]string) string { return rowText(f()) }}
	}
	return []keyForm{
		one("eventRow", eventRow), one("chainRow", chainRow), one("batchRow", batchRow), one("operationRow", operationRow),
		one("cacheKey", cacheKey), one("poisonKey", poisonKey), none("tokenKey", tokenKey), none("doorKey", doorKey),
		two("lockKeyOf", lockKeyOf), two("ownerInLine", ownerInLine), two("campaignKey", campaignKey), one("jobKey", jobKey), one("pointKey", pointKey),
		one("planKey", planKey), one("preferencesKey", preferencesKey), one("receiversKey", receiversKey), two("noticeKey", noticeKey),
		one("callKey", func(id string) item { return callKey(&limit.Call{Job: id, At: time.UnixMilli(1)}) }),
		one("analysisKey", func(id string) item { return analysisKey(id, 1) }),
		one("qualityKey", func(id string) item { return qualityKey(id, 1) }),
		// The words of a meter are a closed list: its key is made of an owner alone.
		one("meterKey", func(owner string) item { return meterKey(owner, "USAGE#data_points#free#2026-12-01") }),
		{"flagKey", 3, func(p []string) string { return rowText(flagKey(p[0], p[1], p[2])) }},
		{"itemKey", 3, func(p []string) string {
			return rowText(itemKey(&job.Batch{ID: p[0], BodyHash: p[1]}, p[2]))
		}},
	}
}

// indexForms are the functions of keys.go that return a partition of an index, or of the table.
func indexForms() []keyForm {
	one := func(name string, f func(string) string) keyForm {
		return keyForm{name, 1, func(p []string) string { return f(p[0]) }}
	}
	return []keyForm{
		one("jobsOf", jobsOf), one("ledgerKey", ledgerKey), one("chainsOf", chainsOf), one("batchesOf", batchesOf),
		one("noticesOf", noticesOf), one("operationsKey", operationsKey), one("pointsOf", pointsOf), one("graveKey", graveKey),
		one("jobRows", jobRows), one("pointRows", pointRows), one("qualityRows", qualityRows),
		{"itemRows", 2, func(p []string) string { return itemRows(&job.Batch{ID: p[0], BodyHash: p[1]}) }},
		{"inLineKey", 2, func(p []string) string { return inLineKey(p[0], p[1]) }},
		one("waitersKey", waitersKey),
		one("groupKey", func(owner string) string { return groupKey(job.OpenJobs, owner) }),
		{"shardKey", 0, func([]string) string { return shardKey(1) }},
		{"laneKey", 0, func([]string) string { return laneKey(1) }},
	}
}

// sortForms are the functions of keys.go that return a place in a partition of the owner index.
func sortForms() []keyForm {
	at := time.UnixMilli(1).UTC()
	return []keyForm{
		{"place", 1, func(p []string) string { return place(at, p[0]) }},
		{"readingPlace", 2, func(p []string) string { return readingPlace(p[0], p[1], at) }},
		{"campaignPrefix", 2, func(p []string) string { return campaignPrefix(p...) }},
		{"pointPlace", 3, func(p []string) string { return pointPlace(p[0], p[1], at, p[2]) }},
	}
}

// nasty draws a text that tries to look like the parts of a key.
func nasty() *rapid.Generator[string] {
	words := rapid.SampledFrom([]string{"#", "%", "%23", "%25", "2", "3", "u1", "x", "weekly", "LOCK", "USER", "JOB", "NOTICE", "", "\x00", "é", "~"})
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(words, 0, 4).Draw(t, "words"), "") })
}

// otherParts draws n parts: any, or those of p cut at other places, as an attacker would.
func otherParts(p []string, n int) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		words := strings.Split(strings.Join(p, "#"), "#")
		if len(words) < n || n == 0 || rapid.Bool().Draw(t, "any") {
			return rapid.SliceOfN(nasty(), n, n).Draw(t, "parts")
		}
		var parts []string
		for left := n; left > 1; left-- {
			cut := rapid.IntRange(1, len(words)-left+1).Draw(t, "words of the part")
			parts, words = append(parts, strings.Join(words[:cut], "#")), words[cut:]
		}
		return append(parts, strings.Join(words, "#"))
	})
}

// TestDifferentTuplesNeverMakeOneKey: over all kinds of rows together, over all partitions
// together, and over the places within each kind of list.
func TestDifferentTuplesNeverMakeOneKey(t *testing.T) {
	t.Parallel()
	together := map[string][]keyForm{"rows": rowForms(), "partitions": indexForms()}
	for _, f := range sortForms() {
		together["places by "+f.name] = []keyForm{f}
	}
	for name, forms := range together {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				for _, a := range forms {
					b := rapid.OneOf(rapid.Just(a), rapid.SampledFrom(forms)).Draw(t, "b")
					p := rapid.SliceOfN(nasty(), a.parts, a.parts).Draw(t, "parts of a")
					q := otherParts(p, b.parts).Draw(t, "parts of b")
					same := a.name == b.name && slices.Equal(p, q)
					if (a.make(p) == b.make(q)) != same {
						t.Fatalf("%s%q and %s%q: %s", a.name, p, b.name, q, a.make(p))
					}
				}
			})
		})
	}
}

// TestAKeyOfAnotherSubjectIsAnotherLock: the subject "u1#x" with the key "weekly" once held
// what the subject "u1" held with the key "x#weekly".
func TestAKeyOfAnotherSubjectIsAnotherLock(t *testing.T) {
	t.Parallel()
	if a, b := rowText(lockKeyOf("u1#x", "weekly")), rowText(lockKeyOf("u1", "x#weekly")); a == b {
		t.Errorf("both are %s", a)
	}
}

// TestNamesComeBackFromKeys: nameIn is the inverse of joined, whatever the name is.
func TestNamesComeBackFromKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(nasty(), rapid.String()).Draw(t, "name")
		if got := nameIn(joined("USER", name)); got != name {
			t.Fatalf("%q came back as %q", name, got)
		}
	})
}

// TestPlainNamesKeepTheirForm: rows that were written before keys were escaped are still found.
func TestPlainNamesKeepTheirForm(t *testing.T) {
	t.Parallel()
	const plain = "auth0|a.b-c_d:e@f/g+h=~ Z9"
	if got := joined("LOCK", plain, plain); got != "LOCK#"+plain+"#"+plain {
		t.Errorf("key %s", got)
	}
}

// TestEveryKeyIsInTheTable: a new function that makes a key is held against all others.
func TestEveryKeyIsInTheTable(t *testing.T) {
	t.Parallel()
	// Not keys: the parts that keys are made of, each of which is in one of the table.
	known := []string{"joined", "escaped", "unescaped", "nameIn", "key", "userRows", "analysisSort"}
	for _, f := range slices.Concat(rowForms(), indexForms(), sortForms()) {
		known = append(known, f.name)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && !slices.Contains(known, f.Name.Name) {
			t.Errorf("%s makes a key and is in no table of this test", f.Name.Name)
		}
	}
}

// TestKeysAreMadeInOneFile: a text such as "LOCK#" stands in keys.go alone, and so does every
// call of key.
func TestKeysAreMadeInOneFile(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	prefix := regexp.MustCompile(`^"[A-Za-z]+#`)
	for _, name := range files {
		if name == "keys.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && prefix.MatchString(lit.Value) {
				t.Errorf("%s makes a key of %s", name, lit.Value)
			}
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "key" {
					t.Errorf("%s calls key", name)
				}
			}
			return true
		})
	}
}
