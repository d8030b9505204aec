package archtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// caseFile is one file of statemachines/cases; its README says what the fields mean.
type caseFile struct {
	Machine string   `json:"machine"`
	Cases   []caseOf `json:"cases"`
}

type caseOf struct {
	Name   string          `json:"name"`
	Input  map[string]any  `json:"input"`
	List   json.RawMessage `json:"list"` // what the ItemReader of the case reads
	Path   []stop          `json:"path"`
	Status string          `json:"status"`
	Output map[string]any  `json:"output"`
	Error  string          `json:"error"`
	Cause  string          `json:"cause"`
}

// stop is a state on the way of a case.
type stop struct {
	State string   `json:"state"`
	By    string   `json:"by"`    // the rule of the Choice, where two lead to the same state
	Mock  []mock   `json:"mock"`  // one for each attempt
	Items [][]stop `json:"items"` // the ways of the iterations of a Map
}

// mock is what a call is answered with, in the words of TestState.
type mock struct {
	Result      map[string]any `json:"result"`
	ErrorOutput *struct {
		Error string `json:"error"`
		Cause string `json:"cause"`
	} `json:"errorOutput"`
}

// failed reports whether the last attempt ended in an error.
func (s stop) failed() bool { return len(s.Mock) > 0 && s.Mock[len(s.Mock)-1].ErrorOutput != nil }

// walk follows a case through its definition and keeps the ways it took.
type walk struct {
	name       string
	walked     []way
	complaints []string
}

func (w *walk) addf(format string, args ...any) {
	w.complaints = append(w.complaints, w.name+": "+fmt.Sprintf(format, args...))
}

// path follows stops from the start of a scope to an end.
func (w *walk) path(in scope, stops []stop) {
	if len(stops) == 0 || stops[0].State != in.StartAt {
		w.addf("does not begin at %s", in.StartAt)

		return
	}

	for i, at := range stops {
		s, ok := in.States[at.State]
		if !ok {
			w.addf("no state %s", at.State)

			return
		}

		w.mocks(at, s)

		if s.ItemProcessor != nil {
			for _, item := range at.Items {
				w.path(s.ItemProcessor.scope, item)
			}
		}

		if i < len(stops)-1 {
			w.way(s, at, stops[i+1].State)
		} else if !s.ends() {
			w.addf("ends at %s, which is no end", at.State)
		}
	}
}

// way finds the one transition that leads from a stop to the next.
func (w *walk) way(s state, from stop, to string) {
	fits := slices.DeleteFunc(s.ways(from.State), func(x way) bool {
		return x.to != to || (x.kind == byCatch) != from.failed() || from.By != "" && from.By != x.why
	})

	switch len(fits) {
	case 0:
		w.addf("no way from %s to %s (by %q, failed %t)", from.State, to, from.By, from.failed())
	case 1:
		w.walked = append(w.walked, fits[0])
	default:
		w.addf("two ways from %s to %s: say by which, %v", from.State, to, fits)
	}
}

// mocks complains about answers that the state would not ask for.
func (w *walk) mocks(at stop, s state) {
	if s.Type != "Task" && (len(at.Mock) > 1 || len(at.Mock) == 1 && (s.Type != "Map" || !at.failed())) {
		w.addf("%s calls nothing", at.State)
	}

	if s.Type == "Map" && (len(at.Items) == 0) != at.failed() || s.Type != "Map" && at.Items != nil {
		w.addf("%s has %d items", at.State, len(at.Items))
	}

	if s.Type != "Task" || len(s.Retry) == 0 {
		return
	}

	if most := 1 + int(s.Retry[0].MaxAttempts); len(at.Mock) < 1 || len(at.Mock) > most {
		w.addf("%s is called %d times, want 1 to %d", at.State, len(at.Mock), most)
	}

	for i, m := range at.Mock {
		w.attempt(at, s, i, m)
	}
}

// attempt complains about an answer that does not fit its place: errors that are retried come first, and the last
// answer has every field that the state selects.
func (w *walk) attempt(at stop, s state, i int, m mock) {
	last := i == len(at.Mock)-1

	if (m.Result == nil) == (m.ErrorOutput == nil) {
		w.addf("%s: attempt %d needs a result or an error", at.State, i+1)

		return
	}

	if m.Result != nil {
		payload, _ := m.Result["Payload"].(map[string]any)

		for _, path := range s.ResultSelector {
			if field := strings.TrimPrefix(fmt.Sprint(path), "$.Payload."); payload[field] == nil {
				w.addf("%s: the answer has no %s, which would end the execution", at.State, field)
			}
		}

		if !last {
			w.addf("%s: called again after a result", at.State)
		}

		return
	}

	again := slices.Contains(s.Retry[0].ErrorEquals, m.ErrorOutput.Error)
	spent := i == int(s.Retry[0].MaxAttempts)

	if again == last && (!again || !spent) {
		w.addf("%s: attempt %d ends in %s, which is retried: %t", at.State, i+1, m.ErrorOutput.Error, again)
	}
}

// end complains about an outcome that the last state of the case cannot have.
func (w *walk) end(in scope, c caseOf, codes map[string]bool) {
	if len(c.Path) == 0 {
		return
	}

	last := in.States[c.Path[len(c.Path)-1].State]

	switch {
	case last.Type == "Fail" && (c.Status != "FAILED" || c.Output != nil):
		w.addf("status is %q, want FAILED and no output", c.Status)
	case last.Type == "Fail" && (!codes[c.Error] || last.Error != "" && last.Error != c.Error || c.Cause == "" || last.Cause != "" && last.Cause != c.Cause):
		w.addf("fails with %s: %s, want %s: %s", c.Error, c.Cause, last.Error, last.Cause)
	case last.Type != "Fail" && (c.Status != "SUCCEEDED" || c.Error != "" || c.Output == nil):
		w.addf("status is %q, want SUCCEEDED and an output", c.Status)
	}
}

// reader complains about a list that nobody reads, or one that is missing.
func (w *walk) reader(in scope, c caseOf) {
	reads := slices.ContainsFunc(c.Path, func(s stop) bool { return in.States[s.State].ItemReader != nil && !s.failed() })
	if reads != (c.List != nil) {
		w.addf("reads a list: %t, has one: %t", reads, c.List != nil)
	}
}

// checkCases complains about cases that do not fit their definition, and about transitions that no case walks.
func checkCases(m machine, cases []caseOf, codes map[string]bool) (complaints []string) {
	walked, names := map[string]bool{}, map[string]bool{}

	for _, c := range cases {
		w := walk{name: m.name + ": " + c.Name}
		if c.Name == "" || names[c.Name] || c.Input == nil {
			w.addf("wants a name of its own and an input")
		}

		names[c.Name] = true

		w.path(m.scope, c.Path)
		w.end(m.scope, c, codes)
		w.reader(m.scope, c)

		complaints = append(complaints, w.complaints...)

		for _, x := range w.walked {
			walked[x.String()] = true
		}
	}

	for _, x := range m.ways() {
		if !walked[x.String()] {
			complaints = append(complaints, m.name+": no case walks "+x.String())
		}
	}

	return complaints
}

// readCases decodes a file of cases and refuses fields that nobody reads.
func readCases(text []byte) (f caseFile, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()

	if err := dec.Decode(&f); err != nil {
		return f, fmt.Errorf("decode cases: %w", err)
	}

	if _, err := dec.Token(); err != io.EOF {
		return f, fmt.Errorf("decode cases: more than one value: %w", err)
	}

	return f, nil
}

// casesOf returns the cases of a definition.
func casesOf(t *testing.T, name string) []caseOf {
	t.Helper()

	text, err := os.ReadFile(root + "/statemachines/cases/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}

	f, err := readCases(text)
	if err != nil || f.Machine != name {
		t.Fatalf("the cases of %s are about %q: %v", name, f.Machine, err)
	}

	return f.Cases
}

func TestCasesWalkEveryTransition(t *testing.T) {
	t.Parallel()

	codes, found := jobCodes(sources(t)), machines(t)

	paths, err := filepath.Glob(root + "/statemachines/cases/*.json")
	if err != nil || len(paths) != len(found) {
		t.Fatalf("cases %v for %d definitions, %v", paths, len(found), err)
	}

	for _, m := range found {
		cases := casesOf(t, m.name)
		expectNone(t, checkCases(m, cases, codes))
		t.Logf("measured: %d cases walk %d transitions of %s", len(cases), len(m.ways()), m.name)
	}
}

// fits are cases that walk all of the healthy definition.
const fits = `{"machine": "x", "cases": [
  {"name": "few", "input": {}, "status": "SUCCEEDED", "output": {}, "path": [
    {"state": "Pick"}, {"state": "Few", "items": [[{"state": "Item"}]]},
    {"state": "Sum", "mock": [{"errorOutput": {"error": "THROTTLED", "cause": "c"}}, {"result": {"Payload": {"n": 1}}}]}, {"state": "Rest"}, {"state": "Done"}]},
  {"name": "many", "input": {}, "list": [], "status": "FAILED", "error": "UNAVAILABLE", "cause": "because", "path": [
    {"state": "Pick"}, {"state": "Many", "items": [[{"state": "Child"}]]},
    {"state": "Sum", "mock": [{"errorOutput": {"error": "POISON", "cause": "c"}}]}, {"state": "Failed"}]}]}`

func TestCaseChecksCanFail(t *testing.T) {
	t.Parallel()

	codes := map[string]bool{"THROTTLED": true, "UNAVAILABLE": true, "POISON": true}
	m := broken(t, `"TimeoutSeconds": 75`, `"TimeoutSeconds": 75, "ResultSelector": {"n.$": "$.Payload.n"}`)

	for _, c := range []struct{ name, from, to, want string }{
		{"fits", fits, fits, ""},
		{"two of a name", `"name": "many"`, `"name": "few"`, "wants a name of its own"},
		{"begins in the middle", `"path": [
    {"state": "Pick"}, {"state": "Few"`, `"path": [
    {"state": "Few"`, "does not begin at Pick"},
		{"unknown state", `{"state": "Rest"}`, `{"state": "Sleep"}`, "no state Sleep"},
		{"a way that is not there", `{"state": "Rest"}, `, ``, "no way from Sum to Done"},
		{"no end", `, {"state": "Done"}`, ``, "ends at Rest, which is no end"},
		{"an item takes another way", `[[{"state": "Item"}]]`, `[[{"state": "Child"}]]`, "does not begin at Item"},
		{"no items", `, "items": [[{"state": "Item"}]]`, ``, "Few has 0 items"},
		{"rule that is not there", `{"state": "Pick"}, {"state": "Many"`, `{"state": "Pick", "by": "few is true"}, {"state": "Many"`, "no way from Pick to Many"},
		{"no answer", `"mock": [{"errorOutput": {"error": "POISON", "cause": "c"}}]`, `"mock": []`, "called 0 times"},
		{"answer for a wait", `{"state": "Rest"}`, `{"state": "Rest", "mock": [{"result": {}}]}`, "Rest calls nothing"},
		{"answer without a field", `{"n": 1}`, `{"m": 1}`, "the answer has no n"},
		{"neither result nor error", `{"errorOutput": {"error": "THROTTLED", "cause": "c"}}`, `{}`, "needs a result or an error"},
		{"called after a result", `{"errorOutput": {"error": "THROTTLED", "cause": "c"}}`, `{"result": {"Payload": {"n": 1}}}`, "called again after a result"},
		{"retries what is not retried", `"THROTTLED"`, `"POISON"`, "POISON, which is retried: false"},
		{"gives up on what is retried", `"POISON"`, `"THROTTLED"`, "THROTTLED, which is retried: true"},
		{"another status", `"FAILED"`, `"SUCCEEDED"`, "want FAILED"},
		{"another error", `"error": "UNAVAILABLE"`, `"error": "THROTTLED"`, "fails with THROTTLED"},
		{"no output", `"output": {}, `, ``, "want SUCCEEDED and an output"},
		{"no list", `"list": [], `, ``, "reads a list: true, has one: false"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			f, err := readCases([]byte(strings.Replace(fits, c.from, c.to, 1)))
			if err != nil || !strings.Contains(fits, c.from) {
				t.Fatal(c.from, err)
			}

			got := strings.Join(checkCases(m, f.Cases, codes), "\n")
			if !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("got %s, want a complaint about %q", got, c.want)
			}
		})
	}

	expectOne(t, checkCases(m, nil, codes)[:1], "no case walks Few -> Sum (next)")

	if _, err := readCases([]byte(fits + "{}")); err == nil {
		t.Error("two values in a file of cases are accepted")
	}

	if _, err := readCases([]byte(strings.Replace(fits, `"items"`, `"item"`, 1))); err == nil {
		t.Error("an unknown field is accepted")
	}
}

func TestTwoWaysNeedARule(t *testing.T) {
	t.Parallel()

	m := broken(t, `"Next": "Many"}`, `"Next": "Few"}, {"Variable": "$.many", "BooleanEquals": false, "Next": "Many"}`)
	f, err := readCases([]byte(fits))
	if err != nil {
		t.Fatal(err)
	}

	got := strings.Join(checkCases(m, f.Cases, map[string]bool{"UNAVAILABLE": true}), "\n")
	if !strings.Contains(got, "two ways from Pick to Few: say by which") {
		t.Errorf("got %s, want a complaint about two ways", got)
	}
}
