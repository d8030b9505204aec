// Package stack composes the local AWS: engines, gateway, functions, state machines, HTTP API, event source mappings,
// schedules, token issuer and the Copernicus stand-in, all as template.yaml describes them.
//
// Start returns when everything answers, or stops what it has started and says why. A stack belongs to a data folder:
// state.json in it tells other processes where everything is, exists exactly while the stack runs, and is written in
// one piece. Several stacks with different folders may run at once; every port is free when it is taken.
//
// When an engine ends on its own the stack is broken: Done tells, and Stop ends the rest. Nothing is restarted, because
// what was in memory is gone.
//
// State machines run in an interpreter that starts only when the template has some, by the very definitions of the
// template. One that the interpreter would run unlike AWS is refused at the start, by name of state and feature.
//
// Time may be compressed (Speed): visibility timeouts, schedule rates and the _SECONDS variables of functions are
// divided when the template is read, waits and retry intervals of state machines where they are waited for. Functions
// and definitions never know.
package stack

import (
	"fmt"
	"log/slog"
	"path/filepath"
)

// Name is the stack's name, which resource names begin with.
const Name = "orbitq"

// Options say what to run. The zero value runs template.yaml of the repository around the working directory.
type Options struct {
	Root     string // the repository; default: found above the template or the working directory
	Template string // default: template.yaml of the repository
	Data     string // default: .orbitq/run of the repository
	Region   string // default eu-central-1
	// Port is the HTTP API's; the next free one when it is taken. 0 takes any free port, for the AWS endpoint too.
	Port int
	// Speed divides times; 0 and 1 leave them as they are.
	Speed float64
	// Keep stores the table in the data folder instead of memory. Queues are always in memory.
	Keep bool
	// Parameters override those of the template, after what the local run sets itself.
	Parameters map[string]string
	// Say gets a line for each step that takes a while; nil says nothing.
	Say func(line string)
	// Log gets what people may want to know later; nil drops it.
	Log *slog.Logger
}

// withDefaults fills in what was left out, and makes paths absolute.
func (o Options) withDefaults() (Options, error) {
	var err error
	if o.Root == "" {
		from := "."
		if o.Template != "" {
			from = filepath.Dir(o.Template)
		}

		if o.Root, err = FindRoot(from); err != nil {
			return o, err
		}
	}

	if o.Template == "" {
		o.Template = filepath.Join(o.Root, "template.yaml")
	}

	if o.Data == "" {
		o.Data = DefaultData(o.Root)
	}

	if o.Region == "" {
		o.Region = "eu-central-1"
	}

	if o.Say == nil {
		o.Say = func(string) {}
	}

	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}

	for _, path := range []*string{&o.Root, &o.Template, &o.Data} {
		if *path, err = filepath.Abs(*path); err != nil {
			return o, fmt.Errorf("find %s: %w", *path, err)
		}
	}

	return o, nil
}

// tools is where what was installed lies; all stacks of a repository share it.
func (o Options) tools() string { return filepath.Join(o.Root, ".orbitq", "tools") }

// builder builds into the folder that make uses too, so that neither builds what the other has built, and runs what
// lies in the data folder.
func (o Options) builder() builder {
	return builder{root: o.Root, out: filepath.Join(o.Root, ".orbitq", "build"), own: filepath.Join(o.Data, "functions"), say: o.Say}
}

// awsPort is well known for people, and any free port for tests, which run many stacks at once.
func (o Options) awsPort() int {
	if o.Port == 0 {
		return 0
	}

	return awsPort
}
