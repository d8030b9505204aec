package entry_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// refusal is one bad request and the problem that it must get.
type refusal struct {
	name   string
	body   string
	change func(c *call)
	status int
	code   string
	field  string
	rule   string
}

// refused sends the request and holds the answer and the untouched table against what is wanted.
func (r refusal) refused(t *testing.T, path string) {
	t.Helper()
	b := start(t)
	pointID, _ := b.seed(t, ann)
	c := call{method: http.MethodPost, path: path, owner: ann, body: strings.ReplaceAll(r.body, "$POINT", pointID)}
	if r.change != nil {
		r.change(&c)
	}
	unchanged := b.snapshot()
	got := b.do(t, c)
	var p problem
	got.into(t, r.status, &p)
	if p.Code != r.code || p.Field != r.field || p.Rule != r.rule || p.Status != r.status || p.RequestID != "request-1" || p.Detail == "" || p.Title == "" {
		t.Errorf("problem is %+v", p)
	}
	if got.headers["content-type"] != "application/problem+json" || len(got.body) > 4096 {
		t.Errorf("%s of %d bytes", got.headers["content-type"], len(got.body))
	}
	if r.field != "" && (len(p.Errors) == 0 || p.Errors[0].Field != r.field || p.Errors[0].Rule != r.rule) {
		t.Errorf("errors are %+v", p.Errors)
	}
	if b.snapshot() != unchanged {
		t.Error("the table or the queue changed")
	}
}

func header(name, value string) func(*call) {
	return func(c *call) { c.headers = map[string]string{name: value} }
}

func inBase64(c *call) { c.body, c.base64 = base64.StdEncoding.EncodeToString([]byte(c.body)), true }

// shapeless are the bodies that no route takes, whatever its fields.
func shapeless() []refusal {
	deep := strings.Repeat(`{"value":`, 9_999)
	return []refusal{
		{name: "empty", body: "", status: 400, code: "INVALID_JSON"},
		{name: "not JSON", body: "hello", status: 400, code: "INVALID_JSON"},
		{name: "truncated", body: `{"value":1`, status: 400, code: "INVALID_JSON"},
		{name: "truncated in a name", body: `{"val`, status: 400, code: "INVALID_JSON"},
		{name: "no colon", body: `{"value" 1}`, status: 400, code: "INVALID_JSON"},
		{name: "name is no text", body: `{1:1}`, status: 400, code: "INVALID_JSON"},
		{name: "comma at the end", body: `{"value":1,}`, status: 400, code: "INVALID_JSON"},
		{name: "broken behind an unknown field", body: `{"x":1,"value":}`, status: 400, code: "INVALID_JSON"},
		{name: "NaN", body: `{"value":NaN}`, status: 400, code: "INVALID_JSON"},
		{name: "Infinity", body: `{"value":-Infinity}`, status: 400, code: "INVALID_JSON"},
		{name: "hex number", body: `{"value":0x10}`, status: 400, code: "INVALID_JSON"},
		{name: "comment", body: `{"value":1 /* no */}`, status: 400, code: "INVALID_JSON"},
		{name: "null", body: "null", status: 400, code: "INVALID_JSON"},
		{name: "list", body: "[]", status: 400, code: "INVALID_JSON"},
		{name: "text", body: `"x"`, status: 400, code: "INVALID_JSON"},
		{name: "number", body: "1", status: 400, code: "INVALID_JSON"},
		{name: "two objects", body: reading("") + reading(""), status: 400, code: "INVALID_JSON"},
		{name: "garbage behind", body: reading("") + "x", status: 400, code: "INVALID_JSON"},
		{name: "closed twice", body: reading("") + "}", status: 400, code: "INVALID_JSON"},
		{name: "byte order mark", body: "\ufeff" + reading(""), status: 400, code: "INVALID_JSON"},
		{name: "NUL", body: "{\x00}", status: 400, code: "INVALID_JSON"},
		{name: "nested too deep to parse", body: strings.Repeat("[", 200_000), status: 400, code: "INVALID_JSON"},
		{name: "nested objects too deep to parse", body: deep + deep, status: 400, code: "INVALID_JSON"},
		{name: "not UTF-8", body: "{\"notes\":\"\xff\xfe\"}", change: inBase64, status: 400, code: "INVALID_JSON"},
		{name: "half a surrogate as bytes", body: "{\"notes\":\"\xed\xa0\x80\"}", change: inBase64, status: 400, code: "INVALID_JSON"},
		{name: "not base64", body: "{}", change: func(c *call) { c.base64 = true }, status: 400, code: "INVALID_JSON"},
		{name: "300 KB", body: `{"notes":"` + strings.Repeat("x", 300_000) + `"}`, status: 413, code: "BODY_TOO_LARGE"},
		{name: "one byte too many", body: strings.Repeat(" ", 256<<10+1), status: 413, code: "BODY_TOO_LARGE"},
		{name: "300 KB in base64", body: strings.Repeat("[", 300_000), change: inBase64, status: 413, code: "BODY_TOO_LARGE"},
		{name: "form", body: reading(""), change: header("content-type", "application/x-www-form-urlencoded"), status: 415, code: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "text type", body: reading(""), change: header("content-type", "text/plain"), status: 415, code: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "similar type", body: reading(""), change: header("content-type", "application/json-patch+json"), status: 415, code: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "broken type", body: reading(""), change: header("content-type", "application/json;;"), status: 415, code: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "endless type", body: reading(""), change: header("content-type", strings.Repeat("x", 9000)), status: 415, code: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "no type", body: reading(""), change: header("content-type", "-"), status: 415, code: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "no subject", body: reading(""), change: func(c *call) { c.owner = "" }, status: 403, code: "FORBIDDEN"},
		{name: "subject too long", body: reading(""), change: func(c *call) { c.owner = strings.Repeat("u", 257) }, status: 403, code: "FORBIDDEN"},
	}
}

func TestShapelessBodiesAreRefused(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/data-points", "/v1/jobs"} {
		for _, r := range shapeless() {
			t.Run(path+" "+r.name, func(t *testing.T) { t.Parallel(); r.refused(t, path) })
		}
	}
}

func TestBadReadingsAreRefused(t *testing.T) {
	t.Parallel()
	with := func(old, replacement string) string { return strings.Replace(reading(""), old, replacement, 1) }
	text := func(n int) string { return strings.Repeat("ж", n) }
	for _, r := range []refusal{
		{name: "latitude 91", body: with("28.2841", "91"), field: "latitude", rule: "range"},
		{name: "latitude just over", body: with("28.2841", "-90.0000000001"), field: "latitude", rule: "range"},
		{name: "longitude 181", body: with("-10.0973", "181"), field: "longitude", rule: "range"},
		{name: "number too large for a float", body: with("28.2841", "1e999"), field: "latitude", rule: "type"},
		{name: "number as text", body: with("28.2841", `"1e999"`), field: "latitude", rule: "type"},
		{name: "NaN as text", body: with("28.2841", `"NaN"`), field: "latitude", rule: "type"},
		{name: "endless number", body: with("28.2841", strings.Repeat("9", 100_000)), field: "latitude", rule: "type"},
		{name: "null", body: with("28.2841", "null"), field: "latitude", rule: "type"},
		{name: "null where nothing is required", body: reading(`"accuracy":null,`), field: "accuracy", rule: "type"},
		{name: "null as text", body: reading(`"notes":null,`), field: "notes", rule: "type"},
		{name: "boolean", body: with("28.2841", "true"), field: "latitude", rule: "type"},
		{name: "object", body: with("28.2841", "{}"), field: "latitude", rule: "type"},
		{name: "list", body: with("28.2841", "[28.2841]"), field: "latitude", rule: "type"},
		{name: "deep list", body: with("28.2841", strings.Repeat("[", 5000)+strings.Repeat("]", 5000)), field: "latitude", rule: "type"},
		{name: "text is a number", body: reading(`"notes":5,`), field: "notes", rule: "type"},
		{name: "no latitude", body: `{"longitude":1,"value":1}`, field: "latitude", rule: "required"},
		{name: "no longitude", body: `{"latitude":1,"value":1}`, field: "longitude", rule: "required"},
		{name: "no value", body: `{"latitude":1,"longitude":1}`, field: "value", rule: "required"},
		{name: "nothing", body: `{}`, field: "latitude", rule: "required"},
		{name: "value too large", body: with("21.5", "100000000"), field: "value", rule: "range"},
		{name: "accuracy below 0", body: reading(`"accuracy":-0.1,`), field: "accuracy", rule: "range"},
		{name: "accuracy too large", body: reading(`"accuracy":1000000,`), field: "accuracy", rule: "range"},
		{name: "tomorrow", body: with("2020-02-19T11:21:00Z", "2026-03-02T12:00:00Z"), field: "collected_at", rule: "not_future"},
		{name: "just beyond the skew", body: with("2020-02-19T11:21:00Z", "2026-03-01T12:05:00.001Z"), field: "collected_at", rule: "not_future"},
		{name: "calibrated tomorrow", body: reading(`"calibration_at":"2026-03-02T12:00:00Z",`), field: "calibration_at", rule: "not_future"},
		{name: "time without zone", body: with("11:21:00Z", "11:21:00"), field: "collected_at", rule: "rfc3339"},
		{name: "time with one digit", body: with("11:21:00Z", "1:21:00Z"), field: "collected_at", rule: "rfc3339"},
		{name: "time with a comma", body: with("11:21:00Z", "11:21:00,5Z"), field: "collected_at", rule: "rfc3339"},
		{name: "offset of a day", body: with("11:21:00Z", "11:21:00+24:00"), field: "collected_at", rule: "rfc3339"},
		{name: "30 February", body: with("2020-02-19", "2020-02-30"), field: "collected_at", rule: "rfc3339"},
		{name: "day only", body: with("T11:21:00Z", ""), field: "collected_at", rule: "rfc3339"},
		{name: "empty time", body: with("2020-02-19T11:21:00Z", ""), field: "collected_at", rule: "rfc3339"},
		{name: "notes too long", body: reading(`"notes":"` + text(1001) + `",`), field: "notes", rule: "max_length"},
		{name: "model too long", body: reading(`"device_model":"` + text(101) + `",`), field: "device_model", rule: "max_length"},
		{name: "sensor too long", body: reading(`"sensor_type":"` + text(51) + `",`), field: "sensor_type", rule: "max_length"},
		{name: "metric too long", body: reading(`"metric_id":"` + text(65) + `",`), field: "metric_id", rule: "max_length"},
		{name: "campaign too long", body: reading(`"campaign_id":"` + text(65) + `",`), field: "campaign_id", rule: "max_length"},
		{name: "unknown queue", body: reading(`"queue":"fast",`), field: "queue", rule: "enum"},
		{name: "empty queue", body: reading(`"queue":"",`), field: "queue", rule: "enum"},
		{name: "owner in the body", body: reading(`"owner":"user-ben",`), code: "UNKNOWN_FIELD", field: "owner", rule: "known"},
		{name: "misspelt", body: reading(`"latitud":1,`), code: "UNKNOWN_FIELD", field: "latitud", rule: "known"},
		{name: "other case", body: with(`"latitude"`, `"Latitude"`), code: "UNKNOWN_FIELD", field: "Latitude", rule: "known"},
		{name: "long s", body: reading(`"note` + "\u017f" + `":"x",`), code: "UNKNOWN_FIELD", field: "note\u017f", rule: "known"},
		{name: "empty name", body: reading(`"":1,`), code: "UNKNOWN_FIELD", field: "", rule: "known"},
		{name: "endless name", body: reading(`"` + strings.Repeat("n", 100_000) + `":1,`), code: "UNKNOWN_FIELD", field: strings.Repeat("n", 100) + "...", rule: "known"},
		{name: "twice", body: reading(`"latitude":1,`), field: "latitude", rule: "unique"},
		{name: "twice in other letters", body: reading(`"\u006catitude":1,`), field: "latitude", rule: "unique"},
		{name: "key too long", body: reading(""), change: header("idempotency-key", strings.Repeat("k", 256)), field: "Idempotency-Key", rule: "max_length"},
		{name: "empty key", body: reading(""), change: header("idempotency-key", ""), field: "Idempotency-Key", rule: "min_length"},
		{name: "key with a space", body: reading(""), change: header("idempotency-key", "a b"), field: "Idempotency-Key", rule: "charset"},
		{name: "key beyond ASCII", body: reading(""), change: header("idempotency-key", "schlüssel"), field: "Idempotency-Key", rule: "charset"},
	} {
		r.status = http.StatusUnprocessableEntity
		if r.code == "" {
			r.code = "INVALID_FIELD"
		}
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.refused(t, "/v1/data-points") })
	}
}

func TestBadDispatchesAreRefused(t *testing.T) {
	t.Parallel()
	const unknownID = "01JM8WQ5Z3T5V9B0C2D4E6F8GH"
	for _, r := range []refusal{
		{name: "unknown kind", body: `{"kind":"mine","data_point_id":"$POINT"}`, status: 422, code: "UNKNOWN_KIND", field: "kind", rule: "known"},
		{name: "kind in other case", body: `{"kind":"Enrich","data_point_id":"$POINT"}`, status: 422, code: "UNKNOWN_KIND", field: "kind", rule: "known"},
		{name: "no kind", body: `{"data_point_id":"$POINT"}`, status: 422, code: "UNKNOWN_KIND", field: "kind", rule: "known"},
		{name: "no point", body: `{"kind":"enrich"}`, status: 422, code: "INVALID_FIELD", field: "data_point_id", rule: "id"},
		{name: "id of another shape", body: `{"kind":"enrich","data_point_id":"42"}`, status: 422, code: "INVALID_FIELD", field: "data_point_id", rule: "id"},
		{name: "id is a number", body: `{"kind":"enrich","data_point_id":42}`, status: 422, code: "INVALID_FIELD", field: "data_point_id", rule: "type"},
		{name: "id in small letters", body: `{"kind":"enrich","data_point_id":"` + strings.ToLower(unknownID) + `"}`, status: 422, code: "INVALID_FIELD", field: "data_point_id", rule: "id"},
		{name: "unknown point", body: `{"kind":"enrich","data_point_id":"` + unknownID + `"}`, status: 404, code: "NOT_FOUND"},
		{name: "another's point", body: `{"kind":"enrich","data_point_id":"$POINT"}`, change: func(c *call) { c.owner = ben }, status: 404, code: "NOT_FOUND"},
		{name: "bad queue", body: `{"kind":"enrich","data_point_id":"$POINT","queue":"HIGH"}`, status: 422, code: "INVALID_FIELD", field: "queue", rule: "enum"},
		{name: "queue is null", body: `{"kind":"enrich","data_point_id":"$POINT","queue":null}`, status: 422, code: "INVALID_FIELD", field: "queue", rule: "type"},
		{name: "unknown field", body: `{"kind":"enrich","data_point_id":"$POINT","tries":9}`, status: 422, code: "UNKNOWN_FIELD", field: "tries", rule: "known"},
		{name: "empty key", body: `{"kind":"enrich","data_point_id":"$POINT"}`, change: header("idempotency-key", ""), status: 422, code: "INVALID_FIELD", field: "Idempotency-Key", rule: "min_length"},
	} {
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.refused(t, "/v1/jobs") })
	}
}

// Every broken rule is told at once, and a body of nothing but nonsense does not come back as large as it was.
func TestAllBrokenRulesAreTold(t *testing.T) {
	t.Parallel()
	b := start(t)
	var p problem
	body := `{"latitude":91,"longitude":181,"accuracy":-1,"queue":"fast"}`
	b.do(t, call{method: "POST", path: "/v1/data-points", owner: ann, body: body}).into(t, http.StatusUnprocessableEntity, &p)
	var fields []string
	for _, e := range p.Errors {
		fields = append(fields, e.Field+" "+e.Rule)
	}
	if got := strings.Join(fields, ", "); got != "latitude range, longitude range, value required, accuracy range, queue enum" {
		t.Errorf("told %s", got)
	}
	nonsense := map[string]int{}
	for i := range 5000 {
		nonsense["field"+strconv.Itoa(i)] = 1
	}
	raw, err := json.Marshal(nonsense)
	if err != nil {
		t.Fatal(err)
	}
	got := b.do(t, call{method: "POST", path: "/v1/data-points", owner: ann, body: string(raw)})
	got.into(t, http.StatusUnprocessableEntity, &p)
	if len(got.body) > 16<<10 || len(p.Errors) != 20 {
		t.Errorf("%d bytes, %d errors", len(got.body), len(p.Errors))
	}
}
