package entry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"time"

	"orbitq/internal/job"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 256 << 10

// decode reads a JSON body strictly into v: one object, no unknown or repeated
// fields, the right types. Each failure names the field and the rule.
func decode(r *request, v any) ([]byte, error) {
	if t := r.Headers["content-type"]; t != "" {
		if media, _, err := mime.ParseMediaType(t); err != nil || media != "application/json" {
			return nil, job.Errorf(job.UnsupportedMedia, "content-type must be application/json, not %q", t)
		}
	}
	raw, err := body(r)
	if err != nil {
		return nil, err
	}
	if len(raw) > MaxBody {
		return nil, job.Errorf(job.BodyTooLarge, "body has %d bytes, the limit is %d", len(raw), MaxBody)
	}
	if err := singleFields(raw); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return nil, decodeFault(err)
	}
	return raw, nil
}

// singleFields checks that raw is exactly one JSON object in which no field comes
// twice: which of two values counts would be anybody's guess.
func singleFields(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	first, err := dec.Token()
	if err != nil {
		return job.Errorf(job.InvalidJSON, "body is not JSON: %w", err)
	}
	if first != json.Delim('{') {
		return job.Errorf(job.InvalidJSON, "body must be a JSON object")
	}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return job.Errorf(job.InvalidJSON, "body is not JSON: %w", err)
		}
		field := fmt.Sprint(name)
		if seen[field] {
			return job.Invalid(job.Violation{Field: field, Rule: "unique", Detail: "must be given once"})
		}
		seen[field] = true
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return job.Errorf(job.InvalidJSON, "body is not JSON: %w", err)
		}
	}
	if _, err := dec.Token(); err != nil {
		return job.Errorf(job.InvalidJSON, "body is not JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return job.Errorf(job.InvalidJSON, "body has data after its JSON object")
	}
	return nil
}

// decodeFault says which field a decoder stopped at.
func decodeFault(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return job.Invalid(job.Violation{
			Field: wrong.Field, Rule: "type", Detail: "must be " + article(wrong.Type.Kind().String()) + ", not " + wrong.Value,
		})
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		e := job.Invalid(job.Violation{Field: strings.Trim(name, `"`), Rule: "known", Detail: "is not a field of this request"})
		e.Code = job.UnknownField
		return e
	}
	return job.Errorf(job.InvalidJSON, "body is not JSON: %w", err)
}

// article names a JSON type for people.
func article(kind string) string {
	switch kind {
	case "float64":
		return "a number in the range of a 64-bit float"
	case "string":
		return "a string"
	default:
		return "of another type (" + kind + ")"
	}
}

// instant reads an RFC 3339 time; nil stays nil.
func instant(field string, s *string, broken *[]job.Violation) *time.Time {
	if s == nil {
		return nil
	}
	t, err := time.Parse(time.RFC3339, *s)
	if err != nil {
		*broken = append(*broken, job.Violation{Field: field, Rule: "rfc3339", Detail: "must be a time like 2020-02-19T11:34:25Z"})
		return nil
	}
	t = t.UTC()
	return &t
}
