package e2e_test

import (
	"fmt"
	"image/color"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/scene"
)

// pixel reads the reflectance of one pixel straight from the image files.
func pixel(t *testing.T, band string, p scene.Point) float64 {
	t.Helper()
	f, err := os.Open("../local/scene/data/" + band + ".png")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	gray, ok := img.At(p.Pixel%256, p.Pixel/256).(color.Gray16)
	if !ok {
		t.Fatalf("band %s is not of 16 bits", band)
	}
	return float64(gray.Y) / 10000
}

// expected computes the seven indices of a pixel, written down from their
// definitions and sharing no code with the product.
func expected(t *testing.T, p scene.Point) [7]float64 {
	t.Helper()
	b02, b03, b04, b05 := pixel(t, "B02", p), pixel(t, "B03", p), pixel(t, "B04", p), pixel(t, "B05", p)
	b08, b8a, b11 := pixel(t, "B08", p), pixel(t, "B8A", p), pixel(t, "B11", p)
	return [7]float64{
		(b08 - b04) / (b08 + b04), (b8a - b11) / (b8a + b11), (b08 - b05) / (b08 + b05),
		math.Max(-1, math.Min(1, 2.5*(b08-b04)/(b08+6*b04-7.5*b02+1))), math.Min(3, b11/b08),
		1.5 * (b08 - b04) / (b08 + b04 + 0.5), (b08 - b03) / (b08 + b03),
	}
}

// TestMeansEqualThePixels sends points through the whole system and compares what
// comes back with the image files.
func TestMeansEqualThePixels(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "pixels", "enterprise")
	for i, p := range w.scene.PickPoints(scene.Bare, 20) {
		created, err := c.CreatePoint(t.Context(), client.NewPoint{Latitude: p.Lat, Longitude: p.Lon, Value: 1, CollectedAt: sensed()})
		if err != nil {
			t.Fatal(err)
		}
		if j := ended(t, c, created.JobID); j.Outcome != job.Success {
			t.Fatalf("point %d ended as %s %s, error %+v", i, j.State, j.Outcome, j.Error)
		}
		all, err := c.Analyses(t.Context(), created.PointID)
		if err != nil || len(all) != 1 {
			t.Fatalf("%d analyses, %v", len(all), err)
		}
		want := expected(t, p)
		for k, got := range all[0].Indices.InOrder() {
			if got == nil || math.Abs(got.Mean-want[k]) > 1e-6 || got.SampleCount != 144 {
				t.Errorf("point %d index %d: got %+v, want mean %v", i, k, got, want[k])
			}
		}
		if a := all[0]; a.AcquiredOn != "2020-02-19" || a.DayOffset != 0 || a.TemporalQuality != "excellent" || a.JobID != created.JobID || a.PUSpent <= 0 {
			t.Errorf("analysis %+v", a)
		}
	}
}

// TestOutcomes has one reading for each outcome that the scene can show.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "outcomes", "enterprise")
	bare, cloud := w.scene.PickPoints(scene.Bare, 1)[0], w.scene.PickPoints(scene.Cloud, 1)[0]
	at := func(text string) *time.Time {
		d, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return &d
	}
	cases := []struct {
		name     string
		lat, lon float64
		at       *time.Time
		want     job.Outcome
	}{
		{"clear, six days before", bare.Lat, bare.Lon, at("2020-02-13T10:00:00Z"), job.Success},
		{"clear, fifteen days after", bare.Lat, bare.Lon, at("2020-03-05T10:00:00Z"), job.Success},
		{"under cloud", cloud.Lat, cloud.Lon, sensed(), job.Clouded},
		{"no image within fifteen days", bare.Lat, bare.Lon, at("2020-05-20T10:00:00Z"), job.NoAcquisition},
		{"outside the scene", 45, -30, sensed(), job.OutOfCoverage},
		{"near the pole", 89.9, 0, sensed(), job.OutOfCoverage},
		{"Null Island", 0, 0, sensed(), job.OutOfCoverage},
		{"before the mission", bare.Lat, bare.Lon, at("2014-06-01T10:00:00Z"), job.PreMission},
		{"Fiji, at 180 degrees", -16.8, 179.9998, at("2025-08-01T10:00:00Z"), job.OutOfCoverage},
	}
	for _, x := range cases {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			created, err := c.CreatePoint(t.Context(), client.NewPoint{Latitude: x.lat, Longitude: x.lon, Value: 1, CollectedAt: x.at})
			if err != nil {
				t.Fatal(err)
			}
			j := ended(t, c, created.JobID)
			all, err := c.Analyses(t.Context(), created.PointID)
			if err != nil {
				t.Fatal(err)
			}
			if j.State != job.Succeeded || j.Outcome != x.want || (len(all) == 1) != x.want.Analysed() {
				t.Errorf("got %s %s with %d analyses, want %s (error %+v)", j.State, j.Outcome, len(all), x.want, j.Error)
			}
		})
	}
}

// TestTwoJobsOfOnePoint dispatches a second job for a point that is analysed.
func TestTwoJobsOfOnePoint(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "two-jobs", "pro")
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, created.JobID)
	again, err := c.Dispatch(t.Context(), client.NewJob{Kind: "enrich", PointID: created.PointID, Queue: "high"})
	if err != nil {
		t.Fatal(err)
	}
	if j := ended(t, c, again.ID); j.State != job.Succeeded || j.Outcome != job.AlreadyDone {
		t.Errorf("second job %+v", j)
	}
	u, err := c.Usage(t.Context())
	if err != nil || u.Used != 1 || u.Reserved != 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
}

// TestTenJobsAtTheLimit lets ten jobs race for the last unit of a free plan.
func TestTenJobsAtTheLimit(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "limit", "free")
	points := w.clear(19)
	for _, p := range points[:9] {
		created, err := c.CreatePoint(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if j := ended(t, c, created.JobID); j.Outcome != job.Success {
			t.Fatalf("%+v", j)
		}
	}
	var racing []client.Created
	for _, p := range points[9:] {
		created, err := c.CreatePoint(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		racing = append(racing, created)
	}
	counts := map[string]int{}
	for _, r := range racing {
		j := ended(t, c, r.JobID)
		counts[fmt.Sprint(j.State, " ", j.Outcome)]++
	}
	u, err := c.Usage(t.Context())
	if err != nil || counts["succeeded SUCCEEDED"] != 1 || counts["skipped USER_QUOTA_EXCEEDED"] != 9 || u.Used != 10 || u.Reserved != 0 {
		t.Errorf("ends %v, usage %+v, %v", counts, u, err)
	}
}

// TestAReadingOfTodayLooksAgain posts a reading whose image cannot be published
// yet: the job waits in the table, is looked at again, and ends in the end.
func TestAReadingOfTodayLooksAgain(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "today", "free")
	p, now := w.clear(1)[0], time.Now().UTC()
	p.CollectedAt = &now
	created, err := c.CreatePoint(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	j, err := c.Wait(t.Context(), created.JobID, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	day := 24 * time.Hour / speed
	if j.State != job.Waiting || j.Outcome != job.NotYetAvailable || j.Attempts != 0 || j.NextAt == nil || j.NextAt.Sub(j.CreatedAt) < day {
		t.Errorf("job %+v, next at %v", j, j.NextAt)
	}
}

// TestADelayedJobRunsWhenItIsDue schedules jobs by delay and by time.
func TestADelayedJobRunsWhenItIsDue(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "delay", "enterprise")
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, created.JobID)
	token := w.token(t, "delay", "enterprise", time.Hour, "orbitq/read", "orbitq/write")
	body := `{"kind":"enrich","data_point_id":"` + created.PointID + `",`
	status, got, _ := w.raw(t, "POST", "/v1/jobs", token, body+`"delay":3}`)
	id, _ := got["id"].(string)
	if status != 202 || got["state"] != "scheduled" || got["next_at"] == nil {
		t.Fatalf("status %d, %v", status, got)
	}
	if j := ended(t, c, id); j.Outcome != job.AlreadyDone || j.StartedAt.Sub(j.CreatedAt) < 2900*time.Millisecond {
		t.Errorf("job %+v started after %v", j, j.StartedAt.Sub(j.CreatedAt))
	}
	far := time.Now().UTC().Add(30 * 24 * time.Hour).Format(time.RFC3339)
	if status, got, _ = w.raw(t, "POST", "/v1/jobs", token, body+`"run_at":"`+far+`"}`); status != 202 || got["next_at"] != far {
		t.Errorf("status %d, %v, want next_at %s", status, got, far)
	}
	status, got, _ = w.raw(t, "POST", "/v1/jobs", token, body+`"delay":1,"run_at":"`+far+`"}`)
	problem(t, "both", status, got, "INVALID_FIELD", "run_at", "exclusive")
}

// TestFiveHundredJobsInOneRequest dispatches an import, with one wrong item.
func TestFiveHundredJobsInOneRequest(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	c := w.as(t, "import", "enterprise")
	created, err := c.CreatePoint(t.Context(), w.clear(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, created.JobID)
	items := make([]string, 500)
	for i := range items {
		items[i] = fmt.Sprintf(`{"kind":"enrich","data_point_id":%q,"queue":%q}`, created.PointID, []string{"high", "default", "low"}[i%3])
	}
	items[499] = `{"kind":"enrich","data_point_id":"628"}`
	token := w.token(t, "import", "enterprise", time.Hour, "orbitq/write")
	status, got, _ := w.raw(t, "POST", "/v1/jobs:batch-dispatch", token, `{"items":[`+strings.Join(items, ",")+`]}`)
	if status != 200 || got["accepted"] != 499.0 || got["refused"] != 1.0 {
		t.Fatalf("status %d, accepted %v, refused %v", status, got["accepted"], got["refused"])
	}
	eventually(t, func() error {
		ends := map[string]int{}
		for j, err := range c.Jobs(t.Context(), client.Filter{Page: 100}) {
			if err != nil {
				return err
			}
			ends[fmt.Sprint(j.State, " ", j.Outcome)]++
		}
		if ends["succeeded ALREADY_DONE"] != 499 || ends["succeeded SUCCEEDED"] != 1 {
			return fmt.Errorf("ends %v", ends)
		}
		return nil
	})
	if u, err := c.Usage(t.Context()); err != nil || u.Used != 1 || u.Reserved != 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
}
