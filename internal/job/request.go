package job

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits of what a request may say about a job, a chain or a batch.
const (
	// MaxKeyLength is the longest Idempotency-Key, in bytes.
	MaxKeyLength = 255
	// MaxTags is the most tags.
	MaxTags = 10
	// MaxTagLength is the longest tag or unique key, in bytes.
	MaxTagLength = 100
)

// KeyLife is how long an answer that names another job is remembered under its Idempotency-Key,
// from that answer on. The key of an accepted job lives as long as its row.
const KeyLife = 30 * 24 * time.Hour

// CheckQueue returns what is wrong with the name of a queue, if anything.
func CheckQueue(queue string) []Violation {
	if slices.Contains([]string{"high", "default", "low"}, queue) {
		return nil
	}
	return []Violation{{Field: "queue", Rule: "enum", Detail: "must be high, default or low"}}
}

// CheckKey refuses Idempotency-Keys that cannot be told apart reliably.
func CheckKey(key string) []Violation {
	if len(key) > MaxKeyLength {
		return []Violation{{Field: "Idempotency-Key", Rule: "max_length", Detail: "must have at most 255 bytes"}}
	}
	if !visible(key) {
		return []Violation{{Field: "Idempotency-Key", Rule: "charset", Detail: "must have visible ASCII characters only"}}
	}
	return nil
}

// CheckTags returns what is wrong with tags, if anything.
func CheckTags(tags []string) []Violation {
	if len(tags) > MaxTags {
		return []Violation{{Field: "tags", Rule: "max_items", Detail: "must be at most 10"}}
	}
	for i, t := range tags {
		if wrong := CheckTag("tags["+strconv.Itoa(i)+"]", t); wrong != nil {
			return wrong
		}
	}
	return nil
}

// CheckTag returns what is wrong with a tag or a unique key, if anything: it has 1 to
// MaxTagLength visible ASCII characters.
func CheckTag(field, s string) []Violation {
	if s != "" && len(s) <= MaxTagLength && visible(s) {
		return nil
	}
	return []Violation{{Field: field, Rule: "charset", Detail: "must have 1 to 100 visible ASCII characters"}}
}

// visible reports whether s has visible ASCII characters only.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}

// BodyHash returns the SHA-256 of a request body in hex.
func BodyHash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// ErrKeyReused says that a key was used for two different requests.
func ErrKeyReused() error {
	e := Errorf(KeyReused, "the Idempotency-Key was used before with another body")
	e.Violations = []Violation{{Field: "Idempotency-Key", Rule: "same_body", Detail: "use a new key for a new request"}}
	return e
}
