// Command step is the function behind the state machine of the tests: it fails in every way that a function can.
package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
)

// event is what a state asks for.
type event struct {
	Do        string   `json:"do"`
	ID        string   `json:"id"`
	Index     int      `json:"index"`
	IDs       []string `json:"ids"`
	Tried     int      `json:"tried"`
	Times     int      `json:"times"`
	Parent    string   `json:"parent"`
	Execution string   `json:"execution"`
}

func main() { lambda.Start(handle) }

// handle answers with the event, or fails as it says.
func handle(_ context.Context, e event) (event, error) {
	switch e.Do {
	case "named":
		return e, messages.InvokeResponse_Error{Type: "Job.Rejected", Message: "by name"}
	case "unnamed":
		return e, errors.New("no name")
	case "panic":
		panic("panic")
	case "exit":
		os.Exit(3)
	case "slow":
		time.Sleep(time.Minute)
	case "flaky":
		if e.Tried < e.Times {
			return e, messages.InvokeResponse_Error{Type: "Job.Busy", Message: "again"}
		}
	}
	return e, nil
}
