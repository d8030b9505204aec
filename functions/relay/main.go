// Function relay is the minute schedule that sends again what a crash left unsent.
//
// Everything that is promised across a crash rests on it: it needs no memory of
// its own, only the table, so a missed minute is made up by the next one.
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
	handler := entry.Relay(sys.RelayParts(), sys.Log())
	if err := sys.Err(); err != nil {
		sys.Log().Error("configuration is incomplete", slog.String("error", err.Error()))
		os.Exit(1)
	}
	lambda.Start(handler)
}
