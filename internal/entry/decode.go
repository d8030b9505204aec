package entry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"orbitq/internal/job"
)

// MaxBody is the largest request body, in bytes. The largest reading that passes
// has about 5 KB; the rest is room for what is to come.
const MaxBody = 256 << 10

// Limits of what a problem says about a body: a client that sends garbage gets
// an answer that it can read, not its garbage back.
const (
	maxViolations = 20
	maxQuoted     = 100 // bytes of a name or value
	maxReason     = 500 // bytes of an error in the log
)

// decode reads a JSON body strictly into v: one object, no unknown or repeated
// fields, the right types. Each failure names the field and the rule. What
// passes here, the API contract allows as well: the two must not drift apart.
func decode(r *request, v any) ([]byte, error) {
	// A body without a type is refused too: form data would otherwise reach the
	// parser, and fail there with a less helpful word.
	media, _, err := mime.ParseMediaType(r.Headers["content-type"])
	if err != nil || media != "application/json" {
		return nil, job.Errorf(job.UnsupportedMedia, "content-type must be application/json, not %q", clip(r.Headers["content-type"], maxQuoted))
	}
	raw, err := body(r)
	if err != nil {
		return nil, err
	}
	// The size comes before any parsing, which is what the limit protects.
	if len(raw) > MaxBody {
		return nil, job.Errorf(job.BodyTooLarge, "body has %d bytes, the limit is %d", len(raw), MaxBody)
	}
	// The decoder would put U+FFFD in place of broken bytes, and so store another
	// text than the one that was sent.
	if !utf8.Valid(raw) {
		return nil, job.Errorf(job.InvalidJSON, "body is not UTF-8")
	}
	if halfSurrogate(raw) {
		return nil, job.Errorf(job.InvalidJSON, "body escapes one half of a surrogate pair, such as \\ud83c, without the other")
	}
	if err := strict(raw, v); err != nil {
		return nil, err
	}
	return raw, nil
}

// strict reads one JSON object into v: no unknown or repeated fields, the right
// types. Whole numbers are integers however they are written, and texts are in form NFC.
func strict(raw []byte, v any) error {
	if err := checkFields(raw, fieldNames(v)); err != nil {
		return err
	}
	if err := json.Unmarshal(wholeNumbers(raw), v); err != nil {
		return decodeFault(err)
	}
	compose(reflect.ValueOf(v))
	return nil
}

// fieldNames returns the JSON names of v's fields, and of each whether null may
// stand for its absence (the tag null:"absent"), so that what GET answered can be
// sent back. They are compared letter by letter: the decoder itself would also take
// LATITUDE, and then nobody could say which of two spellings counts.
func fieldNames(v any) map[string]bool {
	names := map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeOf(v).Elem()) {
		if !field.Anonymous { // the fields of an embedded struct are the body's own
			names[field.Tag.Get("json")] = field.Tag.Get("null") == "absent"
		}
	}
	return names
}

// checkFields checks that raw is exactly one JSON object, and that each of its
// fields is known, is null only where that is allowed, and comes once: which of two
// values counts would be anybody's guess. Broken JSON comes before broken rules,
// wherever it is.
func checkFields(raw []byte, known map[string]bool) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if first, err := dec.Token(); err != nil {
		return notJSON(err)
	} else if first != json.Delim('{') {
		return job.Errorf(job.InvalidJSON, "body must be a JSON object")
	}
	var broken []job.Violation
	code, seen := job.InvalidField, map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return notJSON(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return notJSON(err)
		}
		field := fmt.Sprint(name)
		nullable, found := known[field]
		switch {
		case !found:
			code = job.UnknownField
			broken = append(broken, job.Violation{Field: clip(field, maxQuoted), Rule: "known", Detail: "is not a field of this request"})
		case seen[field]:
			broken = append(broken, job.Violation{Field: field, Rule: "unique", Detail: "must be given once"})
		case string(value) == "null" && !nullable:
			broken = append(broken, job.Violation{Field: field, Rule: "type", Detail: "must not be null; leave it out instead"})
		}
		seen[field] = true
	}
	if _, err := dec.Token(); err != nil {
		return notJSON(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return job.Errorf(job.InvalidJSON, "body has data after its JSON object")
	}
	if len(broken) == 0 {
		return nil
	}
	e := job.Invalid(broken[:min(len(broken), maxViolations)]...)
	e.Code = code
	return e
}

// decodeFault says which field a decoder stopped at.
func decodeFault(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return job.Invalid(job.Violation{
			Field: wrong.Field, Rule: "type", Detail: "must be " + article(wrong.Type.Kind().String()) + ", not " + clip(wrong.Value, maxQuoted),
		})
	}
	return notJSON(err)
}

// notJSON is the answer to a body that no parser takes.
func notJSON(err error) error { return job.Errorf(job.InvalidJSON, "body is not JSON: %w", err) }

// clip shortens what a stranger wrote before it is quoted.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// article names a JSON type for people, who do not know what a float64 is.
func article(kind string) string {
	switch kind {
	case "float64":
		return "a number in the range of a 64-bit float"
	case "string":
		return "a string"
	case "int":
		return "a whole number in the range of a 64-bit integer"
	case "bool":
		return "true or false"
	case "slice":
		return "a list"
	default:
		return "of another type (" + kind + ")"
	}
}

// rfc3339 is the shape of a time, as the contract has it. The parser of the
// standard library is laxer: hours of one digit, a comma before fractions, and
// offsets of more than a day pass there.
//
// T and Z may be small, as RFC 3339 has it in section 5.6.
var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// jsonNumber is the shape of a number in JSON (RFC 8259, section 6).
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)

// instant reads an RFC 3339 time; nil stays nil.
func instant(field string, s *string, broken *[]job.Violation) *time.Time {
	if s == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, strings.ToUpper(*s))
	if err != nil || !rfc3339.MatchString(*s) {
		*broken = append(*broken, job.Violation{Field: field, Rule: "rfc3339", Detail: "must be a time like 2020-02-19T11:34:25Z"})
		return nil
	}
	// Rows hold milliseconds: an answer shows from the start what later reads show.
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}
