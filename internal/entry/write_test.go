package entry_test

import (
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"

	"orbitq/internal/job"
	"orbitq/internal/satellite"
)

func TestReadingIsStoredWithItsJob(t *testing.T) {
	t.Parallel()
	b := start(t)
	got := b.do(t, call{method: "POST", path: "/v1/data-points", owner: ann, body: `{"latitude":0,"longitude":-180,"value":0}`})
	var made struct {
		Point struct {
			ID, Status, CollectedAt string
			Latitude, Longitude     float64
			Collected               string `json:"collected_at"`
			Revision                int
		} `json:"data_point"`
		Job     struct{ ID, Kind, State, Queue string }
		PointID string `json:"data_point_id"`
		JobID   string `json:"job_id"`
	}
	got.into(t, http.StatusCreated, &made)
	p, j := made.Point, made.Job
	if p.ID != made.PointID || p.Latitude != 0 || p.Longitude != -180 || p.Status != "pending" || p.Revision != 1 || p.Collected != "2026-03-01T12:00:00Z" {
		t.Errorf("point is %+v", p)
	}
	if j.ID != made.JobID || j.Kind != "enrich" || j.State != "queued" || j.Queue != "default" {
		t.Errorf("job is %+v", j)
	}
	if got.headers["location"] != "/v1/data-points/"+p.ID {
		t.Errorf("location is %q", got.headers["location"])
	}
	want := sent{"default", job.Message{Version: 1, Job: j.ID, Generation: 0, Ticket: 1}}
	if len(b.sender.sent) != 1 || b.sender.sent[0] != want {
		t.Errorf("sent %+v, want %+v", b.sender.sent, want)
	}
	row, err := b.store.Job(t.Context(), j.ID)
	if err != nil || row.Owner != ann || row.Tier != "free" || row.Limit != 10 || row.Point != p.ID || row.Deadline.Sub(b.now).Hours() != 24 {
		t.Errorf("row is %+v, %v", row, err)
	}
}

// What is written is what is read, in every field, in milliseconds and UTC.
func TestEveryFieldComesBack(t *testing.T) {
	t.Parallel()
	b := start(t)
	notes := `"notes":"` + strings.Repeat("ж", 1000) + `",`
	body := reading(notes + `"accuracy":8.126,"metric_id":"temperature","campaign_id":"coast-2020","device_model":"ES-100","sensor_type":"thermistor",` +
		`"calibration_at":"2020-01-15T01:30:00.1239+01:30","queue":"high",`)
	var made, read object
	b.do(t, call{method: "POST", path: "/v1/data-points", owner: ann, body: body}).into(t, http.StatusCreated, &made)
	id, ok := made["data_point_id"].(string)
	if !ok {
		t.Fatalf("no id in %v", made)
	}
	b.do(t, call{method: "GET", path: "/v1/data-points/" + id, owner: ann}).into(t, http.StatusOK, &read)
	want := object{
		"accuracy": 8.13, "metric_id": "temperature", "campaign_id": "coast-2020", "device_model": "ES-100", "sensor_type": "thermistor",
		"calibration_at": "2020-01-15T00:00:00.123Z", "notes": strings.Repeat("ж", 1000), "latitude": 28.2841,
	}
	point, ok := made["data_point"].(object)
	if !ok {
		t.Fatalf("no point in %v", made)
	}
	for name, value := range want {
		if point[name] != value || read[name] != value {
			t.Errorf("%s is %v when written and %v when read, want %v", name, point[name], read[name], value)
		}
	}
	if len(point) != len(read) {
		t.Errorf("written %v, read %v", point, read)
	}
	if b.sender.sent[0].queue != "high" {
		t.Errorf("sent to %s", b.sender.sent[0].queue)
	}
}

func TestBodyMayBeBase64(t *testing.T) {
	t.Parallel()
	b := start(t)
	encoded := base64.StdEncoding.EncodeToString([]byte(reading("")))
	media := map[string]string{"content-type": "application/json; charset=utf-8"}
	got := b.do(t, call{method: "POST", path: "/v1/data-points", owner: ann, body: encoded, base64: true, headers: media})
	if got.status != http.StatusCreated {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestJobIsDispatched(t *testing.T) {
	t.Parallel()
	b := start(t)
	pointID, first := b.seed(t, ann)
	for _, queue := range []string{"high", "default", "low"} {
		got := b.do(t, call{
			method: "POST", path: "/v1/jobs", owner: ann, tier: "Enterprise",
			body: `{"kind":"enrich","data_point_id":"` + pointID + `","queue":"` + queue + `"}`,
		})
		var made struct {
			ID, Queue, State string
			Point            string `json:"data_point_id"`
		}
		got.into(t, http.StatusAccepted, &made)
		if made.ID == first || made.Queue != queue || made.State != "queued" || made.Point != pointID || got.headers["location"] != "/v1/jobs/"+made.ID {
			t.Errorf("%s: %+v at %q", queue, made, got.headers["location"])
		}
		if last := b.sender.sent[len(b.sender.sent)-1]; last.queue != queue || last.message.Job != made.ID {
			t.Errorf("%s: sent %+v", queue, last)
		}
		if row, err := b.store.Job(t.Context(), made.ID); err != nil || row.Limit != job.Unlimited {
			t.Errorf("%s: limit %d, %v: the tier of the token must count", queue, row.Limit, err)
		}
	}
}

// The same key and body give the same ids and no second message; another body, or another owner, is another matter.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := start(t)
	seeded, _ := b.seed(t, ann)
	seedBen, _ := b.seed(t, ben)
	key := map[string]string{"idempotency-key": strings.Repeat("k", 255)}
	for _, c := range []struct{ name, path, body, other, bens string }{
		{"data points", "/v1/data-points", reading(""), reading(`"notes":"x",`), reading("")},
		{
			"jobs", "/v1/jobs", `{"kind":"enrich","data_point_id":"` + seeded + `"}`, `{"kind": "enrich","data_point_id":"` + seeded + `"}`,
			`{"kind":"enrich","data_point_id":"` + seedBen + `"}`,
		},
	} {
		before := len(b.sender.sent)
		first := b.do(t, call{method: "POST", path: c.path, owner: ann, body: c.body, headers: key})
		again := b.do(t, call{method: "POST", path: c.path, owner: ann, body: c.body, headers: key})
		if first.status/100 != 2 || again.status != first.status || again.body != first.body || again.headers["location"] != first.headers["location"] {
			t.Errorf("%s: first %d %s, again %d %s", c.name, first.status, first.body, again.status, again.body)
		}
		var p problem
		unchanged := b.snapshot()
		b.do(t, call{method: "POST", path: c.path, owner: ann, body: c.other, headers: key}).into(t, http.StatusConflict, &p)
		if p.Code != "IDEMPOTENCY_KEY_REUSED" || p.Field != "Idempotency-Key" || b.snapshot() != unchanged {
			t.Errorf("%s: other body gives %+v", c.name, p)
		}
		other := b.do(t, call{method: "POST", path: c.path, owner: ben, body: c.bens, headers: key})
		if other.status != first.status || other.headers["location"] == first.headers["location"] {
			t.Errorf("%s: the key of another owner gives %d %s", c.name, other.status, other.headers["location"])
		}
		if n := len(b.sender.sent) - before; n != 2 {
			t.Errorf("%s: %d messages for two owners' two requests", c.name, n)
		}
	}
}

// A queue that does not answer does not lose the job: it is accepted, and the log says that the relay has to act.
func TestUnsentJobIsAccepted(t *testing.T) {
	t.Parallel()
	b := start(t)
	pointID, _ := b.seed(t, ann)
	b.sender.err = errAWS
	for _, c := range []call{
		{method: "POST", path: "/v1/data-points", owner: ann, body: reading("")},
		{method: "POST", path: "/v1/jobs", owner: ann, body: `{"kind":"enrich","data_point_id":"` + pointID + `"}`},
	} {
		got := b.do(t, c)
		if got.status/100 != 2 || strings.Contains(got.body, "DynamoDB") {
			t.Errorf("%s: %d %s", c.path, got.status, got.body)
		}
		all := b.log.all(t)
		warned, request := all[len(all)-2], all[len(all)-1]
		if warned["level"] != "WARN" || warned["job"] == "" || warned["error"] != errAWS.Error() || request["msg"] != "request" {
			t.Errorf("%s: log says %v", c.path, warned)
		}
	}
}

// A table that does not answer: nothing is sent for a job that is not stored, and the client learns no internals.
func TestTableDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   string
		retry  string
	}{
		{"throttled", job.Errorf(job.Throttled, "%w", errAWS), http.StatusServiceUnavailable, "UNAVAILABLE", "1"},
		{"unavailable", job.Errorf(job.Unavailable, "%w", errAWS), http.StatusServiceUnavailable, "UNAVAILABLE", "1"},
		{"defect", errAWS, http.StatusInternalServerError, "INTERNAL", ""},
		{"code of a job", job.Errorf(job.ProviderTimeout, "%w", errAWS), http.StatusInternalServerError, "INTERNAL", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			pointID, jobID := b.seed(t, ann)
			unchanged := b.snapshot()
			b.store.err = c.err
			for _, ask := range []call{
				{method: "POST", path: "/v1/jobs", owner: ann, body: `{"kind":"enrich","data_point_id":"` + pointID + `"}`},
				{method: "GET", path: "/v1/jobs/" + jobID, owner: ann},
			} {
				var p problem
				got := b.do(t, ask)
				got.into(t, c.status, &p)
				if p.Code != c.code || p.Status != c.status || got.headers["retry-after"] != c.retry || strings.Contains(got.body, "DynamoDB") {
					t.Errorf("%s: %v %s", ask.method, got.headers, got.body)
				}
				all := b.log.all(t)
				if line := all[len(all)-1]; line["level"] != "ERROR" || !strings.Contains(line["error"].(string), errAWS.Error()) {
					t.Errorf("%s: the log must say what went wrong: %v", ask.method, line)
				}
			}
			if b.snapshot() != unchanged {
				t.Error("something was stored or sent")
			}
		})
	}
}

// The value that a client gets is no error text of ours, whatever error comes up.
func TestUncodedErrorIsInternal(t *testing.T) {
	t.Parallel()
	b := start(t)
	_, jobID := b.seed(t, ann)
	b.store.err = errors.Join(errors.New(plantedNote), errAWS)
	var p problem
	b.do(t, call{method: "GET", path: "/v1/jobs/" + jobID, owner: ann}).into(t, http.StatusInternalServerError, &p)
	if p.Title != "Internal" || p.Type != "https://orbitq.dev/problems/internal" || p.RequestID != "request-1" || strings.Contains(p.Detail, "planted") {
		t.Errorf("problem is %+v", p)
	}
}

// A stored value that JSON cannot hold is a defect: a problem and a log line, not half an answer and not a crash.
func TestValueThatJSONCannotHold(t *testing.T) {
	t.Parallel()
	b := start(t)
	day := satellite.Day{}
	day.Indices[0] = &satellite.Stats{Mean: math.NaN()}
	pointID, _ := b.settle(t, ann, satellite.Analysis{Day: day})
	var p problem
	b.do(t, call{method: "GET", path: "/v1/data-points/" + pointID + "/analyses", owner: ann}).into(t, http.StatusInternalServerError, &p)
	all := b.log.all(t)
	if line := all[len(all)-1]; p.Code != "INTERNAL" || line["level"] != "ERROR" || !strings.Contains(line["error"].(string), "encode answer") {
		t.Errorf("problem %+v, line %v", p, line)
	}
}
