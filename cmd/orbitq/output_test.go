package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

// update rewrites the golden files (go test ./cmd/orbitq -run Golden -update).
var update = flag.Bool("update", false, "rewrite the golden files")

// golden holds text against a file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatalf("write golden file: %v", err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read golden file: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// at is a moment of the examples.
func at(seconds float64) time.Time {
	return time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC).Add(time.Duration(seconds * float64(time.Second)))
}

func when(seconds float64) *time.Time {
	t := at(seconds)
	return &t
}

// exampleJobs are jobs in the states that look different.
func exampleJobs() []client.Job {
	base := client.Job{
		ID: "01JM8WQ5Z4A1B2C3D4E5F6G7H8", Kind: "enrich", PointID: "01JM8WQ5Z3T5V9B0C2D4E6F8GH", Queue: "default", MaxAttempts: 3, CreatedAt: at(0),
	}
	done, retrying, queued := base, base, base
	done.State, done.Outcome, done.Attempts, done.StartedAt, done.FinishedAt = job.Succeeded, job.Clouded, 2, when(12), when(13.25)
	done.Generation = 1
	done.History = []client.Attempt{
		{Number: 1, StartedAt: at(1), EndedAt: when(2.5), Code: job.ProviderTimeout, Version: "1.0.0", RequestID: "r-1"},
		{Number: 2, StartedAt: at(12), Version: "1.0.0", RequestID: "r-2"},
	}
	retrying.State, retrying.Attempts, retrying.NextAt, retrying.Queue = job.Retrying, 1, when(90), "high"
	retrying.Error = &client.Failure{Code: job.ProviderUnavailable, Message: "provider answered 503"}
	queued.State = job.Queued
	return []client.Job{done, retrying, queued}
}

func stats(mean float64) *client.Stats {
	return &client.Stats{Mean: mean, Min: mean - 0.5, Max: mean + 0.5, StDev: 0.0123, SampleCount: 144, NoDataCount: 3}
}

// exampleAnalysis has every index but one.
func exampleAnalysis() client.Analysis {
	return client.Analysis{
		Revision: 2, Outcome: job.Partial, Source: "Sentinel-2 L2A", AcquiredOn: "2020-02-19", DayOffset: -3, TemporalQuality: "excellent", HalfSideM: 60,
		CloudFraction: 0.021, WaterFraction: 0.25, ValidFraction: 0.979,
		Indices: client.Indices{NDVI: stats(0.1284), NDMI: stats(-0.0871), NDRE: stats(0.09), EVI: stats(0.1), MSI: stats(1.19), SAVI: stats(0.1)},
	}
}

func TestGoldenViews(t *testing.T) {
	t.Parallel()
	jobs := exampleJobs()
	point := client.Point{
		ID: jobs[0].PointID, Latitude: 28.2841, Longitude: -10.0973, Accuracy: 8, Value: 21.5, MetricID: "temperature", CampaignID: "coast",
		Notes: "dry shrub", CollectedAt: at(-3600),
	}
	limit, left := 10, 2
	usage := client.Usage{Tier: "free", Cycle: client.Cycle{Start: at(0), End: at(86400 * 5)}, Used: 7, Reserved: 1, Limit: &limit, Remaining: &left, ResetsAt: at(86400 * 5)}
	for _, c := range []struct {
		name  string
		write func(w *bytes.Buffer) error
	}{
		{"job_done", func(w *bytes.Buffer) error { return writeJob(w, &jobs[0]) }},
		{"job_retrying", func(w *bytes.Buffer) error { return writeJob(w, &jobs[1]) }},
		{"job_queued", func(w *bytes.Buffer) error { return writeJob(w, &jobs[2]) }},
		{"jobs", func(w *bytes.Buffer) error { return writeJobs(w, &jobList{Items: jobs, More: true}) }},
		{"point", func(w *bytes.Buffer) error {
			return (&pointView{Point: point, Analyses: []client.Analysis{exampleAnalysis()}}).write(w)
		}},
		{"point_without_job", func(w *bytes.Buffer) error { return (&pointView{Point: point}).write(w) }},
		{"usage", func(w *bytes.Buffer) error { return writeUsage(w, &usage) }},
	} {
		var out bytes.Buffer
		if err := c.write(&out); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		golden(t, c.name, out.Bytes())
	}
}

func TestMeaningCoversTheOutcomes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, o := range []job.Outcome{
		job.Success, job.Partial, job.AlreadyDone, job.NoLocation, job.OutOfCoverage, job.NoAcquisition, job.PreMission, job.NotYetAvailable,
		job.Clouded, job.UserQuotaExceeded, job.PointDeleted, job.Analysed, job.Notified, job.NotWanted,
	} {
		text := meaning(o)
		if text == "" || seen[text] {
			t.Errorf("%s means %q", o, text)
		}
		seen[text] = true
		if billed := !strings.Contains(text, "not billed"); billed != o.Billable() {
			t.Errorf("%s: %q contradicts Billable", o, text)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for in, want := range map[time.Duration]string{
		0: "0 ms", 999 * time.Millisecond: "999 ms", 1500 * time.Millisecond: "1.5 s", 61 * time.Second: "1m1s",
	} {
		if got := span(in); got != want {
			t.Errorf("span(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestPageSize(t *testing.T) {
	t.Parallel()
	for in, want := range map[int]int{0: 100, 1: 2, 20: 21, 99: 100, 100: 100, 1000: 100} {
		if got := pageSize(in); got != want {
			t.Errorf("pageSize(%d) = %d, want %d", in, got, want)
		}
	}
}
