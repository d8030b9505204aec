package wire

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSeconds is the longest time that a variable may hold: a hundred years is
// beyond any wait, and still far from where a Duration overflows.
const maxSeconds = 100 * 365 * 24 * 60 * 60

// env reads the environment and keeps what is wrong with it, so that a broken
// deployment names everything that is missing at once.
type env struct {
	get  func(string) string
	errs []error
}

// text returns a variable that must be set.
func (e *env) text(name string) string {
	v := e.get(name)
	if v == "" {
		e.add(fmt.Errorf("environment variable %s is not set", name))
	}
	return v
}

// seconds returns a variable that holds seconds, fractions allowed.
func (e *env) seconds(name string) time.Duration {
	all := e.secondsList(name)
	if len(all) > 1 {
		// Zero would pass for "no wait" and turn a typo into a hot loop.
		e.add(fmt.Errorf("environment variable %s: %d numbers where one belongs", name, len(all)))
	}
	if len(all) != 1 {
		return 0
	}
	return all[0]
}

// count returns a variable that holds a whole number from 0.
func (e *env) count(name string) int {
	text := e.text(name)
	if text == "" {
		return 0 // named already
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		e.add(fmt.Errorf("environment variable %s: %q is not a whole number from 0", name, text))
		return 0
	}
	return n
}

// secondsList returns a variable that holds seconds separated by commas.
func (e *env) secondsList(name string) []time.Duration {
	list := e.text(name)
	if list == "" {
		return nil // named already
	}
	var all []time.Duration
	for part := range strings.SplitSeq(list, ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		// ParseFloat also takes "NaN" and "Inf", which no comparison would catch later.
		if err != nil || math.IsNaN(f) || f < 0 || f > maxSeconds {
			e.add(fmt.Errorf("environment variable %s: %q is not a number of seconds", name, part))
			continue
		}
		all = append(all, time.Duration(f*float64(time.Second)))
	}
	return all
}

// weights returns a variable that holds pairs such as "pro=2,enterprise=4"; it may be empty.
func (e *env) weights(name string) map[string]int {
	all := map[string]int{}
	for part := range strings.SplitSeq(e.get(name), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		tier, weight, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(weight)
		if err != nil || tier == "" || n < 1 || n > 100 {
			e.add(fmt.Errorf("environment variable %s: %q is not a tier with a weight from 1 to 100, such as pro=2", name, part))
			continue
		}
		all[tier] = n
	}
	return all
}

// add keeps what is wrong, once: several parts may read the same variable.
func (e *env) add(err error) {
	if !slices.ContainsFunc(e.errs, func(old error) bool { return old.Error() == err.Error() }) {
		e.errs = append(e.errs, err)
	}
}

// err returns everything that is wrong.
func (e *env) err() error { return errors.Join(e.errs...) }
