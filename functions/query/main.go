// Function query is the read API: data points, analyses, jobs, failures, usage.
//
// It is apart from the write API so that its role can read and do nothing else:
// a defect in a list cannot change a row.
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
	handler := entry.Read(sys.Reads(), sys.Log())
	if err := sys.Err(); err != nil {
		sys.Log().Error("configuration is incomplete", slog.String("error", err.Error()))
		os.Exit(1)
	}
	lambda.Start(handler)
}
