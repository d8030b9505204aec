// Function step is the worker behind the state machines of chains and batches.
//
// It runs the same core as the worker of the queues; only the event differs. It has a
// function of its own so that a batch of thousands cannot take the concurrency of the
// queues.
package main

import (
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"orbitq/internal/entry"
	"orbitq/internal/wire"
)

func main() {
	sys := wire.New(os.Getenv, os.Stdout)
	handler := entry.Step(sys.Flow(), sys.Gate(), sys.Log())
	if err := sys.Err(); err != nil {
		sys.Log().Error("configuration is incomplete", slog.String("error", err.Error()))
		os.Exit(1)
	}
	lambda.Start(handler)
}
