package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/cdse"
	"orbitq/internal/local/scene"
)

// The sizes of the flood. Half of the poisoned jobs come with a point of their own, the other half is dispatched
// for the same points, five hundred in a request.
const (
	floodGood     = 500
	floodPoisoned = 5000
	floodRaw      = 300
)

// meridian cuts the scene in two: west of it the provider refuses every request while the flood lasts.
const meridian = -11.2358

// west is the provider's fault: what it makes of the requests of the poisoned half.
func west() cdse.Fault {
	return cdse.Fault{Kind: cdse.FaultBadRequest, Endpoint: cdse.EndpointStatistics, BBox: []float64{-12, 24, meridian, 27}}
}

// queues are the names that a request may give.
func queues() []string { return []string{"high", "default", "low"} }

// halves returns clear readings on both sides of the meridian.
func (w *world) halves(western, eastern int) (bad, good []client.NewPoint) {
	for i, p := range w.scene.PickPoints(scene.Bare, 4*(western+eastern)) {
		reading := client.NewPoint{Latitude: p.Lat, Longitude: p.Lon, Value: 21.5, CollectedAt: sensed(), Queue: queues()[i%3]}
		// A box around a place near the line could have its centre on the other side.
		switch {
		case p.Lon < meridian-0.01 && len(bad) < western:
			bad = append(bad, reading)
		case p.Lon > meridian+0.01 && len(good) < eastern:
			good = append(good, reading)
		}
	}
	return bad, good
}

// flood is what was accepted: the point of each job, in two camps, and the bodies that no job has sent.
type flood struct {
	w              *world
	c              *client.Client
	token          string
	mu             sync.Mutex
	good, poisoned map[string]string
	raw            map[string]bool
}

// TestAFloodOfPoisonHarmsNobody is the promise about poison: five thousand jobs that the provider refuses and three
// hundred messages that are none, among them five hundred good jobs. The good ones do not wait; the others are all on
// record and in the dead letter queue; a redrive as the console does it, after the fix, makes them good.
func TestAFloodOfPoisonHarmsNobody(t *testing.T) {
	w := own(t, unmetered)
	if err := w.Provider().SetFaults(west()); err != nil {
		t.Fatal(err)
	}
	f := &flood{
		w: w, c: w.as(t, "flood", "enterprise"), token: w.token(t, "flood", "enterprise", time.Hour, "orbitq/read", "orbitq/write"),
		good: map[string]string{}, poisoned: map[string]string{}, raw: map[string]bool{},
	}
	began := time.Now()
	f.accept(t)
	accepted := time.Since(began)
	w.rest(t, floodRaw)
	died := time.Since(began)
	t.Logf("%d jobs accepted in %v, all at rest after %v; %s", floodGood+floodPoisoned, accepted, died, f.load())
	f.checkGood(t, began.Add(died))
	f.checkDead(t)
	f.checkRaw(t)
	if t.Failed() {
		return
	}
	if err := w.Provider().SetFaults(); err != nil {
		t.Fatal(err)
	}
	tasks := f.redrive(t)
	t.Logf("redriven by %d move tasks in %v; %s", tasks, time.Since(began)-died, f.load())
	f.checkMended(t)
	f.checkRaw(t)
	if denied := w.Counters().Denied; len(denied) != 0 {
		t.Errorf("denied: %v", denied)
	}
}

// accept lets everything in: first the poisoned points and the messages that are none, then good ones among more
// poisoned ones.
func (f *flood) accept(t *testing.T) {
	t.Helper()
	bad, good := f.w.halves(floodPoisoned/2, floodGood)
	if len(bad) != floodPoisoned/2 || len(good) != floodGood {
		t.Fatalf("%d bad and %d good places", len(bad), len(good))
	}
	bodies := rawPoison(floodRaw)
	for _, body := range bodies {
		f.raw[body] = true
	}
	var first, second []func()
	points := make([]string, len(bad))
	for i, p := range bad {
		first = append(first, func() { points[i] = f.create(t, p, f.poisoned) })
	}
	for _, body := range bodies {
		first = append(first, func() { f.w.send(t, "satellite", body) })
	}
	for _, p := range good {
		second = append(second, func() { f.create(t, p, f.good) })
	}
	for part := range slices.Chunk(points, 500) {
		second = append(second, func() { f.dispatch(t, part) })
	}
	random := rand.New(rand.NewPCG(5000, 500))
	for _, tasks := range [][]func(){first, second} {
		random.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
		inParallel(16, tasks)
	}
	if t.Failed() || len(f.poisoned) != floodPoisoned || len(f.good) != floodGood {
		t.Fatalf("accepted %d poisoned and %d good", len(f.poisoned), len(f.good))
	}
}

// inParallel runs tasks, n at a time, in their order.
func inParallel(n int, tasks []func()) {
	queue := make(chan func())
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for task := range queue {
				task()
			}
		})
	}
	for _, task := range tasks {
		queue <- task
	}
	close(queue)
	all.Wait()
}

// create stores a point, whose job goes to a camp.
func (f *flood) create(t *testing.T, p client.NewPoint, camp map[string]string) string {
	t.Helper()
	created, err := f.c.CreatePoint(t.Context(), p)
	if err != nil {
		t.Errorf("create point: %v", err)
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	camp[created.JobID] = created.PointID
	return created.PointID
}

// dispatch sends one request for many poisoned jobs.
func (f *flood) dispatch(t *testing.T, points []string) {
	t.Helper()
	items := make([]string, len(points))
	for i, id := range points {
		items[i] = fmt.Sprintf(`{"kind":"enrich","data_point_id":%q,"queue":%q}`, id, queues()[i%3])
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.w.State().APIURL+"/v1/jobs:batch-dispatch",
		strings.NewReader(`{"items":[`+strings.Join(items, ",")+`]}`))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+f.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.w.http.Do(req)
	if err != nil {
		t.Errorf("dispatch: %v", err)
		return
	}
	defer resp.Body.Close()
	var got struct {
		Items []struct {
			Job client.Job `json:"job"`
		} `json:"items"`
		Refused int `json:"refused"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got.Items) != len(points) || got.Refused != 0 {
		t.Errorf("dispatch of %d: status %d, %d items, %d refused, %v", len(points), resp.StatusCode, len(got.Items), got.Refused, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, item := range got.Items {
		f.poisoned[item.Job.ID] = item.Job.PointID
	}
}

// rawPoison makes messages that can never run, each of them another one.
func rawPoison(n int) []string {
	bodies := make([]string, n)
	for i := range bodies {
		id := job.NewID(time.UnixMilli(int64(1_700_000_000_000+i)), [10]byte{byte(i), byte(i >> 8)})
		bodies[i] = []string{
			fmt.Sprintf("hello %d", i),
			fmt.Sprintf(`{"v":%d,"job":%q,"gen":0,"tk":1}`, i+2, id),
			fmt.Sprintf(`{"v":1,"job":%q,"gen":0,"tk":1} and more`, id),
			fmt.Sprintf(`{"v":1,"job":%q,"gen":0,"tk":1}`, id), // of a job that there is not
			fmt.Sprintf(`{"command":"App\\Jobs\\Enrich","id":%d}`, i),
			fmt.Sprintf("%d ÆØ\t\"\\\U0001F6F0 \u2028", i),
			fmt.Sprintf(`{"v":1,"job":%q,"gen":%d,"tk":0}`, id, i),
			fmt.Sprintf("%d%s", i, strings.Repeat("x", 200<<10)),
		}[i%8]
	}
	return bodies
}

// load says how many calls were made so far, the cost of it all.
func (f *flood) load() string {
	return fmt.Sprintf("%d calls of AWS, %v of the provider", f.w.Counters().Total(), f.w.Provider().Calls().Counts)
}

// redrive does what the console's button does, again and again while dead jobs are left: letters that the reconciler
// holds at that moment are not moved. It returns how many move tasks it took.
func (f *flood) redrive(t *testing.T) (tasks int) {
	t.Helper()
	arn := "arn:aws:sqs:" + f.w.State().Region + ":000000000000:orbitq-satellite-dlq"
	for tasks = 1; ; tasks++ {
		eventually(t, func() error {
			_, err := f.w.queue.StartMessageMoveTask(t.Context(), &sqs.StartMessageMoveTaskInput{SourceArn: &arn})
			return err
		})
		eventually(t, func() error {
			out, err := f.w.queue.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: &arn})
			if err == nil && len(out.Results) > 0 && out.Results[0].Status != nil && *out.Results[0].Status == "RUNNING" {
				err = errors.New("the move task is running")
			}
			return err
		})
		dead := f.w.rest(t, len(f.raw))
		if dead == 0 {
			return tasks
		}
		t.Logf("%d jobs are dead after move task %d", dead, tasks)
	}
}
