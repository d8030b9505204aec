// Function dlq is the reconciler of the dead letter queue, by alarm and schedule.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"orbitq/internal/entry"
	"orbitq/internal/wire"
)

func main() {
	sys := wire.New(os.Getenv, os.Stdout)
	handler := entry.Sweep(sys.DeadLetters(), sys.Log())
	sys.Check()
	lambda.Start(handler)
}
