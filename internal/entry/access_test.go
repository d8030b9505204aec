package entry_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"

	"orbitq/internal/job"
	"orbitq/internal/openapi"
)

// routes lists every route of the API; %P, %J, %D, %O, %C and %B stand for the ids of a point, a job, a dead job, an
// operation, a chain and a batch.
func routes() []struct {
	method, path, body string
	public             bool
	own, other         int // status for the owner of the ids, and for somebody else
} {
	return []struct {
		method, path, body string
		public             bool
		own, other         int
	}{
		{"GET", "/v1/health", "", true, 200, 200},
		{"GET", "/openapi.yaml", "", true, 200, 200},
		{"POST", "/v1/data-points", reading(""), false, 201, 201},
		{"POST", "/v1/jobs", `{"kind":"enrich","data_point_id":"%P"}`, false, 202, 404},
		{"GET", "/v1/data-points/%P", "", false, 200, 404},
		{"GET", "/v1/data-points/%P/analyses", "", false, 200, 404},
		{"GET", "/v1/jobs/%J", "", false, 200, 404},
		{"GET", "/v1/jobs", "", false, 200, 200},
		{"POST", "/v1/jobs/%J/cancel", "", false, 200, 404},
		{"POST", "/v1/jobs:batch-dispatch", `{"items":[{"kind":"enrich","data_point_id":"%P"}]}`, false, 200, 200},
		{"GET", "/v1/failed", "", false, 200, 200},
		{"POST", "/v1/failed/%D/retry", "", false, 202, 404},
		{"DELETE", "/v1/failed/%D", "", false, 200, 404},
		{"POST", "/v1/failed:retry", `{"all":true}`, false, 200, 200},
		{"GET", "/v1/usage", "", false, 200, 200},
		{"GET", "/v1/usage/ledger", "", false, 200, 200},
		{"POST", "/v1/usage:make-up", `{}`, false, 200, 200},
		{"GET", "/v1/jobs/%J/calls", "", false, 200, 404},
		{"POST", "/v1/jobs/%J/snooze", `{"seconds":60}`, false, 200, 404},
		{"GET", "/v1/failed/poison", "", false, 200, 200},
		{"POST", "/v1/failed:flush", `{"all":true,"confirm":"forget these failed jobs"}`, false, 200, 200},
		{"GET", "/v1/operations/%O", "", false, 200, 404},
		{"POST", "/v1/operations/%O/abort", "", false, 200, 404},
		{"GET", "/v1/queues", "", false, 200, 200},
		{"POST", "/v1/queues/low/pause", "", false, 202, 202},
		{"POST", "/v1/queues/low/resume", "", false, 202, 202},
		{"GET", "/v1/provider", "", false, 200, 200},
		{"POST", "/v1/chains", `{"data_point_id":"%P"}`, false, 202, 404},
		{"GET", "/v1/chains", "", false, 200, 200},
		{"GET", "/v1/chains/%C", "", false, 200, 404},
		{"POST", "/v1/chains/%C/cancel", "", false, 200, 404},
		{"POST", "/v1/chains/%C/redrive", "", false, 409, 404},
		{"POST", "/v1/batches", `{"name":"n","data_point_ids":["%P"]}`, false, 202, 404},
		{"GET", "/v1/batches", "", false, 200, 200},
		{"GET", "/v1/batches/%B", "", false, 200, 404},
		{"GET", "/v1/batches/%B/items", "", false, 200, 404},
		{"POST", "/v1/batches/%B/items", `{"data_point_ids":["%P"]}`, false, 202, 404},
		{"POST", "/v1/batches/%B/cancel", "", false, 200, 404},
		{"POST", "/v1/batches/%B/retry", "", false, 409, 404},
		{"GET", "/v1/notifications", "", false, 200, 200},
		{"GET", "/v1/notifications/preferences", "", false, 200, 200},
		{"GET", "/v1/notifications/secret", "", false, 200, 200},
		{"PUT", "/v1/notifications/preferences", `{"muted":["enrichment.no_data"]}`, false, 200, 200},
		{"POST", "/v1/data-points/%P/review", `{"status":"approved"}`, false, 200, 404},
		{"GET", "/v1/data-points/%P/quality", "", false, 200, 404},
		{"GET", "/v1/campaigns/coast/zones", "", false, 200, 200},
		{"PUT", "/v1/campaigns/coast/zones", `{"zones":[]}`, false, 200, 200},
	}
}

// Every route x who asks: without claims, somebody else, the owner. A stranger changes nothing and sees nothing.
func TestWhoMayDoWhat(t *testing.T) {
	t.Parallel()
	for _, r := range routes() {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			pointID, jobID := b.seed(t, ann)
			deadID := b.bury(t, ann, 1, job.ProviderDenied)
			chain := b.chain(t, ann, "")
			batch, _ := b.batch(t, ann, 2, "")
			fill := strings.NewReplacer("%P", pointID, "%J", jobID, "%D", deadID, "%O", b.begin(t, ann), "%C", chain.ID, "%B", batch.ID)
			c := call{method: r.method, path: fill.Replace(r.path), body: fill.Replace(r.body)}

			before := b.snapshot()
			got := b.do(t, c)
			if want := map[bool]int{true: r.own, false: http.StatusForbidden}[r.public]; got.status != want {
				t.Errorf("without claims: %d, want %d: %s", got.status, want, got.body)
			}
			if b.snapshot() != before {
				t.Error("without claims: something changed")
			}

			c.owner = ben
			if got = b.do(t, c); got.status != r.other {
				t.Errorf("another user: %d, want %d: %s", got.status, r.other, got.body)
			}
			if !r.public && r.other == 200 && (strings.Contains(got.body, ann) || strings.Contains(got.body, jobID) || strings.Contains(got.body, deadID) || strings.Contains(got.body, chain.ID) || strings.Contains(got.body, batch.ID)) {
				t.Errorf("another user sees %s", got.body)
			}
			writesOwn := r.other == http.StatusCreated || r.method == http.MethodPut // of the other user
			if !writesOwn && b.snapshot() != before {
				t.Error("another user: something changed")
			}

			c.owner = ann
			if got = b.do(t, c); got.status != r.own {
				t.Errorf("the owner: %d, want %d: %s", got.status, r.own, got.body)
			}
		})
	}
}

// Claims that name nobody are as good as none, whatever else they say.
func TestClaimsWithoutSubject(t *testing.T) {
	t.Parallel()
	b := start(t)
	event := call{method: "GET", path: "/v1/usage", owner: ann, tier: "enterprise"}.event(t)
	event.RequestContext.Authorizer.JWT.Claims["sub"] = ""
	out, err := b.read(t.Context(), event)
	if err != nil || out.StatusCode != http.StatusForbidden {
		t.Errorf("empty subject: %d %v", out.StatusCode, err)
	}
	event.RequestContext.Authorizer.JWT = nil
	if out, err = b.read(t.Context(), event); err != nil || out.StatusCode != http.StatusForbidden {
		t.Errorf("no JWT: %d %v", out.StatusCode, err)
	}
}

// Nothing that a client sends beside the token says who it is.
func TestOnlyTheTokenNamesTheOwner(t *testing.T) {
	t.Parallel()
	b := start(t)
	_, jobID := b.seed(t, ann)
	got := b.do(t, call{method: "GET", path: "/v1/jobs/" + jobID, owner: ben, headers: map[string]string{"x-user": ann, "sub": ann, "x-amzn-oidc-identity": ann}})
	if got.status != http.StatusNotFound {
		t.Errorf("headers made ben into ann: %s", got.body)
	}
}

// Cognito prefixes an attribute of its own; a tier in any other claim counts for nothing.
func TestTierOfCognito(t *testing.T) {
	t.Parallel()
	b := start(t)
	for claim, want := range map[string]string{"custom:tier": "pro", "Tier": "free", "plan": "free"} {
		event := call{method: "GET", path: "/v1/usage", owner: ann}.event(t)
		event.RequestContext.Authorizer.JWT.Claims[claim] = "pro"
		out, err := b.read(t.Context(), event)
		var got struct{ Tier string }
		if err != nil || json.Unmarshal([]byte(out.Body), &got) != nil || got.Tier != want {
			t.Errorf("claim %s: %s, want %s", claim, out.Body, want)
		}
	}
}

// A route that API Gateway would never send here is not found, and is no way around the token.
func TestUnknownRoute(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, key := range []string{"", "$default", "GET /v1/jobs", "DELETE /v1/jobs/{id}", "GET /v1/admin"} {
		event := call{method: "GET", path: "/v1/nothing", owner: ann}.event(t)
		event.RouteKey = key
		handle := b.read
		if key == "GET /v1/jobs" {
			handle = b.write // belongs to the other function
		}
		out, err := handle(t.Context(), event)
		var p problem
		if err != nil || json.Unmarshal([]byte(out.Body), &p) != nil || out.StatusCode != http.StatusNotFound || p.Code != "NOT_FOUND" {
			t.Errorf("route %q: %d %s %v", key, out.StatusCode, out.Body, err)
		}
	}
}

// A stranger cannot even learn that an object exists: what is somebody else's and what is nowhere answer alike.
func TestNothingTellsForeignFromAbsent(t *testing.T) {
	t.Parallel()
	b := start(t)
	people := []string{ann, ben, "user-cho", "user-ann ", "USER-ANN"}
	owner := map[string]string{}
	var points, jobs, graves, chains, batches []string
	for i, who := range people {
		pointID, jobID := b.seed(t, who)
		deadID := b.bury(t, who, i, job.ProviderDenied)
		points, jobs, graves = append(points, pointID), append(jobs, jobID), append(graves, deadID)
		chain := b.chain(t, who, "").ID
		batch, _ := b.batch(t, who, 1, "")
		chains, batches = append(chains, chain), append(batches, batch.ID)
		owner["point "+pointID], owner["job "+jobID], owner["job "+deadID], owner["chain "+chain], owner["batch "+batch.ID] = who, who, who, who, who
	}
	rapid.Check(t, func(rt *rapid.T) {
		who := rapid.SampledFrom(people).Draw(rt, "who")
		absent := job.DerivedID(rapid.StringN(1, 8, 8).Draw(rt, "absent"))
		// Ids of points where jobs belong, and the other way round, are only wrong ids.
		id := rapid.SampledFrom(slices.Concat([]string{absent}, points, jobs, graves, chains, batches)).Draw(rt, "id")
		for _, r := range routes() {
			thing := thingOf(r.path)
			if r.other != http.StatusNotFound || owner[thing+id] == who {
				continue
			}
			ask := func(id string) answer {
				fill := strings.NewReplacer("%P", id, "%J", id, "%D", id, "%O", id, "%C", id, "%B", id)
				return b.do(t, call{method: r.method, path: fill.Replace(r.path), body: fill.Replace(r.body), owner: who})
			}
			got, nowhere := ask(id), ask(absent)
			if got.status != http.StatusNotFound || strings.ReplaceAll(got.body, id, "") != strings.ReplaceAll(nowhere.body, absent, "") {
				rt.Fatalf("%s asks %s for %s: %d %s, for nothing: %s", who, r.path, id, got.status, got.body, nowhere.body)
			}
		}
	})
}

// thingOf says what the id in a path names.
func thingOf(path string) string {
	for mark, thing := range map[string]string{"%J": "job ", "%D": "job ", "%C": "chain ", "%B": "batch "} {
		if strings.Contains(path, mark) {
			return thing
		}
	}
	return "point "
}

// Every operation of the contract is answered by exactly one of the two functions, and by nothing that the matrix above
// does not know. The template's routes are held against the contract elsewhere.
func TestEveryOperationHasOneFunction(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(openapi.YAML())
	if err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("%P", "{id}", "%J", "{id}", "%D", "{id}", "%O", "{id}", "%C", "{id}", "%B", "{id}", "/low/", "/{queue}/", "/coast/", "/{id}/")
	var known, listed []string
	for _, r := range routes() {
		known = append(known, r.method+" "+fill.Replace(r.path))
	}
	b := start(t)
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			event := call{method: method, path: path, owner: ann}.event(t)
			event.RouteKey = method + " " + path
			listed = append(listed, event.RouteKey)
			answered := 0
			for _, handle := range []handler{b.write, b.read} {
				out, err := handle(t.Context(), event)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(out.Body, "no route") {
					answered++
				}
			}
			if answered != 1 {
				t.Errorf("%s is answered by %d functions", event.RouteKey, answered)
			}
		}
	}
	slices.Sort(known)
	slices.Sort(listed)
	if !slices.Equal(known, listed) {
		t.Errorf("the contract has %v, the matrix %v", listed, known)
	}
}
