// Function enqueue is the write API: it stores data points and accepts jobs.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"orbitq/internal/entry"
	"orbitq/internal/wire"
)

func main() {
	sys := wire.New(os.Getenv, os.Stdout)
	handler := entry.Write(sys.Intake(), sys.Log())
	sys.Check()
	lambda.Start(handler)
}
