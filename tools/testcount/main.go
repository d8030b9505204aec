// Command testcount reads what "go test -json" writes and says what a person, and a CI, wants to know.
//
// It prints one line per package, the output of each failed test, the reason of each skipped one, the lines of any
// test that begin with "measured:" (a figure is a result even when nothing failed), and at the end one line "N passed, N failed, N skipped". It counts tests and subtests that have no subtests of their own, so that
// a table counts by its rows. It exits 1 when anything failed, when a package did not build, or when no test ran at
// all: silence is not success. Lines that are not JSON, such as a compiler's, are passed through.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of go test -json; see "go doc test2json".
type event struct {
	Action     string  `json:"Action"`
	Package    string  `json:"Package"`
	ImportPath string  `json:"ImportPath"`
	Test       string  `json:"Test"`
	Output     string  `json:"Output"`
	Elapsed    float64 `json:"Elapsed"`
}

// counter keeps the output of tests that are still running and the totals of those that ended.
type counter struct {
	out                     io.Writer
	output                  map[string][]string
	parents                 map[string]bool // tests that have subtests
	blamed                  map[string]bool // tests with a subtest that failed: not counted again
	passed, failed, skipped int
	broken                  int // packages that failed without a failed test: did not build, crashed, timed out
	failedIn                map[string]int
}

func main() {
	c := newCounter(os.Stdout)
	if err := c.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testcount:", err)
		os.Exit(1)
	}

	if !c.summary() {
		os.Exit(1)
	}
}

func newCounter(out io.Writer) *counter {
	return &counter{out: out, output: map[string][]string{}, parents: map[string]bool{}, blamed: map[string]bool{}, failedIn: map[string]int{}}
}

// read handles events until the end of in.
func (c *counter) read(in io.Reader) error {
	lines := bufio.NewReader(in)

	// A line can be longer than any buffer, so no bufio.Scanner.
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			c.line(line)
		}

		if err == io.EOF {
			return nil
		}

		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
	}
}

func (c *counter) line(line string) {
	var e event
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &e) != nil {
		c.print(line)

		return
	}

	switch e.Action {
	case "run":
		// A subtest starts before its parent ends, so parents are known by the time they are counted.
		if at := strings.LastIndexByte(e.Test, '/'); at > 0 {
			c.parents[e.Package+" "+e.Test[:at]] = true
		}
	case "output":
		c.keep(e)
	case "build-output":
		c.print(e.Output)
	case "pass", "fail", "skip":
		if e.Test != "" {
			c.test(e)
		} else {
			c.end(e)
		}
	}
}

// keep remembers a line of output; without -v, go test's own progress lines are noise.
func (c *counter) keep(e event) {
	text := strings.TrimSpace(e.Output)
	noise := strings.HasPrefix(text, "=== ") || strings.HasPrefix(text, "--- PASS")

	// The package's own last words; its line is printed by end.
	if e.Test == "" {
		noise = text == "PASS" || text == "FAIL" || strings.HasPrefix(text, "ok  \t") || strings.HasPrefix(text, "FAIL\t")
	}

	if !noise {
		key := e.Package + " " + e.Test
		c.output[key] = append(c.output[key], e.Output)
	}
}

// test counts the end of a test.
func (c *counter) test(e event) {
	key := e.Package + " " + e.Test
	leaf := !c.parents[key]
	kept := strings.Join(c.output[key], "")
	delete(c.output, key)

	switch {
	case e.Action == "fail":
		c.print(kept)

		c.failedIn[e.Package]++
		if !c.blamed[key] {
			c.failed++
		}

		if at := strings.LastIndexByte(key, '/'); at > 0 && strings.Contains(e.Test, "/") {
			c.blamed[key[:at]] = true
		}
	case e.Action == "skip" && leaf:
		c.print(kept)

		c.skipped++
	case leaf:
		c.measured(e.Test, kept)

		c.passed++
	default:
		c.measured(e.Test, kept)
	}
}

// measured prints the figures of a test that passed.
func (c *counter) measured(test, kept string) {
	for line := range strings.Lines(kept) {
		if _, figures, ok := strings.Cut(line, ": measured: "); ok {
			c.print(fmt.Sprintf("measured: %s: %s\n", test, strings.TrimSpace(figures)))
		}
	}
}

// end reports the end of a package. A package without tests ends with "skip".
func (c *counter) end(e event) {
	words := map[string]string{"pass": "ok", "fail": "FAIL"}
	key := e.Package + " "

	// The package failed, yet none of its tests did: the reason is in what the package itself wrote.
	if e.Action == "fail" && c.failedIn[e.Package] == 0 {
		c.broken++

		c.print(strings.Join(c.output[key], ""))
	}

	delete(c.output, key)

	if word := words[e.Action]; word != "" {
		c.print(fmt.Sprintf("%-4s  %6.1f s  %s\n", word, e.Elapsed, e.Package))
	}
}

func (c *counter) print(text string) {
	if _, err := io.WriteString(c.out, text); err != nil {
		c.broken++ // nobody can read the result, so it is not a good one
	}
}

// summary prints the last line and reports whether all is well.
func (c *counter) summary() bool {
	if c.broken > 0 {
		c.print(fmt.Sprintf("%d packages did not build or did not end\n", c.broken))
	}

	c.print(fmt.Sprintf("%d passed, %d failed, %d skipped\n", c.passed, c.failed+c.broken, c.skipped))

	return c.failed == 0 && c.broken == 0 && c.passed > 0
}
