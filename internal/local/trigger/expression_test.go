package trigger

import (
	"strings"
	"testing"
	"time"
)

// at reads a moment, which may have an offset.
func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// TestCalendarsOverYears follows a calendar over several firings: each begins at the one before, as the scheduler does.
func TestCalendarsOverYears(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, from, want string }{
		{"the last minute of a year", "cron(59 23 31 12 ? *)", "2026-01-01T00:00:00Z", "2026-12-31T23:59 2027-12-31T23:59"},
		{"2100 has no leap day", "cron(0 0 29 2 ? *)", "2096-01-01T00:00:00Z", "2096-02-29T00:00 2104-02-29T00:00"},
		{"months with thirty-one days", "cron(0 0 31 * ? *)", "2026-05-31T00:00:00Z", "2026-07-31T00:00 2026-08-31T00:00 2026-10-31T00:00"},
		{"each tenth day begins again with the month", "cron(0 6 */10 * ? *)", "2026-02-11T06:00:00Z", "2026-02-21T06:00 2026-03-01T06:00 2026-03-11T06:00"},
		{"a step from a value", "cron(50/5 0 1 1 ? *)", "2026-01-01T00:00:00Z", "2026-01-01T00:50 2026-01-01T00:55 2027-01-01T00:50"},
		{"a step beyond its field", "cron(7/60 * * * ? *)", "2026-01-01T00:07:00Z", "2026-01-01T01:07 2026-01-01T02:07"},
		{"a list with a range", "cron(0 1,3-4 * * ? *)", "2026-01-01T00:00:00Z", "2026-01-01T01:00 2026-01-01T03:00 2026-01-01T04:00 2026-01-02T01:00"},
		{"a value twice", "cron(0 0 1,1 JAN,1 ? *)", "2026-01-01T00:00:00Z", "2027-01-01T00:00 2028-01-01T00:00"},
		{"Saturday is 7 and Sunday 1", "cron(0 12 ? * 7,1 *)", "2026-11-25T00:00:00Z", "2026-11-28T12:00 2026-11-29T12:00 2026-12-05T12:00"},
		{"every second weekday", "cron(0 0 ? * MON-FRI/2 *)", "2026-11-25T00:00:00Z", "2026-11-27T00:00 2026-11-30T00:00 2026-12-02T00:00"},
		{"mixed names and case", "cron(0 0 ? jan-2 Mon *)", "2026-02-20T00:00:00Z", "2026-02-23T00:00 2027-01-04T00:00"},
		{"years in steps", "cron(0 0 1 1 ? 2026/3)", "2026-01-01T00:00:00Z", "2029-01-01T00:00 2032-01-01T00:00"},
		{"the last year there is", "cron(0 0 31 12 ? *)", "2198-12-31T00:00:00Z", "2199-12-31T00:00 never"},
		{"a moment within a minute", "cron(* * * * ? *)", "2026-01-01T00:00:59.999Z", "2026-01-01T00:01 2026-01-01T00:02"},
		{"in UTC, whatever the clock says", "cron(0 0 * * ? *)", "2026-01-01T00:30:00+02:00", "2026-01-01T00:00 2026-01-02T00:00"},
		{"more than one space", "cron(0  0   * *  ? *)", "2026-01-01T12:00:00Z", "2026-01-02T00:00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			when, err := parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			moment, got := at(t, c.from), []string{}
			for range strings.FieldsSeq(c.want) {
				if moment = when.after(moment, 1); moment.IsZero() {
					got = append(got, "never")
					break
				}
				got = append(got, moment.Format("2006-01-02T15:04"))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s: got %v, want %s", c.in, got, c.want)
			}
		})
	}
}

func TestRatesAreExact(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in    string
		speed float64
		want  time.Duration
	}{
		{"rate(1 minute)", 1, time.Minute},
		{"rate(90 minutes)", 1, 90 * time.Minute},
		{"rate(1 hour)", 3600, time.Second},
		{"rate(7 days)", 1, 168 * time.Hour},
		{"rate(100000 days)", 1, 2_400_000 * time.Hour},
		{"rate(1 minute)", 1e9, time.Millisecond}, // never a busy loop
		{"rate(1 minute)", 0.5, 2 * time.Minute},
	} {
		when, err := parse(c.in)
		if err != nil {
			t.Fatal(err)
		}
		from := at(t, "2026-01-01T00:00:00Z")
		if got := when.after(from, c.speed).Sub(from); got != c.want {
			t.Errorf("%s at speed %v: after %v, want %v", c.in, c.speed, got, c.want)
		}
	}
}

func TestRefusalsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"another unit", "rate(5 seconds)", "neither rate(N minutes|hours|days) nor cron(...)"},
		{"a fraction", "rate(1.5 hours)", "neither"},
		{"a zero in front", "rate(05 minutes)", "neither"},
		{"a capital", "Rate(5 minutes)", "neither"},
		{"space around", " rate(5 minutes)", "neither"},
		{"one moment", "at(2026-01-01T00:00:00)", "neither"},
		{"no end", "cron(0 0 * * ? *", "neither"},
		{"one too many minutes", "rate(1 minutes)", "singular for 1"},
		{"one too few", "rate(10 day)", "plural for all else"},
		{"more than fits", "rate(100001 days)", "100001 is too large"},
		{"more than a number holds", "rate(99999999999999999999 days)", "too large"},
		{"five fields", "cron(0 0 * * ?)", "needs six fields"},
		{"seven fields", "cron(0 0 0 * * ? *)", "needs six fields"},
		{"no field", "cron()", "needs six fields"},
		{"minute 60", "cron(0,60 0 * * ? *)", `minutes "60": not a value from 0 to 59`},
		{"hour -1", "cron(0 -1 * * ? *)", `hours "-1"`},
		{"day 32", "cron(0 0 1-32 * ? *)", `day-of-month "1-32": not a value from 1 to 31`},
		{"month 0", "cron(0 0 1 0 ? *)", `month "0": not a value from 1 to 12`},
		{"cron's Sunday", "cron(0 0 ? * 0 *)", `day-of-week "0": not a value from 1 to 7`},
		{"a day for a month", "cron(0 0 1 MON ? *)", `month "MON"`},
		{"two names in one", "cron(0 0 ? * MONTUE *)", `day-of-week "MONTUE"`},
		{"letters of two names", "cron(0 0 ? * UNM *)", `day-of-week "UNM"`},
		{"the last day", "cron(0 0 L * ? *)", "L, W and # are not supported"},
		{"the nearest weekday", "cron(0 0 15W * ? *)", "L, W and # are not supported"},
		{"a year after the last", "cron(0 0 1 1 ? 2200)", "not a value from 1970 to 2199"},
		{"a range backwards", "cron(0 0 ? * FRI-MON *)", "the range ends before it begins"},
		{"no step", "cron(0/ 0 * * ? *)", "the step is no positive number"},
		{"two steps", "cron(0/5/5 0 * * ? *)", "the step is no positive number"},
		{"an empty item", "cron(0,,5 0 * * ? *)", `minutes ""`},
		{"a question among values", "cron(0 0 ?,1 * ? *)", `day-of-month "?"`},
		{"a question for the month", "cron(0 0 1 ? ? *)", `month "?"`},
		{"both days", "cron(0 0 1 * MON *)", "one of day-of-month and day-of-week must be ?"},
		{"neither day", "cron(0 0 ? * ? *)", "one of day-of-month and day-of-week must be ?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if _, err := parse(c.in); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: got %v, want %q", c.in, err, c.want)
			}
		})
	}
}
