package entry

import (
	"encoding/json"
	"math"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// TestWholeNumbersAreIntegers: however they are written. What is not whole stays, as do texts.
func TestWholeNumbersAreIntegers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":60.0}`: `{"a":60}`, `[6e1,6E+1,0.6e2,600e-1]`: `[60,60,60,60]`, `-1.50e1`: `-15`, `0.0`: `0`, `-0.0`: `-0`, `0e9`: `0`,
		`1.5`: `1.5`, `15e-1`: `15e-1`, `1e17`: `100000000000000000`, `1e18`: `1e18`, `1e999999999999999999999`: `1e999999999999999999999`,
		`1e-999999999`: `1e-999999999`, `"60.0"`: `"60.0"`, `{"60.0\"1.0":1.0}`: `{"60.0\"1.0":1}`, `"open \`: `"open \`, `01.0`: `01.0`, `1.`: `1.`, `.0`: `.0`, `1.0.0`: `1.0.0`,
	} {
		if got := string(wholeNumbers([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}

// TestWholeNumbersKeepTheirValue: nothing but the form changes.
func TestWholeNumbersKeepTheirValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := []byte(rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number"))
		var before, after float64
		if err := json.Unmarshal(raw, &before); err != nil {
			t.Skip("out of range")
		}
		if err := json.Unmarshal(wholeNumbers(raw), &after); err != nil || before != after {
			t.Fatalf("%s became %s: %v", raw, wholeNumbers(raw), err)
		}
		if math.Trunc(before) == before && math.Abs(before) < 1<<53 && len(raw) < 16 {
			var n int64
			if err := json.Unmarshal(wholeNumbers(raw), &n); err != nil {
				t.Fatalf("%s is whole, but %s is no integer", raw, wholeNumbers(raw))
			}
		}
	})
}

// TestHalfASurrogateIsFound: a pair, another escape and an escaped backslash are none.
func TestHalfASurrogateIsFound(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		`"\ud800"`: true, `"\udc00"`: true, `"\ud800\ud800\udc00"`: true, `"\uD83C\n"`: true, `"\ud83cx"`: true, `"\udc00\ud800"`: true,
		`"\ud83c\udf3e"`: false, `"\\ud800"`: false, `"\\\ud800"`: true, `"\u00e9"`: false, `"\uzzzz"`: false, `"\`: false, `"\u12`: false, `""`: false,
	} {
		if got := halfSurrogate([]byte(in)); got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

// FuzzCanonical: whatever comes, nothing fails; what is JSON stays JSON with the same numbers
// and texts; a text without half a surrogate holds no U+FFFD that was not sent.
func FuzzCanonical(f *testing.F) {
	for _, seed := range []string{`{"a":60.0}`, `"\ud83c\udf3e"`, `[1e5,"1e5"]`, `"\`, `-`, `1.0e`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		whole := wholeNumbers(raw)
		var before, after any
		if json.Unmarshal(raw, &before) != nil || !utf8.Valid(raw) || halfSurrogate(raw) {
			return
		}
		if err := json.Unmarshal(whole, &after); err != nil {
			t.Fatalf("%q became %q: %v", raw, whole, err)
		}
		a, _ := json.Marshal(before)
		if b, _ := json.Marshal(after); string(a) != string(b) {
			t.Fatalf("%s became %s", a, b)
		}
	})
}
