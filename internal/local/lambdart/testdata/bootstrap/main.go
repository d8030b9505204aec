// Command bootstrap is the function of the tests: it does what its payload says.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type request struct {
	Do string `json:"do"`
	// MS is how long to work.
	MS   int    `json:"ms"`
	Text string `json:"text"`
}

type response struct {
	PID        int    `json:"pid"`
	Child      int    `json:"child,omitempty"`
	Text       string `json:"text,omitempty"`
	RequestID  string `json:"request_id"`
	ARN        string `json:"arn"`
	Trace      string `json:"trace"`
	DeadlineIn int64  `json:"deadline_in_ms"`
	Env        []string
	Dir        string
	Client     string `json:"client"`
}

func handle(ctx context.Context, in request) (response, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	out := response{
		PID: os.Getpid(), Text: in.Text, RequestID: lc.AwsRequestID, ARN: lc.InvokedFunctionArn,
		Trace: os.Getenv("_X_AMZN_TRACE_ID"), DeadlineIn: time.Until(deadline).Milliseconds(), Client: lc.ClientContext.Client.AppTitle,
	}
	switch in.Do {
	case "sleep":
		fmt.Println("sleeping")
		time.Sleep(time.Duration(in.MS) * time.Millisecond)
	case "error":
		return out, errors.New(in.Text)
	case "panic":
		panic(in.Text)
	case "exit":
		os.Exit(in.MS)
	case "log":
		fmt.Println(in.Text)
		fmt.Fprintln(os.Stderr, in.Text)
	case "large":
		out.Text = strings.Repeat("x", in.MS)
	case "env":
		out.Env = os.Environ()
		out.Dir, _ = os.Getwd()
	case "child":
		child := exec.Command("/bin/sleep", "600")
		if err := child.Start(); err != nil {
			return out, err
		}
		out.Child = child.Process.Pid
	}
	return out, nil
}

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	case "error":
		body := strings.NewReader(`{"errorType":"Runtime.BadConfig","errorMessage":"no table"}`)
		res, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", body)
		if err == nil {
			_ = res.Body.Close()
		}
		os.Exit(1)
	}
	lambda.Start(handle)
}
