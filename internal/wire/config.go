package wire

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

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
		e.errs = append(e.errs, fmt.Errorf("environment variable %s is not set", name))
	}
	return v
}

// seconds returns a variable that holds seconds, fractions allowed.
func (e *env) seconds(name string) time.Duration {
	all := e.secondsList(name)
	if len(all) != 1 {
		return 0
	}
	return all[0]
}

// secondsList returns a variable that holds seconds separated by commas.
func (e *env) secondsList(name string) []time.Duration {
	var all []time.Duration
	for _, part := range strings.Split(e.text(name), ",") {
		f, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || f < 0 {
			e.errs = append(e.errs, fmt.Errorf("environment variable %s: %q is not a number of seconds", name, part))
			continue
		}
		all = append(all, time.Duration(f*float64(time.Second)))
	}
	return all
}

// err returns everything that is wrong.
func (e *env) err() error { return errors.Join(e.errs...) }
