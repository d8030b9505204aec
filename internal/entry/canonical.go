package entry

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// composed returns a text in Unicode's form NFC, in which a letter with an accent is one
// character. Keyboards and file systems differ in the form that they send; without one form,
// one name would be two campaigns.
func composed(s string) string { return norm.NFC.String(s) }

// compose brings all texts of a decoded body into form NFC: of its fields, pointers and lists.
// What a body keeps raw for later is decoded, and so composed, by itself.
func compose(v reflect.Value) {
	switch v.Kind() { //nolint:exhaustive // other kinds hold no text
	case reflect.Pointer:
		if !v.IsNil() {
			compose(v.Elem())
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			compose(field)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return // raw
		}
		for i := range v.Len() {
			compose(v.Index(i))
		}
	case reflect.String:
		v.SetString(composed(v.String()))
	}
}

// composeParameters brings what a request names outside of its body into the form of the rows.
func composeParameters(r *request) {
	for _, all := range []map[string]string{r.PathParameters, r.QueryStringParameters} {
		for name, value := range all {
			all[name] = composed(value)
		}
	}
}

// halfSurrogate reports whether a JSON text escapes one half of a surrogate pair without the
// other. The decoder would store U+FFFD instead, as it would for broken UTF-8.
func halfSurrogate(raw []byte) bool {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 || i+1 >= len(raw) {
			return false
		}
		raw = raw[i:]
		c, ok := escapedUnit(raw)
		if !ok {
			raw = raw[2:] // another escape, or broken JSON that the parser refuses
			continue
		}
		raw = raw[6:]
		if !utf16.IsSurrogate(c) {
			continue
		}
		low, ok := escapedUnit(raw)
		if !ok || utf16.DecodeRune(c, low) == '\uFFFD' {
			return true
		}
		raw = raw[6:]
	}
}

// escapedUnit returns the UTF-16 unit of an escape such as \u00e9 at the start of a text.
func escapedUnit(raw []byte) (rune, bool) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}

// wholeNumbers returns a JSON text in which each whole number stands as one, such as 60 for
// 60.0 and 6e1: JSON has one kind of number, and JSON Schema takes these for integers, but the
// decoder does not. Texts and other numbers stay as they are.
func wholeNumbers(raw []byte) []byte {
	var out []byte
	kept := 0 // out has what stands before
	for i := 0; i < len(raw); {
		switch c := raw[i]; {
		case c == '"':
			i = textEnd(raw, i)
		case c == '-' || c >= '0' && c <= '9':
			end := i
			for end < len(raw) && strings.IndexByte("+-.eE0123456789", raw[end]) >= 0 {
				end++
			}
			if whole, ok := wholeNumber(string(raw[i:end])); ok {
				out = append(append(out, raw[kept:i]...), whole...)
				kept = end
			}
			i = end
		default:
			i++
		}
	}
	return append(out, raw[kept:]...)
}

// textEnd returns where a JSON text that begins at i ends.
func textEnd(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// maxDigits is how many digits a whole number may have to be written out. It bounds what a
// number such as 1e999999999 costs; an integer with more digits is in no range of ours.
const maxDigits = 18

// wholeNumber returns a JSON number with a fraction or an exponent without them, if it is whole.
func wholeNumber(s string) (string, bool) {
	if !strings.ContainsAny(s, ".eE") || !jsonNumber.MatchString(s) {
		return "", false
	}
	number, negative := strings.CutPrefix(s, "-")
	exponent := 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		n, err := strconv.Atoi(number[i+1:])
		if err != nil {
			return "", false
		}
		number, exponent = number[:i], n
	}
	whole, fraction, _ := strings.Cut(number, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	shorter := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(shorter)
	switch {
	case shorter == "":
		shorter, exponent = "0", 0
	case exponent < 0 || exponent > maxDigits || len(shorter)+exponent > maxDigits:
		return "", false
	}
	if negative {
		shorter = "-" + shorter
	}
	return shorter + strings.Repeat("0", exponent), true
}
