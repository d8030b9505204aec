package job_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"orbitq/internal/job"
)

var update = flag.Bool("update", false, "write docs/states.md anew")

// statesPath is the page that this test keeps.
const statesPath = "../../docs/states.md"

// TestStatesPage keeps docs/states.md equal to the state table in the code.
func TestStatesPage(t *testing.T) {
	t.Parallel()
	want := statesPage()
	if *update {
		if err := os.WriteFile(statesPath, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(statesPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: go test ./internal/job -run StatesPage -update", statesPath)
	}
}

// statesPage renders the state table.
func statesPage() string {
	var b strings.Builder
	b.WriteString("<!-- Generated from internal/job/state.go by: go test ./internal/job -run StatesPage -update -->\n" +
		"# The states of a job\n\n" +
		"Open states may change by themselves; final ones are left only by a person's doing, which starts a new generation.\n" +
		"Every store refuses, by its conditions, whatever is not in this table.\n\n```mermaid\nstateDiagram-v2\n")
	name := func(s job.State) string {
		if s == "" {
			return "[*]"
		}
		return string(s)
	}
	var edges []string
	events := map[string][]string{}
	for _, row := range job.Transitions() {
		edge := name(row.From) + " --> " + name(row.To)
		if events[edge] == nil {
			edges = append(edges, edge)
		}
		events[edge] = append(events[edge], row.Event)
	}
	for _, edge := range edges {
		fmt.Fprintf(&b, "    %s: %s\n", edge, strings.Join(events[edge], " / "))
	}
	for _, s := range job.States() {
		if s == job.Succeeded || s == job.Cancelled || s == job.Forgotten {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n\n| from | event | to | what must hold |\n| --- | --- | --- | --- |\n")
	for _, row := range job.Transitions() {
		from := string(row.From)
		if from == "" {
			from = "-"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", from, row.Event, row.To, row.Guard)
	}
	return b.String()
}
