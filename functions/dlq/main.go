// Function dlq is the reconciler of the dead letter queue, by alarm and schedule.
//
// It is no event source of that queue, and must never become one: a consumer
// would take the messages that the console's redrive needs.
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
	handler := entry.Sweep(sys.DeadLetters(), sys.Log())
	if err := sys.Err(); err != nil {
		sys.Log().Error("configuration is incomplete", slog.String("error", err.Error()))
		os.Exit(1)
	}
	lambda.Start(handler)
}
