package openapi_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"orbitq/internal/flow"
	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/kinds"
	"orbitq/internal/openapi"
	"orbitq/internal/point"
	"orbitq/internal/quality"
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
		"GET /v1/batches orbitq/read",
		"GET /v1/batches/{id} orbitq/read",
		"GET /v1/batches/{id}/items orbitq/read",
		"GET /v1/campaigns/{id}/zones orbitq/read",
		"GET /v1/chains orbitq/read",
		"GET /v1/chains/{id} orbitq/read",
		"GET /v1/data-points/{id} orbitq/read",
		"GET /v1/data-points/{id}/analyses orbitq/read",
		"GET /v1/data-points/{id}/quality orbitq/read",
		"GET /v1/failed orbitq/read",
		"GET /v1/failed/poison orbitq/operate",
		"GET /v1/health -",
		"GET /v1/jobs orbitq/read",
		"GET /v1/jobs/{id} orbitq/read",
		"GET /v1/jobs/{id}/calls orbitq/read",
		"GET /v1/notifications orbitq/read",
		"GET /v1/notifications/preferences orbitq/read",
		"GET /v1/notifications/secret orbitq/write",
		"GET /v1/operations/{id} orbitq/read",
		"GET /v1/provider orbitq/read",
		"GET /v1/queues orbitq/read",
		"GET /v1/usage orbitq/read",
		"GET /v1/usage/ledger orbitq/read",
		"POST /v1/batches orbitq/write",
		"POST /v1/batches/{id}/cancel orbitq/write",
		"POST /v1/batches/{id}/items orbitq/write",
		"POST /v1/batches/{id}/retry orbitq/write",
		"POST /v1/chains orbitq/write",
		"POST /v1/chains/{id}/cancel orbitq/write",
		"POST /v1/chains/{id}/redrive orbitq/write",
		"POST /v1/data-points orbitq/write",
		"POST /v1/data-points/{id}/review orbitq/write",
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
		"PUT /v1/campaigns/{id}/zones orbitq/write",
		"PUT /v1/notifications/preferences orbitq/write",
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
			string(job.UserQuotaExceeded), string(job.PointDeleted), string(job.Analysed), string(job.Notified), string(job.NotWanted),
		},
		"Kind": {kinds.EnrichName, kinds.AnalyzeName, kinds.NotifyName},
		"TrackState": {
			string(job.TrackPending), string(job.TrackRunning), string(job.TrackSucceeded), string(job.TrackSkipped), string(job.TrackFailed), string(job.TrackCancelled),
		},
		"ReviewStatus": {string(point.Pending), string(point.Approved), string(point.Rejected)},
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

// Enums and limits of fields, by schema and property; "[]" is the items of a list.
func TestFieldsSpeakAsTheCore(t *testing.T) {
	t.Parallel()

	schemas := load(t).Components.Schemas
	property := func(schema, name string) *openapi3.Schema {
		found := schemas[schema].Value
		if name == "[]" {
			return found.Items.Value
		}

		return found.Properties[name].Value
	}

	noticeTypes := words(job.NoticeTypes())
	callbacks := []any{"batch." + job.CallThen, "batch." + job.CallCatch, "batch." + job.CallFinally}

	for _, c := range []struct {
		schema, name string
		want         []any
	}{
		{"Muted", "[]", noticeTypes},
		{"Notification", "type", append(slices.Clone(noticeTypes), callbacks...)},
		{"Review", "flag", words(quality.HumanFlagTypes())},
		{"Flag", "severity", []any{string(quality.Warning), string(quality.Error)}},
		{"Batch", "stop_reason", []any{string(job.StopCancelled), string(job.StopFailed)}},
		{"FiredCallback", "name", []any{job.CallThen, job.CallCatch, job.CallFinally}},
	} {
		if got := property(c.schema, c.name).Enum; !slices.Equal(got, c.want) {
			t.Errorf("%s.%s\n got %v\nwant %v", c.schema, c.name, got, c.want)
		}
	}

	for _, c := range []struct {
		schema, name string
		want         uint64
	}{
		{"NewBatch", "data_point_ids", flow.MaxItems},
		{"NewItems", "data_point_ids", flow.MaxAdded},
		{"NewZones", "zones", intake.MaxZones},
		{"Zone", "ring", quality.MaxCorners + 1}, // a closed ring repeats its first corner
		{"NewChain", "tags", job.MaxTags},
		{"NewChain", "steps", flow.MaxSteps},
	} {
		if got := property(c.schema, c.name).MaxItems; got == nil || *got != c.want {
			t.Errorf("%s.%s has not at most %d items", c.schema, c.name, c.want)
		}
	}
}

// The flags of the rules and those of people are one list in an answer.
func TestFlagTypes(t *testing.T) {
	t.Parallel()

	want := append([]string{
		quality.HighGPSError, quality.StatisticalOutlier, quality.OutsideZone, quality.UnexpectedRange, quality.CalibrationOverdue,
		quality.SatelliteContextWeak, quality.LandCoverMismatch,
	}, quality.HumanFlagTypes()...)
	if got := load(t).Components.Schemas["Flag"].Value.Properties["type"].Value.Enum; !slices.Equal(got, words(want)) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// words is texts as a document has them.
func words(all []string) []any {
	out := make([]any, 0, len(all))
	for _, s := range all {
		out = append(out, s)
	}

	return out
}
