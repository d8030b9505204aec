// Package e2e_test holds the whole system against its promises: the real
// template, the real binaries, the real engines, real pixels, and faults.
package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orbitq/internal/client"
	"orbitq/internal/job"
	"orbitq/internal/local/scene"
	"orbitq/internal/local/stack"
)

// speed compresses waits: visibility timeouts become 30 s (they stay six function
// timeouts of 5 s), the relay sweeps every second.
const speed = 60

// patience is how long anything may take on a loaded machine.
const patience = 4 * time.Minute

// world is one running stack with operator clients.
type world struct {
	*stack.Stack
	data  string
	db    *dynamodb.Client
	queue *sqs.Client
	http  *http.Client // of its own: a receiver that closes would break off calls of the default one
	scene *scene.Scene
}

// shared is the stack that most tests use; each has users of its own.
var shared struct {
	once sync.Once
	w    *world
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.w != nil {
		if err := shared.w.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop stack:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// generous is an allowance of the provider that no test meets unless it wants to.
func generous() map[string]string {
	return map[string]string{"ProviderCalls": "300", "ProviderCallsHigh": "300"}
}

// open starts a stack.
func open(ctx context.Context, data string, change func(*stack.Options)) (*world, error) {
	opts := stack.Options{Data: data, Speed: speed, Parameters: generous(), Say: func(line string) { fmt.Fprintln(os.Stderr, line) }}
	if change != nil {
		change(&opts)
	}
	s, err := stack.Start(ctx, opts)
	if err != nil {
		return nil, err
	}
	pixels, err := scene.Load()
	if err != nil {
		return nil, err
	}
	endpoint := s.State().AWSURL
	cfg := aws.Config{
		Region: s.State().Region, BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: stack.OperatorKey, SecretAccessKey: "local"}, nil
		}),
	}
	return &world{Stack: s, data: data, db: dynamodb.NewFromConfig(cfg), queue: sqs.NewFromConfig(cfg), http: &http.Client{Transport: &http.Transport{}}, scene: pixels}, nil
}

// theWorld returns the shared stack.
func theWorld(t *testing.T) *world {
	t.Helper()
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "orbitq-e2e-") //nolint:usetesting // it outlives the test that starts the stack
		if err != nil {
			shared.err = err
			return
		}
		shared.w, shared.err = open(context.Background(), dir, nil)
	})
	if shared.err != nil {
		t.Fatalf("start stack: %v", shared.err)
	}
	return shared.w
}

// token mints a token.
func (w *world) token(t *testing.T, user, tier string, expires time.Duration, scopes ...string) string {
	t.Helper()
	token, err := w.Token(stack.Token{User: user, Tier: tier, Scopes: scopes, Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// as returns a client of a user.
func (w *world) as(t *testing.T, user, tier string) *client.Client {
	t.Helper()
	return client.New(client.Config{
		BaseURL: w.State().APIURL, Token: w.token(t, user, tier, time.Hour, "orbitq/read", "orbitq/write"),
	})
}

// sensed is the day of the scene's acquisition, at noon.
func sensed() *time.Time {
	at := time.Date(2020, 2, 19, 12, 0, 0, 0, time.UTC)
	return &at
}

// clear returns n readings on the day of the acquisition, under a clear sky.
func (w *world) clear(n int) []client.NewPoint {
	var all []client.NewPoint
	for _, p := range w.scene.PickPoints(scene.Bare, n) {
		all = append(all, client.NewPoint{Latitude: p.Lat, Longitude: p.Lon, Value: 21.5, CollectedAt: sensed()})
	}
	return all
}

// eventually repeats a check until it holds; the last complaint is the failure.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %v", patience, err)
		case <-tick.C:
		}
	}
}

// ended waits for a job's final state.
func ended(t *testing.T, c *client.Client, id string) client.Job {
	t.Helper()
	var j client.Job
	eventually(t, func() error {
		var err error
		if j, err = c.Job(t.Context(), id); err != nil {
			return err
		}
		if j.State.Open() {
			return fmt.Errorf("job %s is %s after %d attempts, error %+v", id, j.State, j.Attempts, j.Error)
		}
		return nil
	})
	return j
}

// rows counts the table's rows by the prefix of their sort key.
func (w *world) rows(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	table := w.State().Table
	pages := dynamodb.NewScanPaginator(w.db, &dynamodb.ScanInput{TableName: &table})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Items {
			sk, _ := row["sk"].(*types.AttributeValueMemberS)
			kind := sk.Value
			for i := range kind {
				if kind[i] == '#' {
					kind = kind[:i]
					break
				}
			}
			counts[kind]++
		}
	}
	return counts
}

// depth returns how many messages a queue holds, visible or not.
func (w *world) depth(t *testing.T, name string) int {
	t.Helper()
	url := w.State().Queues[name]
	out, err := w.queue.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, part := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		n, err := strconv.Atoi(out.Attributes[part])
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

// send puts any body into a queue, as the operator could.
func (w *world) send(t *testing.T, name, body string) {
	t.Helper()
	if err := w.put(t.Context(), name, body); err != nil {
		t.Fatal(err)
	}
}

// put is send for who can bear a failure.
func (w *world) put(ctx context.Context, name, body string) error {
	url := w.State().Queues[name]
	_, err := w.queue.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
	return err
}

// firstMessage is the message that accepting a job sends.
func firstMessage(id string) string {
	return job.Message{Version: job.MessageVersion, Job: id, Ticket: 1}.Encode()
}
