package trigger

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// schedule knows when to fire.
type schedule interface {
	// after is the first moment after another; zero means never.
	after(t time.Time, speed float64) time.Time
	// period is the shortest real time between two firings.
	period() time.Duration
}

// rate is the whole grammar of rate expressions.
var rate = regexp.MustCompile(`^rate\(([1-9][0-9]*) (minute|hour|day)(s?)\)$`)

// parse reads a schedule expression. What AWS would refuse is refused, so that a template does not first fail there.
func parse(expression string) (schedule, error) {
	if inner, ok := strings.CutPrefix(expression, "cron("); ok && strings.HasSuffix(inner, ")") {
		return parseCalendar(strings.TrimSuffix(inner, ")"))
	}
	m := rate.FindStringSubmatch(expression)
	if m == nil {
		return nil, fmt.Errorf("expression %q is neither rate(N minutes|hours|days) nor cron(...)", expression)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n > 100_000 {
		return nil, fmt.Errorf("expression %q: %s is too large", expression, m[1])
	}
	// EventBridge refuses rate(1 minutes) and rate(2 minute).
	if (n == 1) != (m[3] == "") {
		return nil, fmt.Errorf("expression %q: the unit is singular for 1 and plural for all else", expression)
	}
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
	return interval(time.Duration(n) * unit), nil
}

// interval is a rate.
type interval time.Duration

func (i interval) after(t time.Time, speed float64) time.Time {
	return t.Add(max(time.Millisecond, time.Duration(float64(i)/speed)))
}

func (i interval) period() time.Duration { return time.Duration(i) }

// calendar is a cron expression: the allowed values of each field.
type calendar struct {
	minute, hour, day, month, weekday, year values
	anyDay, anyWeekday                      bool // written as "?" or "*"
}

// values is a set of numbers; nil holds all.
type values map[int]bool

func (v values) has(n int) bool { return v == nil || v[n] }

// field describes one part of a cron expression.
type field struct {
	name     string
	min, max int
	names    string // three letters each
	question bool   // "?" is allowed
}

// parseCalendar reads six fields. Exactly one of the two fields for days must be "?", as on AWS: so a day never has to
// satisfy both, and cron's old question whether it may satisfy either does not come up.
func parseCalendar(text string) (schedule, error) {
	parts := strings.Fields(text)
	if len(parts) != 6 {
		return nil, fmt.Errorf("cron expression %q needs six fields: minutes hours day-of-month month day-of-week year", text)
	}
	c := &calendar{}
	for i, f := range []struct {
		field
		to *values
	}{
		{field{"minutes", 0, 59, "", false}, &c.minute},
		{field{"hours", 0, 23, "", false}, &c.hour},
		{field{"day-of-month", 1, 31, "", true}, &c.day},
		{field{"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", false}, &c.month},
		{field{"day-of-week", 1, 7, "SUNMONTUEWEDTHUFRISAT", true}, &c.weekday},
		// What EventBridge accepts.
		{field{"year", 1970, 2199, "", false}, &c.year},
	} {
		set, err := f.parse(parts[i])
		if err != nil {
			return nil, fmt.Errorf("cron expression %q: %w", text, err)
		}
		*f.to = set
	}
	c.anyDay, c.anyWeekday = parts[2] == "?", parts[4] == "?"
	if c.anyDay == c.anyWeekday {
		return nil, fmt.Errorf("cron expression %q: one of day-of-month and day-of-week must be ?, the other not", text)
	}
	return c, nil
}

// parse reads a list of values, ranges and steps.
func (f field) parse(text string) (values, error) {
	if text == "*" || text == "?" && f.question {
		return nil, nil //nolint:nilnil // all values
	}
	set := values{}
	for item := range strings.SplitSeq(text, ",") {
		from, to, step, err := f.span(item)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", f.name, item, err)
		}
		for n := from; n <= to; n += step {
			set[n] = true
		}
	}
	return set, nil
}

// span reads "7", "MON", "1-5", "*/10", "3/2" or "1-5/2".
func (f field) span(item string) (from, to, step int, err error) {
	base, steps, stepped := strings.Cut(item, "/")
	step = 1
	if stepped {
		if step, err = strconv.Atoi(steps); err != nil || step < 1 {
			return 0, 0, 0, errors.New("the step is no positive number")
		}
	}
	first, last, ranged := strings.Cut(base, "-")
	switch {
	case base == "*":
		return f.min, f.max, step, nil
	case ranged:
		to, err = f.value(last)
	case stepped: // "3/2" runs to the end of the field
		to = f.max
	}
	if err != nil {
		return 0, 0, 0, err
	}
	if from, err = f.value(first); err != nil {
		return 0, 0, 0, err
	}
	if !ranged && !stepped {
		to = from
	}
	if to < from {
		return 0, 0, 0, errors.New("the range ends before it begins")
	}
	return from, to, step, nil
}

// value reads a number or a name. Days of the week begin with Sunday, which is 1 and not cron's 0.
func (f field) value(text string) (int, error) {
	if at := strings.Index(f.names, strings.ToUpper(text)); len(text) == 3 && at >= 0 && at%3 == 0 {
		return f.min + at/3, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < f.min || n > f.max {
		return 0, fmt.Errorf("not a value from %d to %d (L, W and # are not supported)", f.min, f.max)
	}
	return n, nil
}

// after looks for the next minute, skipping whole months, days and hours that do not fit.
func (c *calendar) after(t time.Time, _ float64) time.Time {
	// Strictly after: the moment that has just fired does not fire again.
	t = t.UTC().Truncate(time.Minute).Add(time.Minute)
	for t.Year() <= 2199 {
		y, m, d := t.Date()
		switch {
		case !c.year.has(y):
			t = time.Date(y+1, 1, 1, 0, 0, 0, 0, time.UTC)
		case !c.month.has(int(m)):
			t = time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
		case !c.day.has(d) || !c.weekday.has(int(t.Weekday())+1):
			t = time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
		case !c.hour.has(t.Hour()):
			t = time.Date(y, m, d, t.Hour()+1, 0, 0, 0, time.UTC)
		case !c.minute.has(t.Minute()):
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

// period is a minute: nothing is finer, and since cron expressions are not compressed a run that takes less than that
// is never in the way of the next.
func (c *calendar) period() time.Duration { return time.Minute }
