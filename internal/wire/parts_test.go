package wire_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"orbitq/internal/job"
	"orbitq/internal/wire"
)

func TestCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value, want string }{
		{"a number", "24", ""},
		{"zero", "0", ""},
		{"a fraction", "1.5", `"1.5" is not a whole number from 0`},
		{"negative", "-1", `"-1" is not a whole number from 0`},
		{"a word", "many", `"many" is not a whole number from 0`},
		{"too large", "99999999999999999999", "is not a whole number from 0"},
		{"a blank", " 7", `" 7" is not a whole number from 0`},
	} {
		for _, variable := range []string{"ORBITQ_LIMIT_SHARED", "ORBITQ_LIMIT_RESERVED", "ORBITQ_BREAKER_EXCEPTIONS", "ORBITQ_BUDGET_REQUESTS", "ORBITQ_BUDGET_UNITS"} {
			env := full(parts()["enrich"].own)
			env[variable] = c.value
			sys, _ := over(env)
			sys.Worker()
			err := sys.Err()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), variable) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s, %s: %v", c.name, variable, err)
			}
		}
	}
}

// TestTriesMustFitIntoReceives: SQS would give a message up before its job had all its
// attempts, and two receives are spare for what is none.
func TestTriesMustFitIntoReceives(t *testing.T) {
	t.Parallel()
	for receives, want := range map[string]string{
		"5": "", "8": "", "4": "kind enrich has 3 tries: at most 2 with a maxReceiveCount of 4", "3": "kind enrich has 3 tries: at most 1 with a maxReceiveCount of 3",
		"": "environment variable ORBITQ_MAX_RECEIVES is not set", "eight": `"eight" is not a whole number from 0`,
	} {
		env := full(parts()["enqueue"].own)
		env["ORBITQ_MAX_RECEIVES"] = receives
		sys, _ := over(env)
		sys.Intake()
		err := sys.Err()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q receives: %v", receives, err)
		}
	}
}

// TestOneOfEach: parts that several use cases share are built once.
func TestOneOfEach(t *testing.T) {
	t.Parallel()
	sys, _ := over(full(parts()["enqueue"].own))
	if first, second := sys.Gate(), sys.Gate(); first != second {
		t.Error("each use case has a door of its own, and its own count of the rest")
	}
	if sys.Operator() == nil || sys.Failures() == nil || sys.Err() != nil {
		t.Errorf("the operator's parts: %v", sys.Err())
	}
	if in := sys.Intake(); in.Runner == nil || in.Pacer == nil || in.Feeds == nil || in.Bulk == nil || in.Tries != wire.Tries || !in.Policies["enrich"].Paced {
		t.Errorf("intake %+v", in.Config)
	}
}

// TestCallsGoToTheEndpointWithTheFunctionsRights: as Lambda sets both.
func TestCallsGoToTheEndpointWithTheFunctionsRights(t *testing.T) {
	t.Parallel()
	var auth, session, target string
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth, session, target = r.Header.Get("Authorization"), r.Header.Get("X-Amz-Security-Token"), r.Header.Get("X-Amz-Target")
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte("{}"))
	}))
	defer aws.Close()
	env := full(parts()["query"].own)
	env["AWS_ENDPOINT_URL"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = aws.URL, "AKIDEXAMPLE", "secret", "session"
	sys, _ := over(env)
	if _, err := sys.Query().Job(t.Context(), "me", job.DerivedID("x")); job.CodeOf(err) != job.NotFound {
		t.Errorf("got %v", err)
	}
	if !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(auth, "/eu-central-1/dynamodb/") || session != "session" || target != "DynamoDB_20120810.GetItem" {
		t.Errorf("asked %s with %q, %q", target, auth, session)
	}
}
