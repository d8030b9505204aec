// Function query is the read API: data points, analyses, jobs, usage.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"orbitq/internal/entry"
	"orbitq/internal/wire"
)

func main() {
	sys := wire.New(os.Getenv, os.Stdout)
	handler := entry.Read(sys.Query(), sys.Log(), sys.Version())
	sys.Check()
	lambda.Start(handler)
}
