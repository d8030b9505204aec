// Function relay is the minute schedule that sends again what a crash left unsent.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"orbitq/internal/entry"
	"orbitq/internal/wire"
)

func main() {
	sys := wire.New(os.Getenv, os.Stdout)
	handler := entry.Relay(sys.Relay(), sys.Log())
	sys.Check()
	lambda.Start(handler)
}
