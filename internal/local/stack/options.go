// Package stack composes the local AWS: engines, gateway, functions, HTTP API, event source mappings, schedules, token
// issuer and the Copernicus stand-in, all as template.yaml describes them.
//
// Start returns when everything answers, or stops what it has started and says why. A stack belongs to a data folder:
// state.json in it tells other processes where everything is, exists exactly while the stack runs, and is written in
// one piece. Several stacks with different folders may run at once; every port is free when it is taken.
//
// When an engine ends on its own the stack is broken: Done tells, and Stop ends the rest. Nothing is restarted, because
// what was in memory is gone.
//
// Time may be compressed (Speed): visibility timeouts, schedule rates and the _SECONDS variables of functions are
// divided when the template is read. The functions never know.
package stack

import (
	"log/slog"
	"path/filepath"
)

// Options say what to run. The zero value runs template.yaml of the working directory.
type Options struct {
	Root     string // the repository; default: found above the template or the working directory
	Template string // default: template.yaml of the repository
	Data     string // default: .orbitq/run of the repository
	Region   string // default eu-central-1
	Port     int    // of the HTTP API; 0 for any free one, else the next free one when taken
	// Speed divides times; 0 and 1 leave them as they are.
	Speed float64
	// Keep stores the table in the data folder instead of memory. Queues are always in memory.
	Keep bool
	// Say gets a line for each step that takes a while; nil says nothing.
	Say func(line string)
	// Log gets what people may want to know later; nil drops it.
	Log *slog.Logger
}

// Name is the stack's name, which resource names begin with.
const Name = "orbitq"

func (o Options) tools() string { return filepath.Join(o.Root, ".orbitq", "tools") }

func (o Options) build() string { return filepath.Join(o.Root, ".orbitq", "build") }
