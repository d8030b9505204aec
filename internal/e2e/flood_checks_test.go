package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/stack"
)

// jobs reads all jobs of the user.
func (f *flood) jobs(t *testing.T) map[string]client.Job {
	t.Helper()
	all := map[string]client.Job{}
	for j, err := range f.c.Jobs(t.Context(), client.Filter{Page: 100}) {
		if err != nil {
			t.Fatal(err)
		}
		all[j.ID] = j
	}
	if len(all) != len(f.good)+len(f.poisoned) {
		t.Errorf("%d jobs are listed, %d were accepted", len(all), len(f.good)+len(f.poisoned))
	}
	return all
}

// checkGood holds the good jobs against what they would be without the poison: all succeeded, and those that were received
// once did not, as a rule, give their place in the queue to poison that came after them.
func (f *flood) checkGood(t *testing.T, rest time.Time) {
	t.Helper()
	all, receives := f.jobs(t), f.w.receives(t)
	again, last, ends, tries := 0, time.Time{}, map[string]int{}, map[int]int{}
	var overtaken []int
	for id := range f.good {
		j := all[id]
		ends[fmt.Sprintf("%s %s%s", j.State, j.Outcome, cause(&j))]++
		tries[j.Attempts]++
		again += receives[id] - 1
		if j.FinishedAt != nil && j.FinishedAt.After(last) {
			last = *j.FinishedAt
		}
		if receives[id] == 1 && j.StartedAt != nil {
			overtaken = append(overtaken, f.overtaken(all, &j))
		}
	}
	sum := 0
	for id := range f.poisoned {
		sum += receives[id]
	}
	if len(overtaken) < len(f.good)/10 {
		t.Fatalf("only %d good jobs were received once", len(overtaken))
	}
	slices.Sort(overtaken)
	half, most := overtaken[len(overtaken)/2], overtaken[len(overtaken)-1]
	t.Logf("good jobs: %v by number of attempts, %d receives more than one each, half of them overtaken by %d poisoned or fewer, none by more than %d, the last ended %v before the poison was at rest; "+
		"poisoned jobs: received %.2f times each", tries, again, half, most, rest.Sub(last), float64(sum)/float64(len(f.poisoned)))
	if want := map[string]int{"succeeded SUCCEEDED": len(f.good)}; !maps.Equal(ends, want) {
		t.Errorf("good jobs: %v, want %v", ends, want)
	}
	// Waiting for the poison would be to end after it, and would be the lot of all. Some poison is in the hands of workers
	// at any time; one job whose request or function the machine let wait says nothing about the queue.
	if !last.Before(rest) || half > len(f.poisoned)/20 {
		t.Errorf("good jobs waited: half of them overtaken by %d of %d or more, the last ended at %v, the poison at %v", half, len(f.poisoned), last, rest)
	}
}

// overtaken counts by how many more poisoned jobs of its queue a job was preceded than were ahead of it when it came. A
// place in a queue ends with the start: how long the work takes is the machine's affair, and a refusal is quicker.
func (f *flood) overtaken(all map[string]client.Job, g *client.Job) int {
	more := 0
	for id := range f.poisoned {
		p := all[id]
		if p.Queue != g.Queue || p.StartedAt == nil || p.StartedAt.Before(g.CreatedAt) {
			continue
		}
		if p.CreatedAt.Before(g.CreatedAt) {
			more--
		}
		if p.StartedAt.Before(*g.StartedAt) {
			more++
		}
	}
	return more
}

// receives reads the worker's log: how often each job was delivered.
func (w *world) receives(t *testing.T) map[string]int {
	t.Helper()
	file, err := os.Open(filepath.Join(stack.LogFolder(w.State().Data), "enrich.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	counts := map[string]int{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Message string `json:"msg"`
			Job     string `json:"job"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "delivery" {
			counts[line.Job]++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return counts
}

// checkDead wants each poisoned job on record with its reason and its payload, and nothing billed for any of them.
func (f *flood) checkDead(t *testing.T) {
	t.Helper()
	found, ends := map[string]bool{}, map[string]int{}
	for j, err := range f.c.Failed(t.Context(), client.FailedFilter{Page: 100}) {
		if err != nil {
			t.Fatal(err)
		}
		end := fmt.Sprintf("%s %s", j.State, cause(&j))
		if j.Error == nil || j.Error.Message == "" || j.PointID != f.poisoned[j.ID] || j.Kind != "enrich" {
			end += " without its reason or its payload"
		}
		ends[end]++
		found[j.ID] = true
	}
	want := map[string]int{"dead INVALID_REQUEST": len(f.poisoned)}
	if !maps.Equal(ends, want) || len(found) != len(f.poisoned) {
		t.Errorf("on record: %v of %d jobs, want %v", ends, len(found), want)
	}
	u, err := f.c.Usage(t.Context())
	if rows := f.w.rows(t); err != nil || rows["ANALYSIS"] != len(f.good) || u.Used != len(f.good) || u.Reserved != 0 {
		t.Errorf("rows %v, usage %+v, %v, want %d analyses", rows, u, err, len(f.good))
	}
}

// cause is the code of a job's error.
func cause(j *client.Job) job.Code {
	if j.Error == nil {
		return ""
	}
	return j.Error.Code
}

// checkRaw wants each message that was none on record, byte by byte.
func (f *flood) checkRaw(t *testing.T) {
	t.Helper()
	found, table, filter := 0, f.w.State().Table, "sk = :poison"
	pages := dynamodb.NewScanPaginator(f.w.db, &dynamodb.ScanInput{
		TableName: &table, FilterExpression: &filter,
		ExpressionAttributeValues: map[string]types.AttributeValue{":poison": &types.AttributeValueMemberS{Value: "POISON"}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Items {
			body, _ := row["body"].(*types.AttributeValueMemberS)
			why, _ := row["why"].(*types.AttributeValueMemberS)
			if body == nil || !f.raw[body.Value] || why == nil || why.Value == "" {
				t.Errorf("poison %.200v", row)
			}
			found++
		}
	}
	if found != len(f.raw) {
		t.Errorf("%d messages are on record, want %d", found, len(f.raw))
	}
}

// checkMended wants every job succeeded, the poisoned ones in their second life, and one billed analysis per point.
func (f *flood) checkMended(t *testing.T) {
	t.Helper()
	all, ends := f.jobs(t), map[string]int{}
	for id := range all {
		j := all[id]
		ends[fmt.Sprintf("%s %s generation %d", j.State, j.Outcome, j.Generation)]++
	}
	points := map[string]bool{}
	for _, camp := range []map[string]string{f.good, f.poisoned} {
		for _, point := range camp {
			points[point] = true
		}
	}
	u, err := f.c.Usage(t.Context())
	rows := f.w.rows(t)
	t.Logf("ends %v, usage %+v, rows %v", ends, u, rows)
	want := map[string]int{
		"succeeded SUCCEEDED generation 0": len(f.good), "succeeded SUCCEEDED generation 1": len(points) - len(f.good),
		"succeeded ALREADY_DONE generation 1": len(f.poisoned) - (len(points) - len(f.good)),
	}
	if !maps.Equal(ends, want) || err != nil || u.Used != len(points) || u.Reserved != 0 || rows["ANALYSIS"] != len(points) {
		t.Errorf("want %v, %d billed analyses (%v)", want, len(points), err)
	}
}
