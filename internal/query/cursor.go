package query

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"orbitq/internal/job"
)

// A cursor is the text "<version><mark><position>" in base64url without padding. The mark is
// part of a hash of the list: its name, its owner and its filter. It is no secret and protects
// nothing, because the owner whose rows are read always comes from the token. It makes a
// mistake visible: a position of another list would answer an empty end, which looks as if
// there were nothing more.

// cursorVersion begins every cursor; a change of the form takes the next digit.
const cursorVersion = "2"

// markLength is how many bytes of the hash a cursor carries. Two lists share a mark once in
// 2^48.
const markLength = 6

// List is one list that is read page by page. It makes the cursors of its pages and reads them
// back.
type List struct {
	mark string
	ours func(position string) bool // whether a position is of this list
}

// NewList returns the list of an owner's rows under a name and a filter, whose positions are
// what job.Position or job.Grave writes. The filter is everything that decides which rows are
// shown, in a fixed order; the size of a page is not part of it.
func NewList(name, owner string, filter ...string) List {
	h := sha256.New()
	for _, part := range append([]string{name, owner}, filter...) {
		// With the lengths no two lists hash the same text: ("a", "b") is not ("ab").
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return List{mark: string(h.Sum(nil)[:markLength]), ours: jobPosition}
}

// NewItemList returns the list of a batch's items. Their positions are ids of data points.
func NewItemList(owner, batch string) List {
	l := NewList("items", owner, batch)
	l.ours = job.ValidID
	return l
}

// Cursor returns the cursor of a position; the end of the list has none.
func (l List) Cursor(position string) string {
	if position == "" {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(cursorVersion + l.mark + position))
}

// Position returns the position of a cursor; the empty cursor is the start. A cursor that this
// list did not give, or that is spelled in another way, is an InvalidCursor error.
func (l List) Position(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", badCursor()
	}
	position, found := strings.CutPrefix(string(raw), cursorVersion+l.mark)
	// The decoder skips line ends, and takes any bits behind the last byte: a cursor has one
	// spelling, the one that Cursor writes.
	if !found || !l.ours(position) || l.Cursor(position) != cursor {
		return "", badCursor()
	}
	return position, nil
}

// badCursor says that a cursor is not one of the list.
func badCursor() error {
	e := job.Errorf(job.InvalidCursor, "the cursor is not one that this list gave")
	e.Violations = []job.Violation{{Field: "cursor", Rule: "opaque", Detail: "use next_cursor of the page before, unchanged, with the same path and filter"}}
	return e
}

// placeLength is the length of a time and an id with a mark between them.
const placeLength = 13 + 1 + job.IDLength

// jobPosition reports whether s is what job.Position writes.
func jobPosition(s string) bool {
	millis, id, _ := strings.Cut(s, "#")
	_, err := strconv.ParseUint(millis, 10, 64)
	return err == nil && len(millis) == 13 && job.ValidID(id)
}

// entryPosition reports whether s is what satellite.Analysis.Entry writes.
func entryPosition(s string) bool {
	place, revision, _ := strings.Cut(s[min(len(s), placeLength):], "#")
	_, err := strconv.ParseUint(revision, 10, 31)
	return err == nil && place == "" && jobPosition(s[:min(len(s), placeLength)])
}
