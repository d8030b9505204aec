// Package evalscript runs Sentinel Hub evalscripts (version 3) in a JavaScript engine.
//
// It promises that the script itself decides: setup() is called to learn inputs and outputs, evaluatePixel() is called
// for every sample, and what it returns is handed back after the rounding of its sample type. Every run has its own
// engine, so concurrent runs share nothing but the compiled program, and every run ends with its context.
//
// Input is taken in the short form (a list of band names) and the long one (objects with bands and units), output as
// one object or a list; bands of an output are a number or names. Values may be arrays or typed arrays of anything
// that JavaScript converts to a number. Only mosaicking SIMPLE exists here, where a pixel has one sample.
//
// It refuses scripts without the //VERSION=3 line, the mosaicking modes ORBIT and TILE, outputs whose evaluated length
// differs from the declared one, and outputs that are no arrays. The time of a script is bounded, its memory is not:
// this is a tool for one's own scripts, no sandbox for strangers.
package evalscript

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// ErrTimeout means that the script did not end within its time.
var ErrTimeout = errors.New("evalscript ran out of time")

// maxStack bounds recursion; the service's own bound is unknown.
const maxStack = 2048

// Error is a fault of the script: it does not parse, throws, or returns what its setup did not announce.
type Error struct{ Message string }

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Program is a compiled script, safe for concurrent use.
type Program struct{ code *goja.Program }

// Compile parses a script.
func Compile(source string) (*Program, error) {
	if !hasVersion(source) {
		return nil, &Error{"evalscript has to start with //VERSION=3"}
	}
	code, err := goja.Compile("evalscript.js", source, false)
	if err != nil {
		return nil, &Error{err.Error()}
	}
	return &Program{code}, nil
}

// hasVersion looks for the version comment, which has to come before any code.
func hasVersion(source string) bool {
	return regexp.MustCompile(`^\s*//\s*VERSION\s*=?\s*3\b`).MatchString(source)
}

// Run is one execution of a program. It is not safe for concurrent use and has to be closed.
type Run struct {
	// vm holds the script's globals, which live from pixel to pixel within a run.
	vm       *goja.Runtime
	setup    Setup
	evaluate goja.Callable
	release  func()
}

// Start executes the script's top level and its setup function. Everything the run does ends after the limit.
func (p *Program) Start(ctx context.Context, limit time.Duration) (*Run, error) {
	// One interrupt serves both the time limit and a client that has gone away.
	ctx, cancel := context.WithTimeout(ctx, limit)
	vm := goja.New()
	vm.SetMaxCallStackSize(maxStack)
	stop := context.AfterFunc(ctx, func() { vm.Interrupt(context.Cause(ctx)) })
	run := &Run{vm: vm, release: func() { stop(); cancel() }}
	if err := run.load(p); err != nil {
		run.Close()
		return nil, err
	}
	return run, nil
}

// Close releases the run's timer.
func (r *Run) Close() { r.release() }

// Setup is what the script announced.
func (r *Run) Setup() Setup { return r.setup }

// load executes the top level, finds the two functions and reads the setup.
func (r *Run) load(p *Program) error {
	if _, err := r.vm.RunProgram(p.code); err != nil {
		return translate(err)
	}
	setup, err := r.function("setup")
	if err != nil {
		return err
	}
	if r.evaluate, err = r.function("evaluatePixel"); err != nil {
		return err
	}
	answer, err := setup(goja.Undefined())
	if err != nil {
		return translate(err)
	}
	// Reading the answer may run getters of the script, hence the guard.
	var exported any
	if err := r.guard(func() { exported = answer.Export() }); err != nil {
		return err
	}
	r.setup, err = parseSetup(exported)
	return err
}

// function looks a function up among the script's globals.
func (r *Run) function(name string) (goja.Callable, error) {
	value := r.vm.Get(name)
	if value == nil { // let, const and class live outside the global object
		value, _ = r.vm.RunString("typeof " + name + " === 'undefined' ? undefined : " + name)
	}
	callable, ok := goja.AssertFunction(value)
	if !ok {
		return nil, &Error{fmt.Sprintf("function %s is not defined", name)}
	}
	return callable, nil
}

// guard runs code that may call back into the script, such as a getter.
func (r *Run) guard(f func()) (err error) {
	// Try catches what the script throws but lets an interrupt through, which must not take the server down.
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *goja.InterruptedError:
			err = translate(v)
		default:
			err = &Error{fmt.Sprint(v)}
		}
	}()
	if thrown := r.vm.Try(f); thrown != nil {
		return translate(thrown)
	}
	return nil
}

// translate sorts the engine's errors into time-outs and faults of the script.
func translate(err error) error {
	if interrupted, ok := errors.AsType[*goja.InterruptedError](err); ok {
		if cause, ok := interrupted.Value().(error); ok && errors.Is(cause, context.DeadlineExceeded) {
			return ErrTimeout
		}
		return fmt.Errorf("run evalscript: %w", context.Canceled)
	}
	if _, overflow := errors.AsType[*goja.StackOverflowError](err); overflow {
		return &Error{"RangeError: maximum call stack size exceeded"}
	}
	return &Error{strings.TrimSpace(err.Error())}
}
