package webhook

import (
	"encoding/base64"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The vector of the specification's own libraries.
const (
	vectorSecret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID        = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorTime      = 1614265330
	vectorBody      = `{"test": 2432232314}`
	vectorSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

// secretOf returns a secret with a key of n equal bytes.
func secretOf(n int, b byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(string(rune(b)), n)))
}

// headers are those of a callback.
func headers(id string, at int64, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(at, 10))
	h.Set("webhook-signature", signature)
	return h
}

func TestSignMatchesTheSpecification(t *testing.T) {
	t.Parallel()
	at := time.Unix(vectorTime, 999_999_999)
	got, err := Sign([]string{vectorSecret}, vectorID, at, []byte(vectorBody))
	if err != nil || got != vectorSignature {
		t.Errorf("got %q, %v, want %q", got, err, vectorSignature)
	}
	if err := Verify(vectorSecret, headers(vectorID, vectorTime, vectorSignature), []byte(vectorBody), at); err != nil {
		t.Errorf("the vector is refused: %v", err)
	}
}

func TestEverySecretOfARotationVerifies(t *testing.T) {
	t.Parallel()
	older, newer, foreign := secretOf(24, 'a'), secretOf(64, 'b'), secretOf(32, 'c')
	now := time.Unix(vectorTime, 0)
	got, err := Sign([]string{newer, older}, "evt_1", now, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	alone, err := Sign([]string{newer}, "evt_1", now, []byte("{}"))
	if err != nil || !strings.HasPrefix(got, alone+" v1,") || strings.Count(got, " ") != 1 {
		t.Errorf("got %q, want two signatures with %q first", got, alone)
	}
	h := headers("evt_1", vectorTime, got)
	for _, secret := range []string{older, newer} {
		if err := Verify(secret, h, []byte("{}"), now); err != nil {
			t.Errorf("a current secret fails: %v", err)
		}
	}
	if Verify(foreign, h, []byte("{}"), now) == nil {
		t.Error("a foreign secret verifies")
	}
}

func TestVerifyTolerance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		clock int64 // the receiver's, seconds after the signature
		want  bool
	}{
		{"now", 0, true},
		{"oldest", 300, true},
		{"too old", 301, false},
		{"receiver's clock is slow", -300, true},
		{"from the future", -301, false},
		{"receiver lives before 1970", -vectorTime - 1, false},
		{"receiver has no clock", -vectorTime - 62135596800, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := headers(vectorID, vectorTime, vectorSignature)
			err := Verify(vectorSecret, h, []byte(vectorBody), time.Unix(vectorTime+c.clock, 0))
			if got := err == nil; got != c.want {
				t.Errorf("got %v, want accepted %v", err, c.want)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, secret, id, stamp, signature, body string
	}{
		{name: "other body", body: `{"test": 2432232315}`},
		{name: "empty body", body: " "},
		{name: "other id", id: "msg_other"},
		{name: "id with the timestamp in it", id: vectorID + ".1614265330"},
		{name: "no id", id: "-"},
		{name: "other time", stamp: "1614265331"},
		{name: "time with a zero in front", stamp: "01614265330"},
		{name: "time with a sign", stamp: "+1614265330"},
		{name: "time in milliseconds", stamp: "1614265330000"},
		{name: "time beyond 64 bits", stamp: "99999999999999999999"},
		{name: "time at the end of 63 bits", stamp: "9223372036854775807"},
		{name: "negative time", stamp: "-9223372036854775808"},
		{name: "time with a fraction", stamp: "1614265330.0"},
		{name: "time that is no number", stamp: "NaN"},
		{name: "infinite time", stamp: "Inf"},
		{name: "no time", stamp: "-"},
		{name: "no signature", signature: "-"},
		{name: "version only", signature: "v1,"},
		{name: "other version", signature: "v1a" + vectorSignature[2:]},
		{name: "no version", signature: vectorSignature[3:]},
		{name: "shortened", signature: vectorSignature[:len(vectorSignature)-1]},
		{name: "lengthened", signature: vectorSignature + "="},
		{name: "commas between", signature: "v1,AAAA," + vectorSignature},
		{name: "other secret", secret: secretOf(24, 'x')},
		{name: "secret without prefix", secret: vectorSecret[6:]},
		{name: "secret of another kind", secret: "whsk_" + vectorSecret[6:]},
		{name: "short secret", secret: secretOf(23, 'x')},
		{name: "empty secret", secret: "whsec_"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := headers(vectorID, vectorTime, vectorSignature)
			replace(h, "webhook-id", c.id)
			replace(h, "webhook-timestamp", c.stamp)
			replace(h, "webhook-signature", c.signature)
			secret, body := vectorSecret, vectorBody
			if c.secret != "" {
				secret = c.secret
			}
			if c.body != "" {
				body = c.body
			}
			err := Verify(secret, h, []byte(body), time.Unix(vectorTime, 0))
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "g0hM9SsE") {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

// replace sets a header, or takes it away for "-".
func replace(h http.Header, name, value string) {
	switch value {
	case "":
	case "-":
		h.Del(name)
	default:
		h.Set(name, value)
	}
}

func TestVerifyFindsOursAmongOthers(t *testing.T) {
	t.Parallel()
	for _, signature := range []string{
		"v1,AAAA " + vectorSignature, vectorSignature + " v1a,AAAA", "  " + vectorSignature + "  ", "v1 , " + vectorSignature,
	} {
		if err := Verify(vectorSecret, headers(vectorID, vectorTime, signature), []byte(vectorBody), time.Unix(vectorTime, 0)); err != nil {
			t.Errorf("%q is refused: %v", signature, err)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	good, now := []string{vectorSecret}, time.Unix(vectorTime, 0)
	for _, c := range []struct {
		name    string
		secrets []string
		id      string
		at      time.Time
	}{
		{"no secret", nil, "evt_1", now},
		{"second secret bad", []string{vectorSecret, "whsec_!"}, "evt_1", now},
		{"secret too long", []string{secretOf(65, 'x')}, "evt_1", now},
		{"no id", good, "", now},
		{"full stop in the id", good, "evt.1", now},
		{"space in the id", good, "evt 1", now},
		{"line break in the id", good, "evt\r\nx-evil: 1", now},
		{"id beyond ASCII", good, "évt", now},
		{"long id", good, strings.Repeat("x", 257), now},
		{"no time", good, "evt_1", time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got, err := Sign(c.secrets, c.id, c.at, nil); err == nil || got != "" {
				t.Errorf("got %q, %v, want an error", got, err)
			}
		})
	}
}

// TestSignedIsVerified: what is signed verifies, and no longer does after any one byte of it changed.
func TestSignedIsVerified(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		secret, body := secretOf(24+r.IntN(41), byte('a'+r.IntN(26))), make([]byte, 1+r.IntN(200))
		for i := range body {
			body[i] = byte(r.Uint32())
		}
		at := r.Int64N(1 << 40)
		signed, err := Sign([]string{secret}, "batch#1#done", time.Unix(at, 0), body)
		if err != nil {
			t.Fatal(err)
		}
		h := headers("batch#1#done", at, signed)
		if err := Verify(secret, h, body, time.Unix(at, 0)); err != nil {
			t.Fatalf("signed and refused: %v", err)
		}
		body[r.IntN(len(body))] ^= byte(1 << r.IntN(8))
		if Verify(secret, h, body, time.Unix(at, 0)) == nil {
			t.Fatal("changed and accepted")
		}
	}
}

// FuzzVerify gives any request to the receiver: only the one signature that Sign makes is accepted, within tolerance.
func FuzzVerify(f *testing.F) {
	f.Add(vectorSecret, vectorID, "1614265330", vectorSignature, []byte(vectorBody), int64(vectorTime))
	f.Add(vectorSecret, vectorID, "1614265330", "v1,x v1a,y "+vectorSignature, []byte(vectorBody), int64(vectorTime+300))
	f.Add(vectorSecret, "a.1", "-1", "v1,", []byte(nil), int64(-1<<63))
	f.Add("whsec_", "", "NaN", ",, ,", []byte("{}"), int64(1<<62))
	f.Fuzz(func(t *testing.T, secret, id, stamp, signature string, body []byte, now int64) {
		h := http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {signature}}
		if Verify(secret, h, body, time.Unix(now, 0)) != nil {
			return
		}
		at, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil || at < 0 || at-now > 300 || now-at > 300 {
			t.Fatalf("accepted time %q at %d", stamp, now)
		}
		want, err := Sign([]string{secret}, id, time.Unix(at, 0), body)
		if canonical := strconv.FormatInt(at, 10) == stamp; canonical && (err != nil || !strings.Contains(" "+signature+" ", " "+want+" ")) {
			t.Fatalf("accepted %q, want %q, %v", signature, want, err)
		}
	})
}
