package stack_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// TestAGatewayComesBackAfterACrash cuts a long poll in the middle, finds nobody at home, and goes on at the same address.
func TestAGatewayComesBackAfterACrash(t *testing.T) {
	t.Parallel()

	w := started(t, nil)
	cut := make(chan error, 1)

	before := w.Counters().Calls["operator"]["sqs:ReceiveMessage"]
	url := w.State().Queues["dead"]

	go func() {
		_, err := w.queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, WaitTimeSeconds: 20},
			func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
		cut <- err
	}()

	for w.Counters().Calls["operator"]["sqs:ReceiveMessage"] == before {
		time.Sleep(time.Millisecond)
	}

	up := make(chan error, 1)

	go func() { up <- w.CrashGateway(t.Context(), time.Second) }()

	if err := <-cut; err == nil {
		t.Error("a call outlived the crash")
	}

	for _, address := range []string{w.State().AWSURL, w.State().APIURL} {
		answered := true
		for n := 0; answered && n < 500; n++ { // one of them goes down after the other
			time.Sleep(time.Millisecond)

			answered = dial(t.Context(), address) == nil
		}

		if answered {
			t.Errorf("somebody answers at %s", address)
		}
	}

	if err := <-up; err != nil {
		t.Fatal(err)
	}

	if _, err := w.queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url}); err != nil {
		t.Errorf("after the crash: %v", err)
	}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.State().APIURL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}

	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("after the crash: %v", err)
	}

	_ = resp.Body.Close()
}

// dial only connects.
func dial(ctx context.Context, url string) error {
	var d net.Dialer

	c, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}

	return c.Close()
}
