package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
)

// sendUnpublished sends the readings whose image is not there at the first look:
// one of today, one whose image comes late, and one under clouds that stay. Each
// must wait without an attempt and without being billed.
func (w *world) sendUnpublished(t *testing.T) []*reading {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	rows := []fixture{
		// The clock of this run, and nobody may ask before the image can exist: a reading of today, so shortly before its image can be
		// there that the looks after 1, 3 and 7 seconds find it.
		{name: "15_reading_of_today", lat: bornholmLat, lon: bornholmLon, at: now.Add(8*time.Second - 24*time.Hour), outcome: job.Success, statistics: 1},
		{name: "15_image_published_late", lat: bornholmLat + 0.1, lon: bornholmLon, at: now.Add(-48 * time.Hour), outcome: job.Success, statistics: several, holds: lookedAgain},
		{name: "07_aarhus_this_week", lat: aarhusLat, lon: aarhusLon, at: now.Add(-48 * time.Hour), outcome: job.Clouded, statistics: several, holds: waitedForAllLooks},
	}
	first := []job.Outcome{job.NotYetAvailable, job.NotYetAvailable, job.Clouded}
	for i := range rows[:2] {
		rows[i].offset = int(of(now.AddDate(0, 0, -1-i).Format("2006-01-02T00:00")).Sub(rows[i].at.Truncate(24*time.Hour)).Hours() / 24)
	}
	all := w.sendAll(t, rows)
	for i, r := range all {
		j, err := r.c.Wait(t.Context(), r.created.JobID, 20*time.Millisecond)
		if err != nil || j.State != job.Waiting || j.Outcome != first[i] || j.Attempts != 0 || j.NextAt == nil {
			t.Errorf("%s: job %+v, %v; want it to wait as %s", r.row.name, j, err, first[i])
		}
		if u, err := r.c.Usage(t.Context()); err != nil || u.Used != 0 {
			t.Errorf("%s: usage %+v while it waits, %v", r.row.name, u, err)
		}
	}
	return all
}

// lookedAgain holds that the provider was asked in vain, in both windows, before the
// image was there.
func lookedAgain(t *testing.T, got result) {
	t.Helper()
	if n := count(got.asked, cdse.EndpointStatistics); n < 3 {
		t.Errorf("asked %d times", n)
	}
}

// waitedForAllLooks holds that the job looked again after 1, 3 and 7 days before it
// took the clouds for the answer.
func waitedForAllLooks(t *testing.T, got result) {
	t.Helper()
	if took := got.job.FinishedAt.Sub(got.job.CreatedAt); took < 11*time.Second {
		t.Errorf("final after %v", took)
	}
}

// sendField sends two readings of one cereal field.
func (w *world) sendField(t *testing.T) []*reading {
	t.Helper()
	return []*reading{
		w.post(t, "fixture-04", fixture{name: "04 in May", lat: 54.82, lon: 11.35, at: of("2025-05-20T10:00")}),
		w.post(t, "fixture-04", fixture{name: "04 in September", lat: 54.82, lon: 11.35, at: of("2025-09-10T10:00")}),
	}
}

// checkField holds that the field is clearly less green after the harvest.
func checkField(t *testing.T, pair []*reading) {
	t.Helper()
	var green [2]float64
	for i, r := range pair {
		got := r.result(t)
		if got.job.Outcome != job.Success || len(got.analyses) != 1 || got.analyses[0].DayOffset != i || count(got.asked, cdse.EndpointStatistics) != 1 {
			t.Fatalf("%s: %+v, %d analyses %+v, calls %+v", r.row.name, got.job, len(got.analyses), got.analyses, got.asked)
		}
		green[i] = got.analyses[0].Indices.InOrder()[ndvi].Mean
	}
	if green[0]-green[1] < 0.3 {
		t.Errorf("NDVI %.3f before and %.3f after the harvest", green[0], green[1])
	}
	if u, err := pair[0].c.Usage(t.Context()); err != nil || u.Used != 2 || u.Reserved != 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
}

// sendTwice sends a reading whose message is delivered twice.
func (w *world) sendTwice(t *testing.T) *reading {
	t.Helper()
	r := w.post(t, "fixture-19-twice", fixture{
		name: "19 twice", lat: parkLat + 0.01, lon: parkLon, at: of("2025-08-15T10:00"), outcome: job.Success, statistics: 1,
	})
	w.send(t, "satellite", firstMessage(r.created.JobID))
	r.row.holds = func(t *testing.T, got result) {
		t.Helper()
		between(t, got, ndvi, 0.4, 1)
		// The second delivery has come and gone, too, when no message is left.
		eventually(t, func() error {
			if n := w.depth(t, "satellite"); n != 0 {
				return fmt.Errorf("%d messages left", n)
			}
			return nil
		})
		all, err := r.c.Analyses(t.Context(), r.created.PointID)
		u, uErr := r.c.Usage(t.Context())
		if err != nil || uErr != nil || len(all) != 1 || u.Used != 1 {
			t.Errorf("after the second delivery %d analyses (%v), usage %+v (%v)", len(all), err, u, uErr)
		}
	}
	return r
}

// sendCrowd uses nine of ten units of a free plan, and then sends ten readings.
func (w *world) sendCrowd(t *testing.T) []*reading {
	t.Helper()
	var first, crowd []*reading
	for range 9 {
		first = append(first, w.post(t, "fixture-19-crowd", fixture{name: "19 before", lat: parkLat - 0.01, lon: parkLon, at: of("2025-08-15T10:00")}))
	}
	for _, r := range first {
		if j := ended(t, r.c, r.created.JobID); j.Outcome != job.Success {
			t.Fatalf("job %+v", j)
		}
	}
	if u, err := first[0].c.Usage(t.Context()); err != nil || u.Used != 9 || u.Limit == nil || *u.Limit != 10 {
		t.Fatalf("usage %+v, %v", u, err)
	}
	for range 10 {
		crowd = append(crowd, w.post(t, "fixture-19-crowd", fixture{name: "19 crowd", lat: parkLat - 0.015, lon: parkLon, at: of("2025-08-15T10:00")}))
	}
	return crowd
}

// checkCrowd holds that one of the ten succeeded, with the only call to the provider.
func checkCrowd(t *testing.T, crowd []*reading) {
	t.Helper()
	ends := map[string]int{}
	var last result
	for _, r := range crowd {
		last = r.result(t)
		ends[fmt.Sprint(last.job.State, " ", last.job.Outcome, " ", len(last.analyses))]++
	}
	if ends["succeeded SUCCEEDED 1"] != 1 || ends["skipped USER_QUOTA_EXCEEDED 0"] != 9 {
		t.Errorf("ends %v", ends)
	}
	if last.usage.Used != 10 || last.usage.Reserved != 0 || count(last.asked, cdse.EndpointStatistics) != 1 {
		t.Errorf("usage %+v, calls %+v", last.usage, last.asked)
	}
}

// refusesTheFuture posts a reading that has not been taken yet.
func (w *world) refusesTheFuture(t *testing.T) {
	t.Helper()
	token := w.token(t, "fixture-17-future", "free", time.Hour, "orbitq/read", "orbitq/write")
	at := "2030-01-01T00:00:00Z"
	if time.Now().Year() >= 2030 {
		at = time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339)
	}
	status, got, _ := w.raw(t, http.MethodPost, "/v1/data-points", token,
		fmt.Sprintf(`{"latitude":%v,"longitude":%v,"value":1,"collected_at":%q}`, parkLat, parkLon, at))
	problem(t, "future", status, got, "INVALID_FIELD", "collected_at", "not_future")
	w.hasNothing(t, "fixture-17-future")
}

// refusesBadInput posts what is no position.
func (w *world) refusesBadInput(t *testing.T) {
	t.Helper()
	token := w.token(t, "fixture-18", "free", time.Hour, "orbitq/read", "orbitq/write")
	for _, x := range []struct{ body, code, field, rule string }{
		{`{"latitude": 91, "longitude": 12, "value": 1}`, "INVALID_FIELD", "latitude", "range"},
		{`{"latitude": 55, "longitude": -180.01, "value": 1}`, "INVALID_FIELD", "longitude", "range"},
		{`{"latitude": 55, "value": 1}`, "INVALID_FIELD", "longitude", "required"},
		{`{"latitude": null, "longitude": 12, "value": 1}`, "INVALID_FIELD", "latitude", "type"},
		{`{"latitude": NaN, "longitude": 12, "value": 1}`, "INVALID_JSON", "", ""},
	} {
		status, got, _ := w.raw(t, http.MethodPost, "/v1/data-points", token, x.body)
		problem(t, x.body, status, got, x.code, x.field, x.rule)
	}
	w.hasNothing(t, "fixture-18")
}

// hasNothing holds that a user has no jobs and was not billed.
func (w *world) hasNothing(t *testing.T, user string) {
	t.Helper()
	c := w.as(t, user, "free")
	for j, err := range c.Jobs(t.Context(), client.Filter{}) {
		t.Errorf("%s has job %+v, %v", user, j, err)
	}
	if u, err := c.Usage(t.Context()); err != nil || u.Used != 0 || u.Reserved != 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
}

// endsWithoutLocation takes the position out of a stored row, as rows of old may lack
// it, and lets a job meet it.
func (w *world) endsWithoutLocation(t *testing.T) {
	t.Helper()
	r := w.post(t, "fixture-18-null", fixture{name: "18 null", lat: parkLat, lon: parkLon, at: of("2014-06-01T12:00")})
	ended(t, r.c, r.created.JobID)
	table, change := w.State().Table, "REMOVE lat, lon"
	key := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "POINT#" + r.created.PointID}, "sk": &types.AttributeValueMemberS{Value: "POINT"},
	}
	out, err := w.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table, Key: key, UpdateExpression: &change, ReturnValues: types.ReturnValueAllOld})
	if err != nil || out.Attributes["lat"] == nil {
		t.Fatalf("row before %v, %v", out, err)
	}
	again, err := r.c.Dispatch(t.Context(), client.NewJob{Kind: "enrich", PointID: r.created.PointID})
	if err != nil {
		t.Fatal(err)
	}
	j := ended(t, r.c, again.ID)
	u, err := r.c.Usage(t.Context())
	if j.State != job.Succeeded || j.Outcome != job.NoLocation || err != nil || u.Used != 0 || u.Reserved != 0 {
		t.Errorf("job %+v, usage %+v, %v", j, u, err)
	}
}
