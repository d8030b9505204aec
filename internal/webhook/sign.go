package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of a key in bytes. Source: specification, "Signature schemes".
const (
	minKey = 24
	maxKey = 64
)

// tolerance is how far, in seconds, a timestamp may be off in either direction:
// long enough for clocks that differ, short enough that a stolen callback is
// soon worth nothing.
const tolerance = 5 * 60

// version marks signatures by HMAC-SHA256; others may stand beside them.
const version = "v1,"

// Sign returns the webhook-signature header for a message: one signature per
// secret, in their order, with a space between. It fails without secrets, for a
// secret that is none, for an id that Verify would refuse, and before 1970.
func Sign(secrets []string, id string, at time.Time, body []byte) (string, error) {
	if len(secrets) == 0 {
		return "", errors.New("sign callback: there is no secret")
	}
	if !usable(id) || at.Unix() < 0 {
		return "", errors.New("sign callback: id or time cannot be signed")
	}
	all := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := keyOf(secret)
		if err != nil {
			return "", fmt.Errorf("sign callback with secret %d: %w", i+1, err)
		}
		all[i] = signature(key, id, strconv.FormatInt(at.Unix(), 10), body)
	}
	return strings.Join(all, " "), nil
}

// Verify says whether a request is a callback of ours: body as it came, before
// any parser, and now by the receiver's clock. It is written as the sample for
// receivers. They should remember the webhook-id for at least 10 minutes, and
// drop what they have seen.
func Verify(secret string, h http.Header, body []byte, now time.Time) error {
	key, err := keyOf(secret)
	if err != nil {
		return fmt.Errorf("verify callback: %w", err)
	}
	id, stamp := h.Get(headerID), h.Get(headerTimestamp)
	if !usable(id) {
		return errors.New("verify callback: no usable webhook-id")
	}
	// 63 bits without a sign: the difference below cannot overflow.
	at, err := strconv.ParseUint(stamp, 10, 63)
	if err != nil {
		return errors.New("verify callback: webhook-timestamp is no number of seconds")
	}
	if off := now.Unix() - int64(at); off > tolerance || off < -tolerance {
		return errors.New("verify callback: webhook-timestamp is too far from now")
	}
	// The time that a comparison takes must not tell how much of a guess is right.
	want := []byte(signature(key, id, stamp, body))
	given := strings.Split(h.Get(headerSignature), " ")
	if !slices.ContainsFunc(given, func(s string) bool { return hmac.Equal([]byte(s), want) }) {
		return errors.New("verify callback: no signature matches")
	}
	return nil
}

// signature signs with one key. The parts are joined by full stops; see usable.
func signature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	return version + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// keyOf decodes a secret. Its errors do not quote it.
func keyOf(secret string) ([]byte, error) {
	// Without the prefix it may be a key for something else, even a public one.
	encoded, ours := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if !ours || err != nil {
		return nil, errors.New("secret is not whsec_ and base64")
	}
	if len(key) < minKey || len(key) > maxKey {
		return nil, fmt.Errorf("secret has %d bytes, must have %d to %d", len(key), minKey, maxKey)
	}
	return key, nil
}

// usable says whether an id can be signed. With a full stop in it, the end of an
// id could pass for the timestamp, and a timestamp for the beginning of a body.
func usable(id string) bool {
	return id != "" && len(id) <= 256 && !strings.ContainsFunc(id, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '.'
	})
}
