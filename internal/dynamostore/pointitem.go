package dynamostore

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/point"
	"orbitq/internal/satellite"
)

// encodePoint returns the row of a data point.
func encodePoint(p *point.Point) item {
	w := writer(pointKey(p.ID))
	w.str("own", pointsOf(p.Owner))
	if p.CampaignID != "" {
		// Points of a campaign are found by it: for a batch, and as each other's peers.
		w.str("os", pointPlace(p.CampaignID, p.MetricID, p.CollectedAt, p.ID))
	}
	if p.Latitude != nil {
		w["lat"] = float(*p.Latitude)
	}
	if p.Longitude != nil {
		w["lon"] = float(*p.Longitude)
	}
	w["acc"], w["val"] = float(p.Accuracy), float(p.Value)
	w["at"] = num(ms(p.CollectedAt))
	w.time("cal", p.CalibratedAt)
	w.str("metric", p.MetricID)
	w.str("campaign", p.CampaignID)
	w.str("device", p.DeviceModel)
	w.str("sensor", p.SensorType)
	w.str("notes", p.Notes)
	w["rev"] = num(p.Revision)
	w.str("bh", p.BodyHash)
	w.time("cr", p.CreatedAt)
	if p.Status != point.Pending {
		w.str("status", string(p.Status))
	}
	w.time("rvat", p.ReviewedAt)
	w.str("rvnotes", p.ReviewNotes)
	return item(w)
}

// decodePoint reads a data point's row.
func decodePoint(row item) point.Point {
	r := reader(row)
	p := point.Point{
		ID: nameIn(r.str("pk")), Owner: nameIn(r.str("own")),
		Accuracy: r.float("acc"), Value: r.float("val"),
		CollectedAt: time.UnixMilli(int64(r.num("at"))).UTC(), CalibratedAt: r.time("cal"),
		MetricID: r.str("metric"), CampaignID: r.str("campaign"), DeviceModel: r.str("device"),
		SensorType: r.str("sensor"), Notes: r.str("notes"),
		Revision: r.num("rev"), BodyHash: r.str("bh"), CreatedAt: r.time("cr"),
		Status: point.Pending, ReviewedAt: r.time("rvat"), ReviewNotes: r.str("rvnotes"),
	}
	if status := r.str("status"); status != "" {
		p.Status = point.Status(status)
	}
	if r.has("lat") {
		lat := r.float("lat")
		p.Latitude = &lat
	}
	if r.has("lon") {
		lon := r.float("lon")
		p.Longitude = &lon
	}
	return p
}

// encodeAnalysis returns the row of an analysis. Each index is a list of six
// numbers in the order of decodeStats: together under one write unit.
func encodeAnalysis(a *satellite.Analysis) item {
	w := writer(analysisKey(a.Point, a.Revision))
	w.str("job", a.Job)
	w.num("rev", a.Revision)
	w.time("day", a.Day.Date)
	for i, name := range satellite.IndexNames() {
		if s := a.Day.Indices[i]; s != nil {
			w[name] = &types.AttributeValueMemberL{Value: []types.AttributeValue{
				float(s.Mean), float(s.Min), float(s.Max), float(s.StDev), num(s.SampleCount), num(s.NoDataCount),
			}}
		}
	}
	w["cloud"], w["snow"], w["water"] = float(a.Day.CloudFraction), float(a.Day.SnowFraction), float(a.Day.WaterFraction)
	w["valid"] = float(a.Day.ValidFraction)
	w.num("off", a.DayOffset)
	w.str("tq", a.TemporalQuality)
	w.num("half", a.HalfSide)
	w["pu"], w["credits"] = float(a.PUSpent), float(a.Credits)
	w.str("rid", a.RequestID)
	w.str("sv", a.ScriptVersion)
	w.time("cr", a.CreatedAt)
	return item(w)
}

// ledgered makes an analysis the entry of its owner's ledger: it is in the owner
// index beside the jobs, under a key of its own. One row that is both cannot
// disagree with itself, and costs one index write where an entry of its own would
// cost two in the transaction.
func ledgered(a *satellite.Analysis, owner string) item {
	row := encodeAnalysis(a)
	row["own"], row["os"] = str(ledgerKey(owner)), str(a.Entry())
	return row
}

// decodeAnalysis reads an analysis row.
func decodeAnalysis(row item) satellite.Analysis {
	r := reader(row)
	a := satellite.Analysis{
		Job: r.str("job"), Point: nameIn(r.str("pk")), Revision: r.num("rev"),
		Day: satellite.Day{
			Date: r.time("day"), CloudFraction: r.float("cloud"), SnowFraction: r.float("snow"),
			WaterFraction: r.float("water"), ValidFraction: r.float("valid"),
		},
		DayOffset: r.num("off"), TemporalQuality: r.str("tq"), HalfSide: r.num("half"),
		PUSpent: r.float("pu"), Credits: r.float("credits"), RequestID: r.str("rid"), ScriptVersion: r.str("sv"), CreatedAt: r.time("cr"),
	}
	for i, name := range satellite.IndexNames() {
		a.Day.Indices[i] = decodeStats(r.list(name))
		a.Partial = a.Partial || a.Day.Indices[i] == nil
	}
	return a
}

// decodeStats reads mean, min, max, st_dev, sample_count and no_data_count.
func decodeStats(v []types.AttributeValue) *satellite.Stats {
	if len(v) != 6 {
		return nil
	}
	return &satellite.Stats{
		Mean: floatOf(v[0]), Min: floatOf(v[1]), Max: floatOf(v[2]), StDev: floatOf(v[3]),
		SampleCount: int(floatOf(v[4])), NoDataCount: int(floatOf(v[5])),
	}
}
