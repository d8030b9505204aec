package archtest

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"orbitq/internal/flow"
)

var updateFlows = flag.Bool("update", false, "write the generated parts of docs/chains-and-batches.md anew")

// flowPage is the page whose pictures and figures come from the definitions.
const flowPage = "docs/chains-and-batches.md"

var (
	generatedPart = regexp.MustCompile(`(?s)<!-- generated: (\w+) -->\n.*?<!-- end -->`)
	stateRow      = regexp.MustCompile("(?m)^\\| (`\\w+`(?:, `\\w+`)*) \\|")
)

// picture draws a definition: what a Map does with an item is drawn inside of it.
func picture(m machine) string {
	var b strings.Builder

	b.WriteString("```mermaid\nstateDiagram-v2\n")
	draw(&b, m.scope, "    ")
	b.WriteString("```\n")

	return b.String()
}

func draw(b *strings.Builder, in scope, indent string) {
	fmt.Fprintf(b, "%s[*] --> %s\n", indent, in.StartAt)

	for _, name := range in.order() {
		s := in.States[name]
		if s.ItemProcessor != nil {
			fmt.Fprintf(b, "%sstate %s {\n", indent, name)
			draw(b, s.ItemProcessor.scope, indent+"    ")
			fmt.Fprintf(b, "%s}\n", indent)
		}

		for _, arrow := range arrows(s.ways(name)) {
			fmt.Fprintf(b, "%s%s\n", indent, arrow)
		}

		if s.ends() {
			fmt.Fprintf(b, "%s%s --> [*]\n", indent, name)
		}
	}
}

// arrows joins the ways to one state: "A --> B: x / y". The only way out of a state needs no word.
func arrows(ways []way) (all []string) {
	var targets []string

	words := map[string][]string{}

	for _, w := range ways {
		if words[w.to] == nil {
			targets = append(targets, w.to)
		}

		word := w.why
		if w.kind == byCatch {
			word = "error"
		}

		words[w.to] = append(words[w.to], word)
	}

	for _, to := range targets {
		arrow := ways[0].from + " --> " + to
		if why := strings.Join(words[to], " / "); why != byNext {
			arrow += ": " + why
		}

		all = append(all, arrow)
	}

	return all
}

// entered is how many states a path enters, and how many of them call the function; items of Maps are not in it.
type entered struct{ states, calls int }

func count(in scope, stops []stop) (e entered) {
	for _, at := range stops {
		e.states++

		if in.States[at.State].Type == "Task" {
			e.calls++
		}
	}

	return e
}

func (e entered) row(what string) string {
	return fmt.Sprintf("| %s | %d | %d |\n", what, e.states, e.calls)
}

// costs are the figures of the page.
type costs struct {
	chain, chainWait, item, itemWait, chunk, bare, full entered
}

// figures counts along the cases of the given names. A wait costs what a path with one is longer than one without.
func figures(all map[string]machine, cases map[string]caseOf) (c costs) {
	chain, batch := all["chain"].scope, all["batch"].scope
	path := func(in scope, name string) entered { return count(in, cases[name].Path) }
	items := func(name string) (scope, [][]stop) {
		for _, at := range cases[name].Path {
			if p := batch.States[at.State].ItemProcessor; p != nil {
				return p.scope, at.Items
			}
		}

		return scope{}, make([][]stop, 2)
	}

	c.chain = path(chain, "three steps")
	twice, once := path(chain, "waits for a slot, then for its backoff"), path(chain, "enrich alone, its owner's limit is used up")
	c.chainWait = entered{(twice.states - once.states) / 2, (twice.calls - once.calls) / 2}

	c.bare, c.full = path(batch, "no callbacks"), path(batch, "two items, both callbacks")

	few, ways := items("two items, both callbacks")
	c.item = count(few, ways[0])
	_, ways = items("an item waits, another is left, none fails the batch")
	waits := count(few, ways[0])
	c.itemWait = entered{waits.states - c.item.states, waits.calls - c.item.calls}

	many, ways := items("thirty items in three chunks: one waits, one is left")
	c.chunk = count(many, ways[0])
	c.chunk.states++ // a child execution has a start of its own

	return c
}

func (c costs) table() string {
	tenth := func(n int) string { return strconv.FormatFloat(float64(n)/flow.Chunk, 'g', -1, 64) }

	return "| what | transitions | calls |\n| --- | ---: | ---: |\n" +
		c.chain.row("chain of three steps") + c.chainWait.row("each wait of a chain") +
		c.bare.row("batch without callbacks, beside its items") + c.full.row("batch with both callbacks, beside its items") +
		c.item.row("item of up to 200") + c.itemWait.row("each wait of an item") + c.chunk.row("chunk of ten items, its start included") +
		fmt.Sprintf("| item in a chunk of ten | %s | %s |\n", tenth(c.chunk.states), tenth(c.chunk.calls))
}

// refill replaces the generated parts of a page.
func refill(text string, parts map[string]string) (filled string, complaints []string) {
	var found []string

	filled = generatedPart.ReplaceAllStringFunc(text, func(old string) string {
		name := generatedPart.FindStringSubmatch(old)[1]
		found = append(found, name)

		return "<!-- generated: " + name + " -->\n\n" + parts[name] + "\n<!-- end -->"
	})

	for name := range parts {
		if !slices.Contains(found, name) {
			complaints = append(complaints, flowPage+" has no place for "+name)
		}
	}

	return filled, complaints
}

// checkMeanings complains about states that the page does not explain, and about rows of states that are gone.
func checkMeanings(all []machine, text string) (complaints []string) {
	explained := map[string]int{}

	for _, row := range stateRow.FindAllStringSubmatch(text, -1) {
		for _, name := range quoted.FindAllStringSubmatch(row[1], -1) {
			explained[name[1]]++
		}
	}

	for _, m := range all {
		m.each(func(name string, _ state) {
			if explained[name] != 1 {
				complaints = append(complaints, fmt.Sprintf("%s: %d rows say what %s means", flowPage, explained[name], name))
			}

			delete(explained, name)
		})
	}

	for name := range explained {
		complaints = append(complaints, flowPage+": there is no state "+name)
	}

	return complaints
}

// flowFigures returns the definitions by name and the figures of their cases.
func flowFigures(t *testing.T) (all map[string]machine, c costs) {
	t.Helper()

	all, cases := map[string]machine{}, map[string]caseOf{}

	for _, m := range machines(t) {
		all[m.name] = m

		for _, c := range casesOf(t, m.name) {
			cases[c.Name] = c
		}
	}

	return all, figures(all, cases)
}

func TestChainsAndBatchesPage(t *testing.T) {
	t.Parallel()

	all, c := flowFigures(t)
	parts := map[string]string{"counts": c.table()}

	for name, m := range all {
		parts[name] = picture(m)
	}

	path := root + "/" + flowPage

	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	want, complaints := refill(string(got), parts)
	expectNone(t, complaints)
	expectNone(t, checkMeanings(machines(t), want))

	if *updateFlows {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}

		return
	}

	if string(got) != want {
		t.Errorf("%s is stale: go test ./internal/archtest -run ChainsAndBatchesPage -update", flowPage)
	}
}

// A person who asks for a price is told what the definitions do.
func TestPriceCountsTheTransitionsOfChains(t *testing.T) {
	t.Parallel()

	_, c := flowFigures(t)

	if got := flow.ChainCost(3); got.Transitions != c.chain.states || got.Invocations != c.chain.calls {
		t.Errorf("a chain is priced with %d transitions and %d calls, want %+v", got.Transitions, got.Invocations, c.chain)
	}

	more, less := flow.CostOf(1010, 1, true), flow.CostOf(1000, 1, true)
	got := entered{more.Transitions - less.Transitions, more.Invocations - less.Invocations}

	if got != c.chunk {
		t.Errorf("a chunk is priced with %+v, want %+v", got, c.chunk)
	}
}

func TestPagePartsCanBeStale(t *testing.T) {
	t.Parallel()

	m := broken(t, healthy, healthy)

	//nolint:dupword // the start of an arrow is the end of the one before
	const wantPicture = "```mermaid\nstateDiagram-v2\n    [*] --> Pick\n    Pick --> Many: many is true\n    Pick --> Few: otherwise\n" +
		"    state Many {\n        [*] --> Child\n        Child --> [*]\n    }\n    Many --> Sum\n" +
		"    state Few {\n        [*] --> Item\n        Item --> [*]\n    }\n    Few --> Sum\n" +
		"    Sum --> Rest\n    Sum --> Failed: error\n    Rest --> Done\n    Failed --> [*]\n    Done --> [*]\n```\n"
	if got := picture(m); got != wantPicture {
		t.Errorf("got %s, want %s", got, wantPicture)
	}

	got, complaints := refill("a\n<!-- generated: x -->\nold\n<!-- end -->\nb", map[string]string{"x": "new\n", "y": ""})
	if want := "a\n<!-- generated: x -->\n\nnew\n\n<!-- end -->\nb"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	expectOne(t, complaints, "has no place for y")

	rows := "| `Pick` | |\n| `Few`, `Many` | |\n| `Item`, `Child` | |\n| `Sum` | |\n| `Rest` | |\n| `Failed` | |\n| `Done` | |\n"
	expectNone(t, checkMeanings([]machine{m}, rows))
	expectOne(t, checkMeanings([]machine{m}, rows+"| `Gone` | |\n"), "there is no state Gone")
	expectOne(t, checkMeanings([]machine{m}, rows+"| `Sum` | |\n"), "2 rows say what Sum means")
	expectOne(t, checkMeanings([]machine{m}, strings.Replace(rows, "| `Rest` | |\n", "", 1)), "0 rows say what Rest means")
}

func TestWaysAreWritten(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name string
		in   []way
		want []string
	}{
		{"one", []way{{"A", "B", byNext, byNext}}, []string{"A --> B"}},
		{"none", nil, nil},
		{"two to one state", []way{{"A", "B", byRule, "x is 1"}, {"A", "B", byRule, "x is 2"}}, []string{"A --> B: x is 1 / x is 2"}},
		{"the same way for an error", []way{{"A", "B", byNext, byNext}, {"A", "B", byCatch, "States.ALL"}}, []string{"A --> B: next / error"}},
	} {
		if got := arrows(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestConditionsAreWritten(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		in   map[string]any
		want string
	}{
		{map[string]any{"Variable": "$.a.b", "StringEquals": "x", "Next": "N"}, "a.b is x"},
		{map[string]any{"Variable": "$.n", "NumericGreaterThan": 0.0}, "n over 0"},
		{map[string]any{"Variable": "$.n", "IsPresent": true}, "n IsPresent true"},
		{map[string]any{"And": []any{map[string]any{"Variable": "$.a", "BooleanEquals": true}, map[string]any{"Variable": "$.b", "BooleanEquals": false}}}, "a is true and b is false"},
		{map[string]any{"Or": []any{map[string]any{"Variable": "$.a", "BooleanEquals": true}}}, "a is true"},
	} {
		if got := condition(c.in); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
