package job

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// CheckName returns what is wrong with the characters of a name that people choose and compare:
// of a campaign, a metric, a batch. Each character must be one that a reader sees, or a space.
//
// Two names that look alike would be two campaigns, and one that turns its line around would lie
// in a list. So there are no control characters, none of format (zero width, direction), no line
// separators and no fillers. Code points that are private or not assigned are refused as well: a
// later version of Unicode may compare them in another way. Letters, marks, digits, signs and
// spaces of all scripts are allowed. ZWJ and ZWNJ are not: some scripts are written with them, and
// still two names that differ by one look alike.
func CheckName(field, s string) []Violation {
	return checkText(field, s, seen)
}

// CheckProse returns what is wrong with the characters of a text that people only read: notes, a
// reason. It may also have line breaks and tabs, and what letters and emoji are joined by.
func CheckProse(field, s string) []Violation {
	return checkText(field, s, func(r rune) bool {
		return seen(r) || r == '\n' || r == '\r' || r == '\t' || r == '\u200c' || r == '\u200d' || unicode.Is(unicode.Variation_Selector, r)
	})
}

// checkText refuses a text with a character that is not allowed.
func checkText(field, s string, allowed func(rune) bool) []Violation {
	if !utf8.ValidString(s) {
		return []Violation{{Field: field, Rule: "utf8", Detail: "must be valid UTF-8"}}
	}
	for _, r := range s {
		if !allowed(r) {
			return []Violation{{Field: field, Rule: "charset", Detail: "must not have the character " + strconv.QuoteRuneToASCII(r) + ", which nobody sees"}}
		}
	}
	return nil
}

// seen reports whether a reader sees a character, or a space in its place.
func seen(r rune) bool {
	return unicode.IsGraphic(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}
