package entry_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// refusedAt is a refusal with its route; $POINT, $BATCH and its $ITEM are ann's, $FOREIGN is ben's.
type refusedAt struct {
	name, method, path, body string
	status                   int
	code, field, rule        string
	change                   func(*call)
}

// run sends the request and holds answer, contract and the untouched table against what is wanted.
func (r refusedAt) run(t *testing.T) {
	t.Helper()
	b := start(t)
	c := call{method: r.method, path: r.path, body: r.body, owner: ann}
	for _, fill := range []struct {
		mark string
		make func() string
	}{
		{"$POINT", func() string { return b.plain(t, ann, `"campaign_id":"coast",`) }},
		{"$FOREIGN", func() string { return b.plain(t, ben, `"campaign_id":"coast",`) }},
		{"$BATCH", func() string {
			batch, items := b.batch(t, ann, 1, "")
			c.body = strings.ReplaceAll(c.body, "$ITEM", items[0])
			return batch.ID
		}},
	} {
		if strings.Contains(c.path+c.body, fill.mark) { // each costs requests
			fill := strings.NewReplacer(fill.mark, fill.make())
			c.path, c.body = fill.Replace(c.path), fill.Replace(c.body)
		}
	}
	if r.change != nil {
		r.change(&c)
	}
	unchanged := b.snapshot()
	var p problem
	got := b.do(t, c)
	status, code := r.status, r.code
	if status == 0 {
		status = http.StatusUnprocessableEntity
	}
	if code == "" {
		code = "INVALID_FIELD"
	}
	got.into(t, status, &p)
	if p.Code != code || p.Field != r.field || p.Rule != r.rule || p.Detail == "" {
		t.Errorf("problem is %+v, want %s of %s %s", p, code, r.field, r.rule)
	}
	if len(got.body) > 8192 {
		t.Errorf("the answer has %d bytes", len(got.body))
	}
	if b.snapshot() != unchanged {
		t.Error("something was stored, sent or started")
	}
}

// ids returns n ids that nobody has, as a JSON list.
func ids(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = "01JM8WQ5Z3T5V9B0C2D" + strconv.Itoa(1_000_000+i)
	}
	return quoted(all)
}

func TestBadChainsAreRefused(t *testing.T) {
	t.Parallel()
	const point = `{"data_point_id":"$POINT",`
	for _, r := range []refusedAt{
		{name: "nothing", body: `{}`, field: "data_point_id", rule: "id"},
		{name: "id of another shape", body: `{"data_point_id":"42"}`, field: "data_point_id", rule: "id"},
		{name: "id is a number", body: `{"data_point_id":42}`, field: "data_point_id", rule: "type"},
		{name: "id is null", body: `{"data_point_id":null}`, field: "data_point_id", rule: "type"},
		{name: "unknown field", body: point + `"kind":"enrich"}`, code: "UNKNOWN_FIELD", field: "kind", rule: "known"},
		{name: "other case", body: point + `"Steps":["enrich"]}`, code: "UNKNOWN_FIELD", field: "Steps", rule: "known"},
		{name: "twice", body: point + `"data_point_id":"$POINT"}`, field: "data_point_id", rule: "unique"},
		{name: "no steps", body: point + `"steps":[]}`, field: "steps", rule: "min_items"},
		{name: "null steps", body: point + `"steps":null}`, field: "steps", rule: "type"},
		{name: "null step", body: point + `"steps":["enrich",null]}`, field: "steps", rule: "known"},
		{name: "steps are a text", body: point + `"steps":"enrich"}`, field: "steps", rule: "type"},
		{name: "steps are numbers", body: point + `"steps":[1]}`, field: "steps", rule: "type"},
		{name: "unknown step", body: point + `"steps":["enrich","` + strings.Repeat("m", 100_000) + `"]}`, field: "steps", rule: "known"},
		{name: "step in other case", body: point + `"steps":["Enrich"]}`, field: "steps", rule: "known"},
		{name: "step twice", body: point + `"steps":["enrich","enrich"]}`, field: "steps", rule: "unique"},
		{name: "wrong order", body: point + `"steps":["notify","enrich"]}`, field: "steps", rule: "order"},
		{name: "wrong order behind", body: point + `"steps":["enrich","notify","analyze"]}`, field: "steps", rule: "order"},
		{name: "eleven steps", body: point + `"steps":` + quoted(make([]string, 11)) + `}`, field: "steps", rule: "max_items"},
		{name: "bad queue", body: point + `"queue":"fast"}`, field: "queue", rule: "enum"},
		{name: "empty queue", body: point + `"queue":""}`, field: "queue", rule: "enum"},
		{name: "bad tag", body: point + `"tags":["a b"]}`, field: "tags[0]", rule: "charset"},
		{name: "null tag", body: point + `"tags":["a",null]}`, field: "tags[1]", rule: "charset"},
		{name: "eleven tags", body: point + `"tags":` + quoted(make([]string, 11)) + `}`, field: "tags", rule: "max_items"},
		{name: "empty key", body: `{"data_point_id":"$POINT"}`, change: header("idempotency-key", ""), field: "Idempotency-Key", rule: "min_length"},
		{name: "long key", body: `{"data_point_id":"$POINT"}`, change: header("idempotency-key", strings.Repeat("k", 256)), field: "Idempotency-Key", rule: "max_length"},
		{name: "key with a space", body: `{"data_point_id":"$POINT"}`, change: header("idempotency-key", "a b"), field: "Idempotency-Key", rule: "charset"},
		{name: "absent point", body: `{"data_point_id":"01JM8WQ5Z3T5V9B0C2D4E6F8GH"}`, status: 404, code: "NOT_FOUND", field: "data_point_id", rule: "exists"},
		{name: "another's point", body: `{"data_point_id":"$FOREIGN"}`, status: 404, code: "NOT_FOUND", field: "data_point_id", rule: "exists"},
	} {
		r.method, r.path = "POST", "/v1/chains"
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.run(t) })
	}
}

func TestBadBatchesAreRefused(t *testing.T) {
	t.Parallel()
	const listed, filtered = `{"name":"n","data_point_ids":["$POINT"],`, `{"name":"n","filter":`
	with := func(name, callback string) string { return listed + `"` + name + `":` + callback + `}` }
	for _, r := range []refusedAt{
		{name: "nothing", body: `{}`, field: "name", rule: "length"},
		{name: "no name", body: `{"data_point_ids":["$POINT"]}`, field: "name", rule: "length"},
		{name: "long name", body: `{"name":"` + strings.Repeat("ж", 201) + `","data_point_ids":["$POINT"]}`, field: "name", rule: "length"},
		{name: "no points", body: `{"name":"n"}`, field: "data_point_ids", rule: "count"},
		{name: "empty list", body: `{"name":"n","data_point_ids":[]}`, field: "data_point_ids", rule: "count"},
		{name: "null list", body: `{"name":"n","data_point_ids":null}`, field: "data_point_ids", rule: "type"},
		{name: "null id", body: `{"name":"n","data_point_ids":["$POINT",null]}`, field: "data_point_ids[1]", rule: "id"},
		{name: "id is a number", body: `{"name":"n","data_point_ids":[1]}`, field: "data_point_ids", rule: "type"},
		{name: "list is an object", body: `{"name":"n","data_point_ids":{}}`, field: "data_point_ids", rule: "type"},
		{name: "id twice", body: `{"name":"n","data_point_ids":["$POINT","$POINT"]}`, field: "data_point_ids[1]", rule: "unique"},
		{name: "5001 ids", body: `{"name":"n","data_point_ids":` + ids(5001) + `}`, field: "data_point_ids", rule: "count"},
		{name: "5000 ids of nobody", body: `{"name":"n","data_point_ids":` + ids(5000) + `}`, status: 404, code: "NOT_FOUND", field: "data_point_ids[0]", rule: "exists"},
		{name: "another's point alone", body: `{"name":"n","data_point_ids":["$FOREIGN"]}`, status: 404, code: "NOT_FOUND", field: "data_point_ids[0]", rule: "exists"},
		{name: "another's point beside", body: `{"name":"n","data_point_ids":["$POINT","$FOREIGN"]}`, status: 404, code: "NOT_FOUND", field: "data_point_ids[1]", rule: "exists"},
		{name: "both", body: listed + `"filter":{"campaign_id":"coast"}}`, field: "filter", rule: "exclusive"},
		{name: "empty list and filter", body: `{"name":"n","data_point_ids":[],"filter":{"campaign_id":"coast"}}`, field: "filter", rule: "exclusive"},
		{name: "filter without campaign", body: filtered + `{}}`, field: "filter.campaign_id", rule: "required"},
		{name: "filter is a list", body: filtered + `[]}`, field: "filter", rule: "type"},
		{name: "filter is a text", body: filtered + `"coast"}`, field: "filter", rule: "type"},
		{name: "filter is null", body: filtered + `null}`, field: "filter", rule: "type"},
		{name: "unknown field in the filter", body: filtered + `{"campaign_id":"coast","owner":"user-ben"}}`, code: "UNKNOWN_FIELD", field: "filter.owner", rule: "known"},
		{name: "field twice in the filter", body: filtered + `{"campaign_id":"coast","campaign_id":"x"}}`, field: "filter.campaign_id", rule: "unique"},
		{name: "null in the filter", body: filtered + `{"campaign_id":"coast","metric_id":null}}`, field: "filter.metric_id", rule: "type"},
		{name: "number in the filter", body: filtered + `{"campaign_id":7}}`, field: "filter.campaign_id", rule: "type"},
		{name: "bad time in the filter", body: filtered + `{"campaign_id":"coast","collected_from":"2020"}}`, field: "filter.collected_from", rule: "rfc3339"},
		{name: "bad end in the filter", body: filtered + `{"campaign_id":"coast","collected_to":"2020-02-30T00:00:00Z"}}`, field: "filter.collected_to", rule: "rfc3339"},
		{name: "filter that chooses none", body: filtered + `{"campaign_id":"desert"}}`, field: "filter", rule: "count"},
		{name: "filter from behind to", body: filtered + `{"campaign_id":"coast","collected_from":"2021-01-01T00:00:00Z","collected_to":"2020-01-01T00:00:00Z"}}`, field: "filter", rule: "count"},
		{name: "no steps", body: listed + `"steps":[]}`, field: "steps", rule: "min_items"},
		{name: "wrong order", body: listed + `"steps":["analyze","enrich"]}`, field: "steps", rule: "order"},
		{name: "failures as text", body: listed + `"allow_failures":"yes"}`, field: "allow_failures", rule: "type"},
		{name: "dry run is null", body: listed + `"dry_run":null}`, field: "dry_run", rule: "type"},
		{name: "empty queue", body: listed + `"queue":""}`, field: "queue", rule: "enum"},
		{name: "unknown field", body: listed + `"webhook":"https://a.example"}`, code: "UNKNOWN_FIELD", field: "webhook", rule: "known"},
		{name: "empty key", body: listed + `"queue":"low"}`, change: header("idempotency-key", ""), field: "Idempotency-Key", rule: "min_length"},
		{name: "empty callback", body: with("then", `{}`), field: "then", rule: "one_of"},
		{name: "callback is null", body: with("then", `null`), field: "then", rule: "type"},
		{name: "callback is a text", body: with("finally", `"https://a.example"`), field: "finally", rule: "type"},
		{name: "callback that is none", body: with("catch", `{"notify":false}`), field: "catch", rule: "one_of"},
		{name: "callback with two kinds", body: with("catch", `{"notify":true,"webhook":"https://a.example"}`), field: "catch", rule: "one_of"},
		{name: "callback with three kinds", body: with("then", `{"notify":true,"webhook":"https://a.example","job":{"kind":"enrich","data_point_id":"$POINT"}}`), field: "then", rule: "one_of"},
		{name: "callback with a job and an empty webhook", body: with("then", `{"notify":true,"webhook":""}`), field: "then", rule: "one_of"},
		{name: "callback with an empty job beside", body: with("then", `{"notify":true,"job":{}}`), field: "then", rule: "one_of"},
		{name: "empty webhook", body: with("then", `{"webhook":""}`), field: "then.webhook", rule: "min_length"},
		{name: "bad webhook", body: with("then", `{"webhook":"http://169.254.169.254/"}`), field: "then.webhook", rule: "url"},
		{name: "long webhook", body: with("then", `{"webhook":"https://a.example/`+strings.Repeat("x", 2048)+`"}`), field: "then.webhook", rule: "url"},
		{name: "webhook is a list", body: with("then", `{"webhook":["https://a.example"]}`), field: "then.webhook", rule: "type"},
		{name: "unknown field in a callback", body: with("finally", `{"notify":true,"mail":"x"}`), code: "UNKNOWN_FIELD", field: "finally.mail", rule: "known"},
		{name: "null in a callback", body: with("finally", `{"notify":null}`), field: "finally.notify", rule: "type"},
		{name: "empty job", body: with("finally", `{"job":{}}`), field: "finally.job.data_point_id", rule: "min_length"},
		{name: "job is a text", body: with("finally", `{"job":"enrich"}`), field: "finally.job", rule: "type"},
		{name: "unknown kind of a job", body: with("finally", `{"job":{"kind":"mine","data_point_id":"$POINT"}}`), field: "finally.job.kind", rule: "known"},
		{name: "no kind of a job", body: with("finally", `{"job":{"data_point_id":"$POINT"}}`), field: "finally.job.kind", rule: "known"},
		{name: "unknown field in a job", body: with("finally", `{"job":{"kind":"enrich","data_point_id":"$POINT","queue":"high"}}`), code: "UNKNOWN_FIELD", field: "finally.job.queue", rule: "known"},
		{name: "another's point in a job", body: with("finally", `{"job":{"kind":"enrich","data_point_id":"$FOREIGN"}}`), status: 404, code: "NOT_FOUND", field: "finally.job.data_point_id", rule: "exists"},
	} {
		r.method, r.path = "POST", "/v1/batches"
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.run(t) })
	}
}

func TestBadItemsAreRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []refusedAt{
		{name: "nothing", body: `{}`, field: "data_point_ids", rule: "count"},
		{name: "none", body: `{"data_point_ids":[]}`, field: "data_point_ids", rule: "count"},
		{name: "a hundred", body: `{"data_point_ids":` + ids(100) + `}`, field: "data_point_ids", rule: "count"},
		{name: "ninety-nine of nobody", body: `{"data_point_ids":` + ids(99) + `}`, status: 404, code: "NOT_FOUND", field: "data_point_ids[0]", rule: "exists"},
		{name: "bad id", body: `{"data_point_ids":["$POINT","x"]}`, field: "data_point_ids[1]", rule: "id"},
		{name: "twice", body: `{"data_point_ids":["$POINT","$POINT"]}`, field: "data_point_ids[1]", rule: "unique"},
		{name: "another's", body: `{"data_point_ids":["$POINT","$FOREIGN"]}`, status: 404, code: "NOT_FOUND", field: "data_point_ids[1]", rule: "exists"},
		{name: "another's alone", body: `{"data_point_ids":["$FOREIGN"]}`, status: 404, code: "NOT_FOUND", field: "data_point_ids[0]", rule: "exists"},
		{name: "in it already", body: `{"data_point_ids":["$POINT","$ITEM"]}`, status: 409, code: "STATE_CONFLICT"},
		{name: "unknown field", body: `{"data_point_ids":["$POINT"],"steps":["enrich"]}`, code: "UNKNOWN_FIELD", field: "steps", rule: "known"},
		{name: "absent batch", path: "/v1/batches/01JM8WQ5Z3T5V9B0C2D4E6F8GH/items", body: `{"data_point_ids":["$POINT"]}`, status: 404, code: "NOT_FOUND"},
	} {
		r.method = "POST"
		if r.path == "" {
			r.path = "/v1/batches/$BATCH/items"
		}
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.run(t) })
	}
}

func TestBadOpinionsAreRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []refusedAt{
		{name: "nothing", body: `{}`, field: "status", rule: "required"},
		{name: "notes alone", body: `{"notes":"fine"}`, field: "status", rule: "required"},
		{name: "unknown status", body: `{"status":"good"}`, field: "status", rule: "enum"},
		{name: "empty status", body: `{"status":""}`, field: "status", rule: "enum"},
		{name: "status is null", body: `{"status":null}`, field: "status", rule: "type"},
		{name: "status is a number", body: `{"status":1}`, field: "status", rule: "type"},
		{name: "long notes", body: `{"status":"approved","notes":"` + strings.Repeat("ж", 1001) + `"}`, field: "notes", rule: "max_length"},
		{name: "notes without a status", body: `{"flag":"data_quality","reason":"looks odd","notes":"fine"}`, field: "notes", rule: "requires"},
		{name: "reason without a flag", body: `{"status":"approved","reason":"looks odd"}`, field: "reason", rule: "requires"},
		{name: "flag without a reason", body: `{"flag":"data_quality"}`, field: "reason", rule: "length"},
		{name: "short reason", body: `{"flag":"data_quality","reason":"odd!"}`, field: "reason", rule: "length"},
		{name: "long reason", body: `{"flag":"data_quality","reason":"` + strings.Repeat("ж", 501) + `"}`, field: "reason", rule: "length"},
		{name: "flag of the rules", body: `{"flag":"high_gps_error","reason":"looks odd"}`, field: "flag", rule: "enum"},
		{name: "empty flag", body: `{"flag":"","reason":"looks odd"}`, field: "flag", rule: "enum"},
		{name: "unknown field", body: `{"status":"approved","owner":"x"}`, code: "UNKNOWN_FIELD", field: "owner", rule: "known"},
	} {
		r.method, r.path = "POST", "/v1/data-points/$POINT/review"
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.run(t) })
	}
}

func TestBadZonesAreRefused(t *testing.T) {
	t.Parallel()
	zone := func(ring string) string { return `{"zones":[{"name":"shore","ring":` + ring + `}]}` }
	corners := strings.TrimSuffix(strings.Repeat("[1,1],[1,2],[2,2],", 167), ",")
	for _, r := range []refusedAt{
		{name: "nothing", body: `{}`, field: "zones", rule: "required"},
		{name: "null", body: `{"zones":null}`, field: "zones", rule: "type"},
		{name: "an object", body: `{"zones":{}}`, field: "zones", rule: "type"},
		{name: "null zone", body: `{"zones":[null]}`, field: "zones[0]", rule: "type"},
		{name: "zone is a list", body: `{"zones":[[]]}`, field: "zones[0]", rule: "type"},
		{name: "zone without a name", body: `{"zones":[{"ring":[[1,1],[1,2],[2,2]]}]}`, field: "zones[0].name", rule: "required"},
		{name: "unknown field in a zone", body: `{"zones":[{"name":"a","ring":[[1,1],[1,2],[2,2]],"color":"red"}]}`, code: "UNKNOWN_FIELD", field: "zones[0].color", rule: "known"},
		{name: "null name", body: `{"zones":[{"name":null,"ring":[[1,1],[1,2],[2,2]]}]}`, field: "zones[0].name", rule: "type"},
		{name: "blank name", body: `{"zones":[{"name":" ","ring":[[1,1],[1,2],[2,2]]}]}`, field: "zones[0].name", rule: "required"},
		{name: "second is wrong", body: `{"zones":[{"name":"a","ring":[[1,1],[1,2],[2,2]]},{"name":"b"}]}`, field: "zones[1].ring", rule: "min_items"},
		{name: "two corners", body: zone(`[[1,1],[2,2],[1,1]]`), field: "zones[0].ring", rule: "min_items"},
		{name: "corner of one number", body: zone(`[[1],[1,2],[2,2]]`), field: "zones[0].ring[0]", rule: "type"},
		{name: "corner of three numbers", body: zone(`[[1,1],[1,2,100],[2,2]]`), field: "zones[0].ring[1]", rule: "type"},
		{name: "null corner", body: zone(`[[1,1],[1,2],null]`), field: "zones[0].ring[2]", rule: "type"},
		{name: "null number", body: zone(`[[1,1],[1,2],[2,null]]`), field: "zones[0].ring[2]", rule: "type"},
		{name: "number as text", body: zone(`[["1",1],[1,2],[2,2]]`), field: "zones[0].ring", rule: "type"},
		{name: "number too large", body: zone(`[[1e999,1],[1,2],[2,2]]`), field: "zones[0].ring", rule: "type"},
		{name: "beyond the world", body: zone(`[[181,1],[1,2],[2,2]]`), field: "zones[0].ring[0]", rule: "range"},
		{name: "latitude first", body: zone(`[[1,91],[1,2],[2,2]]`), field: "zones[0].ring[0]", rule: "range"},
		{name: "around a pole", body: zone(`[[0,80],[120,80],[-120,80]]`), field: "zones[0].ring", rule: "pole"},
		{name: "501 corners", body: zone("[" + corners + "]"), field: "zones[0].ring", rule: "max_items"},
		{name: "51 zones", body: `{"zones":[` + strings.TrimSuffix(strings.Repeat(`{"name":"a","ring":[[1,1],[1,2],[2,2]]},`, 51), ",") + `]}`, field: "zones", rule: "max_items"},
		{name: "campaign too long", path: "/v1/campaigns/" + strings.Repeat("c", 65) + "/zones", body: `{"zones":[]}`, field: "id", rule: "length"},
		{name: "campaign too long to read", method: "GET", path: "/v1/campaigns/" + strings.Repeat("c", 65) + "/zones", field: "id", rule: "length"},
	} {
		if r.method == "" {
			r.method = "PUT"
		}
		if r.path == "" {
			r.path = "/v1/campaigns/coast/zones"
		}
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.run(t) })
	}
}

func TestBadPreferencesAreRefused(t *testing.T) {
	t.Parallel()
	for _, r := range []refusedAt{
		{name: "unknown type", body: `{"muted":["enrichment.lost"]}`, field: "muted[0]", rule: "enum"},
		{name: "null type", body: `{"muted":["enrichment.partial",null]}`, field: "muted[1]", rule: "enum"},
		{name: "six types", body: `{"muted":` + quoted(make([]string, 6)) + `}`, field: "muted", rule: "max_items"},
		{name: "huge list", body: `{"muted":` + quoted(make([]string, 50_000)) + `}`, field: "muted", rule: "max_items"},
		{name: "null list", body: `{"muted":null}`, field: "muted", rule: "type"},
		{name: "muted is a text", body: `{"muted":"enrichment.partial"}`, field: "muted", rule: "type"},
		{name: "bad URL", body: `{"webhook_url":"http://10.0.0.1"}`, field: "webhook_url", rule: "url"},
		{name: "empty URL", body: `{"webhook_url":""}`, field: "webhook_url", rule: "min_length"},
		{name: "null muted", body: `{"muted":null}`, field: "muted", rule: "type"},
		{name: "topic as text", body: `{"topic":"yes"}`, field: "topic", rule: "type"},
		{name: "unknown field", body: `{"email":"a@b.example"}`, code: "UNKNOWN_FIELD", field: "email", rule: "known"},
	} {
		r.method, r.path = "PUT", "/v1/notifications/preferences"
		t.Run(r.name, func(t *testing.T) { t.Parallel(); r.run(t) })
	}
}

// What no body can be is refused by every route that takes one.
func TestShapelessBodiesOfFlowsAreRefused(t *testing.T) {
	t.Parallel()
	for _, at := range []struct{ method, path string }{
		{"POST", "/v1/chains"},
		{"POST", "/v1/batches"},
		{"POST", "/v1/batches/01JM8WQ5Z3T5V9B0C2D4E6F8GH/items"},
		{"POST", "/v1/data-points/01JM8WQ5Z3T5V9B0C2D4E6F8GH/review"},
		{"PUT", "/v1/campaigns/coast/zones"},
		{"PUT", "/v1/notifications/preferences"},
	} {
		for _, r := range shapeless() {
			all := refusedAt{name: r.name, method: at.method, path: at.path, body: r.body, status: r.status, code: r.code, change: r.change}
			t.Run(at.path+" "+r.name, func(t *testing.T) { t.Parallel(); all.run(t) })
		}
	}
}

// An id that is none never reaches the table, whose keys have a limit of their own.
func TestIDsOfNoShapeAreNotFound(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"x", strings.Repeat("x", 5000), "01jm8wq5z3t5v9b0c2d4e6f8gh"} {
		for _, r := range []refusedAt{
			{method: "GET", path: "/v1/chains/" + id},
			{method: "POST", path: "/v1/chains/" + id + "/cancel"},
			{method: "POST", path: "/v1/chains/" + id + "/redrive"},
			{method: "GET", path: "/v1/batches/" + id},
			{method: "GET", path: "/v1/batches/" + id + "/items"},
			{method: "POST", path: "/v1/batches/" + id + "/items", body: `{"data_point_ids":["$POINT"]}`},
			{method: "POST", path: "/v1/batches/" + id + "/cancel"},
			{method: "POST", path: "/v1/batches/" + id + "/retry"},
			{method: "POST", path: "/v1/data-points/" + id + "/review", body: `{"status":"approved"}`},
			{method: "GET", path: "/v1/data-points/" + id + "/quality"},
		} {
			r.status, r.code = http.StatusNotFound, "NOT_FOUND"
			t.Run(r.method+" "+r.path[:min(len(r.path), 40)], func(t *testing.T) { t.Parallel(); r.run(t) })
		}
	}
}
