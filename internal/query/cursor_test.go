package query_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"orbitq/internal/job"
	"orbitq/internal/query"
)

// A cursor belongs to one list, and has one spelling.
func TestCursorOfAList(t *testing.T) {
	t.Parallel()
	position := (&job.Job{ID: job.DerivedID("j"), Created: time.UnixMilli(1772366400000)}).Position()
	list := query.NewList("jobs", "me", "dead", "")
	good := list.Cursor(position)
	if got, err := list.Position(good); err != nil || got != position {
		t.Fatalf("got %q, %v, want %q", got, err, position)
	}
	if got, err := list.Position(""); err != nil || got != "" || list.Cursor("") != "" {
		t.Fatalf("start is %q, %v", got, err)
	}
	for name, cursor := range map[string]string{
		"another name":              query.NewList("chains", "me", "dead", "").Cursor(position),
		"another owner":             query.NewList("jobs", "them", "dead", "").Cursor(position),
		"another filter":            query.NewList("jobs", "me", "", "").Cursor(position),
		"a filter moved by a field": query.NewList("jobs", "me", "", "dead").Cursor(position),
		"parts joined":              query.NewList("jobs", "medead", "").Cursor(position),
		"a position alone":          base64.RawURLEncoding.EncodeToString([]byte(position)),
		"the form before":           base64.RawURLEncoding.EncodeToString([]byte("1" + position)),
		"padded":                    good + "=",
		"a carriage return":         good[:9] + "\r" + good[9:],
		"a line end":                good + "\n",
		"cut":                       good[:20],
		"with more behind":          list.Cursor(position + "#"),
		"without an id":             list.Cursor(position[:14]),
		"in small letters":          list.Cursor(strings.ToLower(position)),
		"garbage":                   "\x00\xff",
		"endless":                   strings.Repeat("A", 100_000),
	} {
		if got, err := list.Position(cursor); got != "" || job.CodeOf(err) != job.InvalidCursor {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if len(good) > 80 {
		t.Errorf("a cursor has %d characters", len(good))
	}
}

// Two spellings of the last bits decode to one position; only the one that was given is taken.
func TestCursorHasOneSpelling(t *testing.T) {
	t.Parallel()
	list := query.NewItemList("me", job.DerivedID("batch"))
	good := list.Cursor(job.DerivedID("p")) // 33 bytes end on a whole character
	for _, other := range []query.List{query.NewItemList("me", job.DerivedID("another")), query.NewList("jobs", "me")} {
		if _, err := other.Position(good); job.CodeOf(err) != job.InvalidCursor {
			t.Errorf("another list takes it: %v", err)
		}
	}
	jobs := query.NewList("jobs", "me")
	cursor := jobs.Cursor("1772366400000#" + job.DerivedID("j")) // 47 bytes leave two bits over
	spellings := 0
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=") {
		// Some last characters are those of another id, and so another position.
		if at, err := jobs.Position(cursor[:len(cursor)-1] + string(c)); err == nil && jobs.Cursor(at) == cursor {
			spellings++
		}
	}
	if spellings != 1 {
		t.Errorf("%d spellings of one position are taken", spellings)
	}
}
