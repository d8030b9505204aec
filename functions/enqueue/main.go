// Function enqueue is the write API: it stores data points, accepts jobs, and
// carries out what a person decides about them.
//
// It talks to the provider only for a synchronous job; accepting any other takes
// milliseconds, whatever state the provider is in.
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
	handler := entry.Write(sys.Intake(), sys.Operator(), sys.Starter(), sys.Gate(), sys.Log())
	if err := sys.Err(); err != nil {
		sys.Log().Error("configuration is incomplete", slog.String("error", err.Error()))
		os.Exit(1)
	}
	lambda.Start(handler)
}
