package job_test

import (
	"testing"

	"orbitq/internal/job"
)

// TestTextsHaveNoHiddenCharacters: in names not at all, in prose only those that writing needs.
func TestTextsHaveNoHiddenCharacters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what, text  string
		name, prose string // rule that refuses it, empty for none
	}{
		{"nothing", "", "", ""},
		{"letters, digits, signs and spaces", "Weizen 2026 – Ost/West (ø æ 50 %) €", "", ""},
		{"Chinese, Arabic, Hindi and Thai", "\u5c0f\u9ea6 قمح हिन्दी ข้าว", "", ""},
		{"an emoji", "🌾", "", ""},
		{"a letter and its accent", "e\u0301", "", ""},
		{"NUL", "a\x00b", "charset", "charset"},
		{"escape", "\x1b[31m", "charset", "charset"},
		{"delete", "\x7f", "charset", "charset"},
		{"a control character of the second set", "\u0085", "charset", "charset"},
		{"zero-width space", "a\u200bb", "charset", "charset"},
		{"zero-width no-break space", "\ufeffa", "charset", "charset"},
		{"word joiner", "a\u2060b", "charset", "charset"},
		{"soft hyphen", "a\u00adb", "charset", "charset"},
		{"right-to-left override", "a\u202eb", "charset", "charset"},
		{"an isolate", "a\u2066b\u2069", "charset", "charset"},
		{"a mark of direction", "a\u200fb", "charset", "charset"},
		{"a tag character", "a\U000E0041", "charset", "charset"},
		{"a Hangul filler", "a\u3164", "charset", "charset"},
		{"a combining grapheme joiner", "a\u034fb", "charset", "charset"},
		{"a line separator", "a\u2028b", "charset", "charset"},
		{"a private character", "\ue000", "charset", "charset"},
		{"no character", "\uffff", "charset", "charset"},
		{"one that is not assigned", "\u0378", "charset", "charset"},
		{"broken UTF-8", "a\xff", "utf8", "utf8"},
		{"lines", "a\r\n\tb", "charset", ""},
		{"a zero-width non-joiner, as Persian has it", "می\u200cخواهم", "charset", ""},
		{"a family of emoji", "👩\u200d👩\u200d👧", "charset", ""},
		{"a variation selector", "❤\ufe0f", "charset", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			if got := ruleOf(job.CheckName("f", c.text)); got != c.name {
				t.Errorf("as a name: rule %q, want %q", got, c.name)
			}
			if got := ruleOf(job.CheckProse("f", c.text)); got != c.prose {
				t.Errorf("as prose: rule %q, want %q", got, c.prose)
			}
		})
	}
}

// ruleOf returns the rule of the only violation, empty for none.
func ruleOf(broken []job.Violation) string {
	if len(broken) == 0 || broken[0].Field != "f" {
		return ""
	}
	return broken[0].Rule
}
