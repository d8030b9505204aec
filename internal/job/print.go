package job

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode"
)

// Fingerprint returns a short name for failures of the same cause: kind, code and
// reason, with everything that differs from case to case (numbers, ids, times,
// addresses) left out. Two thousand failures are often three fingerprints.
func Fingerprint(kind string, code Code, reason string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + string(code) + "\x00" + pattern(reason)))
	return hex.EncodeToString(sum[:6])
}

// pattern returns the words of a text without those that hold a digit.
func pattern(text string) string {
	words := strings.FieldsFunc(text, func(c rune) bool {
		return !unicode.IsLetter(c) && !unicode.IsDigit(c) && c != '_' && c != '-'
	})
	kept := words[:0]
	for _, w := range words {
		if !strings.ContainsFunc(w, unicode.IsDigit) {
			kept = append(kept, strings.ToLower(w))
		}
	}
	return strings.Join(kept, " ")
}
