package openapi_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"orbitq/internal/job"
	"orbitq/internal/openapi"
	"orbitq/internal/point"
)

func load(t *testing.T) *openapi3.T {
	t.Helper()

	doc, err := openapi3.NewLoader().LoadFromData(openapi.YAML())
	if err != nil {
		t.Fatalf("load document: %v", err)
	}

	return doc
}

// Every example of the document is held against its schema by Validate, so a reader can paste any of them.
func TestDocumentIsValid31(t *testing.T) {
	t.Parallel()

	doc := load(t)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi is %q, want 3.1.0", doc.OpenAPI)
	}

	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Errorf("validate document: %v", err)
	}
}

func TestDocumentIsACopy(t *testing.T) {
	t.Parallel()

	want := openapi.YAML()
	openapi.YAML()[0] = '#'

	if got := openapi.YAML(); !bytes.Equal(got, want) {
		t.Error("writing to one copy changed another")
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()

	want := []string{
		"DELETE /v1/failed/{id} orbitq/write",
		"GET /openapi.yaml -",
		"GET /v1/data-points/{id} orbitq/read",
		"GET /v1/data-points/{id}/analyses orbitq/read",
		"GET /v1/failed orbitq/read",
		"GET /v1/failed/poison orbitq/operate",
		"GET /v1/health -",
		"GET /v1/jobs orbitq/read",
		"GET /v1/jobs/{id} orbitq/read",
		"GET /v1/jobs/{id}/calls orbitq/read",
		"GET /v1/operations/{id} orbitq/read",
		"GET /v1/provider orbitq/read",
		"GET /v1/queues orbitq/read",
		"GET /v1/usage orbitq/read",
		"GET /v1/usage/ledger orbitq/read",
		"POST /v1/data-points orbitq/write",
		"POST /v1/failed/{id}/retry orbitq/write",
		"POST /v1/failed:flush orbitq/write",
		"POST /v1/failed:retry orbitq/write",
		"POST /v1/jobs orbitq/write",
		"POST /v1/jobs/{id}/cancel orbitq/write",
		"POST /v1/jobs/{id}/snooze orbitq/write",
		"POST /v1/jobs:batch-dispatch orbitq/write",
		"POST /v1/operations/{id}/abort orbitq/write",
		"POST /v1/queues/{queue}/pause orbitq/operate",
		"POST /v1/queues/{queue}/resume orbitq/operate",
		"POST /v1/usage:make-up orbitq/write",
	}

	if got := operations(load(t)); !slices.Equal(got, want) {
		t.Errorf("operations\n got %s\nwant %s", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}

func operations(doc *openapi3.T) []string {
	var out []string

	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			scope := "-"
			for _, requirement := range *operation.Security {
				scope = strings.Join(requirement["bearer"], " ")
			}

			out = append(out, method+" "+path+" "+scope)
		}
	}

	slices.Sort(out)

	return out
}

// A client that sends a misspelt field must hear about it, so no request body is open.
func TestRequestsAreClosed(t *testing.T) {
	t.Parallel()

	for path, item := range load(t).Paths.Map() {
		for method, operation := range item.Operations() {
			if operation.RequestBody == nil {
				continue
			}

			schema := operation.RequestBody.Value.Content["application/json"].Schema.Value
			if closed := schema.AdditionalProperties.Has; closed == nil || *closed {
				t.Errorf("%s %s takes unknown fields", method, path)
			}
		}
	}
}

func TestProtectedOperationsNameEveryGatewayAnswer(t *testing.T) {
	t.Parallel()

	for path, item := range load(t).Paths.Map() {
		for method, operation := range item.Operations() {
			want := []int{429, 500}
			if operation.Security != nil && len(*operation.Security) > 0 {
				want = append(want, 401, 403, 503)
			}

			for _, status := range want {
				if operation.Responses.Status(status) == nil {
					t.Errorf("%s %s does not list %d", method, path, status)
				}
			}
		}
	}
}

// The document repeats words and limits of the core; these tests keep the two the same.
func TestContractSpeaksAsTheCore(t *testing.T) {
	t.Parallel()

	schemas := load(t).Components.Schemas

	var states []any
	for _, s := range job.States() {
		states = append(states, string(s))
	}

	for name, want := range map[string][]any{
		"JobState": states,
		"Outcome": {
			string(job.Success), string(job.Partial), string(job.AlreadyDone), string(job.NoLocation), string(job.OutOfCoverage),
			string(job.NoAcquisition), string(job.PreMission), string(job.NotYetAvailable), string(job.Clouded),
			string(job.UserQuotaExceeded), string(job.PointDeleted),
		},
		"ProblemCode": {
			string(job.InvalidJSON), string(job.InvalidField), string(job.UnknownField), string(job.UnknownKind), string(job.BodyTooLarge),
			string(job.UnsupportedMedia), string(job.NotFound), string(job.KeyReused), string(job.StateConflict), string(job.UniqueHeld), string(job.LimitExceeded), string(job.InvalidCursor), string(job.Forbidden),
			string(job.MethodNotAllowed), string(job.Unavailable), string(job.Internal),
		},
	} {
		if got := schemas[name].Value.Enum; !slices.Equal(got, want) {
			t.Errorf("%s\n got %v\nwant %v", name, got, want)
		}
	}

	for name, want := range map[string]float64{
		"Notes": point.MaxNotes, "DeviceModel": point.MaxDeviceModel, "SensorType": point.MaxSensorType, "Reference": point.MaxReference,
	} {
		if got := schemas[name].Value.MaxLength; got == nil || float64(*got) != want {
			t.Errorf("%s is longer or shorter than %v", name, want)
		}
	}

	for name, want := range map[string]float64{"Value": point.MaxValue, "Accuracy": point.MaxAccuracy} {
		if got := schemas[name].Value.Max; got == nil || *got != want {
			t.Errorf("%s is not at most %v", name, want)
		}
	}
}
