package archtest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// reserved are the error names that Step Functions and Lambda report on their own.
var reserved = regexp.MustCompile(`^(States\.(ALL|BranchFailed|DataLimitExceeded|ExceedToleratedFailureThreshold|HeartbeatTimeout|IntrinsicFailure|` +
	`ItemReaderFailed|NoChoiceMatched|ParameterPathFailure|Permissions|ResultPathMatchFailure|ResultWriterFailed|Runtime|TaskFailed|Timeout)|` +
	`Lambda\.(\w+Exception|Unknown)|Sandbox\.Timedout|Runtime\.ExitError)$`)

// elsewhere are the states whose failure is on record without a state that writes it down, with the place where it is.
func elsewhere() map[string]string {
	return map[string]string{
		"ManyItems": "Summarise counts the rows of the items, whatever became of the Map",
		"Then":      "the callback's row stays open, and the relay goes on trying",
		"Finally":   "the callback's row stays open, and the relay goes on trying",
	}
}

// jobCodes reads the closed list of error codes from the source of internal/job.
func jobCodes(all []source) map[string]bool {
	codes := map[string]bool{}

	for _, s := range all {
		if s.path != "internal/job/error.go" {
			continue
		}

		ast.Inspect(s.file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}

			kind, _ := spec.Type.(*ast.Ident)
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok && kind != nil && kind.Name == "Code" {
					code, err := strconv.Unquote(literal.Value)
					codes[code] = err == nil
				}
			}

			return true
		})
	}

	return codes
}

// checkWays complains about states of unknown types, ways that lead nowhere, and states without a way in or out.
func checkWays(m machine) (complaints []string) {
	add := func(format string, args ...any) {
		complaints = append(complaints, m.name+": "+fmt.Sprintf(format, args...))
	}
	types := []string{"Task", "Choice", "Wait", "Pass", "Map", "Parallel", "Succeed", "Fail"}
	seen := map[string]bool{}

	for _, in := range m.within() {
		if _, ok := in.States[in.StartAt]; !ok {
			add("StartAt is %q, which is no state", in.StartAt)
		}

		reached, ending := in.order(), in.ending()

		in.sorted(func(name string, s state) {
			if seen[name] {
				add("%s: a second state of that name", name)
			}

			seen[name] = true

			if !slices.Contains(types, s.Type) {
				add("%s: no type %q", name, s.Type)
			}

			for _, w := range s.ways(name) {
				if _, ok := in.States[w.to]; !ok {
					add("%s: leads to %q, which is not there", name, w.to)
				}
			}

			exits := 0

			for _, has := range []bool{s.Next != "", s.Default != "", s.ends()} {
				if has {
					exits++
				}
			}

			switch {
			case exits != 1:
				add("%s: has %d of Next, Default and End, want one", name, exits)
			case !ending[name]:
				add("%s: no way to an end", name)
			}

			if !slices.Contains(reached, name) {
				add("%s: no way from %s", name, in.StartAt)
			}
		})
	}

	return complaints
}

// ending returns the states from which an end can be reached.
func (s scope) ending() map[string]bool {
	ending := map[string]bool{}

	for grown := -1; grown != len(ending); {
		grown = len(ending)

		s.sorted(func(name string, st state) {
			if st.ends() || slices.ContainsFunc(st.ways(name), func(w way) bool { return ending[w.to] }) {
				ending[name] = true
			}
		})
	}

	return ending
}

// checkTasks complains about calls that could hang, or that a passing failure of Lambda ends.
func checkTasks(m machine) (complaints []string) {
	m.each(func(name string, s state) {
		add := func(format string, args ...any) {
			complaints = append(complaints, m.name+": "+name+": "+fmt.Sprintf(format, args...))
		}

		if s.Type != "Task" {
			return
		}

		if s.Resource != "arn:aws:states:::lambda:invoke" || !substitution.MatchString(text(s.Parameters["FunctionName"])) {
			add("calls %s %v, want a function of the template", s.Resource, s.Parameters["FunctionName"])
		}

		if s.TimeoutSeconds <= 0 {
			add("no TimeoutSeconds: it could hang for a year")
		}

		if len(s.Catch) == 0 {
			add("no Catch")
		}

		if len(s.Retry) != 1 {
			add("%d Retry rules, want one", len(s.Retry))

			return
		}

		got := s.Retry[0]
		if len(got.ErrorEquals) == 0 || slices.Contains(got.ErrorEquals, "States.ALL") {
			add("Retry of %v, want named errors", got.ErrorEquals)
		}

		got.ErrorEquals = nil
		want := retrier{IntervalSeconds: 10, BackoffRate: 3, MaxDelaySeconds: 60, MaxAttempts: 3, JitterStrategy: "FULL"}

		if fmt.Sprint(got) != fmt.Sprint(want) {
			add("Retry %+v, want %+v", got, want)
		}
	})

	return complaints
}

// checkCatches complains about failures that are caught and then nowhere to be seen.
func checkCatches(m machine, excused map[string]string) (complaints []string) {
	for _, in := range m.within() {
		in.sorted(func(name string, s state) {
			for i, c := range s.Catch {
				if !slices.Equal(c.ErrorEquals, []string{"States.ALL"}) || i > 0 {
					complaints = append(complaints, fmt.Sprintf("%s: %s: catches %v, want States.ALL at once", m.name, name, c.ErrorEquals))
				}

				if !strings.HasPrefix(c.ResultPath, "$.") {
					complaints = append(complaints, fmt.Sprintf("%s: %s: the error replaces the input: ResultPath %q", m.name, name, c.ResultPath))
				}

				if excused[name] == "" && !records(in.States[c.Next], c.ResultPath) {
					complaints = append(complaints, fmt.Sprintf("%s: %s: %s does not record the failure", m.name, name, c.Next))
				}
			}
		})
	}

	return complaints
}

// records reports whether a state keeps the failure at path: a function is given it, an item is marked, or the
// execution fails under a name.
func records(s state, path string) bool {
	switch s.Type {
	case "Task":
		payload, _ := s.Parameters["Payload"].(map[string]any)

		return slices.Contains(slices.Collect(maps.Values(payload)), any(path))
	case "Pass":
		return at(s.Result, "left") == true
	case "Fail":
		return s.Error != "" || s.ErrorPath != ""
	default:
		return false
	}
}

// checkErrorNames complains about names that nothing reports: such a rule would never match.
func checkErrorNames(m machine, codes map[string]bool) (complaints []string) {
	m.each(func(name string, s state) {
		add := func(what string) { complaints = append(complaints, m.name+": "+name+": "+what) }

		var names []string
		for _, r := range s.Retry {
			names = append(names, r.ErrorEquals...)
		}

		for _, c := range s.Catch {
			names = append(names, c.ErrorEquals...)
		}

		for _, of := range names {
			if !codes[of] && !reserved.MatchString(of) {
				add("nothing reports " + of)
			}
		}

		if s.Type != "Fail" {
			return
		}

		if (s.Error == "") == (s.ErrorPath == "") || s.Error != "" && !codes[s.Error] {
			add(fmt.Sprintf("fails with Error %q and ErrorPath %q, want a job code or a path", s.Error, s.ErrorPath))
		}

		if (s.Cause == "") == (s.CausePath == "") {
			add("fails without a cause, or with two")
		}
	})

	return complaints
}

// checkMaps complains about Maps that would exceed a quota, or that one item could fail.
func checkMaps(m machine) (complaints []string) {
	m.each(func(name string, s state) {
		add := func(what string) { complaints = append(complaints, m.name+": "+name+": "+what) }

		if s.Type != "Map" {
			return
		}

		if s.MaxConcurrency != 40 {
			add(fmt.Sprintf("MaxConcurrency is %v, want 40", s.MaxConcurrency))
		}

		if s.ItemProcessor == nil {
			add("no ItemProcessor")

			return
		}

		switch mode := s.ItemProcessor.ProcessorConfig.Mode; {
		case mode == "INLINE" && s.ItemReader != nil:
			add("an inline Map has no ItemReader")
		case mode == "INLINE":
		case mode != "DISTRIBUTED":
			add(fmt.Sprintf("no mode %q", mode))
		case s.ToleratedFailurePercentage != 100:
			add(fmt.Sprintf("ToleratedFailurePercentage is %v, want 100", s.ToleratedFailurePercentage))
		case s.Label == "" || len(s.Label) > 40:
			add(fmt.Sprintf("Label %q, want 1 to 40 characters", s.Label))
		case s.ItemProcessor.ProcessorConfig.ExecutionType != "STANDARD":
			add("its children wait, so they must be STANDARD")
		}
	})

	return complaints
}

// checkWaits complains about waits that a definition decides: how long to wait is in the row.
func checkWaits(m machine) (complaints []string) {
	m.each(func(name string, s state) {
		fixed := s.Seconds > 0 && s.Seconds <= 60
		if s.Type == "Wait" && (s.Timestamp != "" || s.TimestampPath != "" || (s.SecondsPath == "") != fixed) {
			complaints = append(complaints, fmt.Sprintf("%s: %s: wants SecondsPath, or at most 60 Seconds", m.name, name))
		}
	})

	return complaints
}

// checkMachine runs every check that needs nothing but the definition.
func checkMachine(m machine, codes map[string]bool, excused map[string]string) []string {
	return slices.Concat(checkWays(m), checkTasks(m), checkCatches(m, excused), checkErrorNames(m, codes), checkMaps(m), checkWaits(m), checkSize(m))
}

func TestStateMachines(t *testing.T) {
	t.Parallel()

	codes := jobCodes(sources(t))
	if len(codes) < 30 || !codes["THROTTLED"] {
		t.Fatalf("codes %v", codes)
	}

	unused := elsewhere()

	for _, m := range machines(t) {
		if !json.Valid(m.text) || len(m.States) < 5 {
			t.Errorf("%s has %d states", m.name, len(m.States))
		}

		expectNone(t, checkMachine(m, codes, elsewhere()))
		m.each(func(name string, s state) {
			if len(s.Catch) > 0 {
				delete(unused, name)
			}
		})
	}

	for name := range unused {
		t.Errorf("%s is excused and catches nothing", name)
	}
}
