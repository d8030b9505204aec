// Function enrich is the worker behind the three satellite queues.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"orbitq/internal/entry"
	"orbitq/internal/wire"
)

func main() {
	sys := wire.New(os.Getenv, os.Stdout)
	handler := entry.SQS(sys.Worker(), sys.Log())
	sys.Check()
	lambda.Start(handler)
}
