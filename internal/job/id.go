package job

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// crockford is the alphabet of a ULID: no I, L, O or U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// IDLength is the length of every id.
const IDLength = 26

// NewID returns a ULID: 48 bits of milliseconds, then 80 random bits, so that
// ids sort by time. See the ULID specification.
func NewID(now time.Time, entropy [10]byte) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], uint64(now.UnixMilli())<<16)
	copy(raw[6:], entropy[:])
	return encodeID(raw)
}

// DerivedID returns the id that a request with an Idempotency-Key gets: the
// same parts give the same id for ever, and no other owner can reach it.
func DerivedID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		// With the lengths no separator can be forged: ("a", "b") is not ("ab").
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write([]byte(p))
	}
	var raw [16]byte
	copy(raw[:], h.Sum(nil))
	return encodeID(raw)
}

// ValidID reports whether s has the shape of an id.
func ValidID(s string) bool {
	if len(s) != IDLength || s[0] > '7' {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(crockford, s[i]) < 0 {
			return false
		}
	}
	return true
}

// encodeID writes 128 bits as 26 characters, two zero bits in front, as a ULID
// does.
func encodeID(raw [16]byte) string {
	// 128 bits are 25.6 characters of 5 bits: shift right by two to fill 26.
	var padded [17]byte
	carry := byte(0)
	for i, b := range raw {
		padded[i] = carry | b>>2
		carry = b << 6
	}
	padded[16] = carry
	enc := base32.NewEncoding(crockford).WithPadding(base32.NoPadding)
	return enc.EncodeToString(padded[:])[:IDLength]
}
