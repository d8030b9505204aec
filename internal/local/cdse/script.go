package cdse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/dop251/goja"
)

// errScriptTimeout means that the script did not end within its time.
var errScriptTimeout = errors.New("evalscript ran out of time")

// maxStack bounds recursion; the service's own bound is unknown.
const maxStack = 2048

// scriptError is a fault of the script: it does not parse, throws, or returns what its setup did not announce.
type scriptError struct{ Message string }

// Error is the message.
func (e *scriptError) Error() string { return e.Message }

// program is a compiled script, safe for concurrent use.
type program struct{ code *goja.Program }

// compileScript parses a script.
func compileScript(source string) (*program, error) {
	if !hasVersion(source) {
		return nil, &scriptError{"evalscript has to start with //VERSION=3"}
	}
	code, err := goja.Compile("evalscript.js", source, false)
	if err != nil {
		return nil, &scriptError{err.Error()}
	}
	return &program{code}, nil
}

// hasVersion looks for the version comment, which has to come before any code.
func hasVersion(source string) bool {
	return regexp.MustCompile(`^\s*//\s*VERSION\s*=?\s*3\b`).MatchString(source)
}

// scriptRun is one execution of a program. It is not safe for concurrent use and has to be closed.
type scriptRun struct {
	// vm holds the script's globals, which live from pixel to pixel within a run.
	vm       *goja.Runtime
	setup    scriptSetup
	evaluate goja.Callable
	release  func()
}

// Start executes the script's top level and its setup function. Everything the run does ends after the limit.
func (p *program) Start(ctx context.Context, limit time.Duration) (*scriptRun, error) {
	// One interrupt serves both the time limit and a client that has gone away.
	ctx, cancel := context.WithTimeout(ctx, limit)
	vm := goja.New()
	vm.SetMaxCallStackSize(maxStack)
	stop := context.AfterFunc(ctx, func() { vm.Interrupt(context.Cause(ctx)) })
	run := &scriptRun{vm: vm, release: func() { stop(); cancel() }}
	if err := run.load(p); err != nil {
		run.Close()
		return nil, err
	}
	return run, nil
}

// Close releases the run's timer.
func (r *scriptRun) Close() { r.release() }

// load executes the top level, finds the two functions and reads the setup.
func (r *scriptRun) load(p *program) error {
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
func (r *scriptRun) function(name string) (goja.Callable, error) {
	value := r.vm.Get(name)
	if value == nil { // let, const and class live outside the global object
		value, _ = r.vm.RunString("typeof " + name + " === 'undefined' ? undefined : " + name)
	}
	callable, ok := goja.AssertFunction(value)
	if !ok {
		return nil, &scriptError{fmt.Sprintf("function %s is not defined", name)}
	}
	return callable, nil
}

// guard runs code that may call back into the script, such as a getter.
func (r *scriptRun) guard(f func()) (err error) {
	// Try catches what the script throws but lets an interrupt through, which must not take the server down.
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *goja.InterruptedError:
			err = translate(v)
		default:
			err = &scriptError{fmt.Sprint(v)}
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
			return errScriptTimeout
		}
		return fmt.Errorf("run evalscript: %w", context.Canceled)
	}
	if _, overflow := errors.AsType[*goja.StackOverflowError](err); overflow {
		return &scriptError{"RangeError: maximum call stack size exceeded"}
	}
	return &scriptError{strings.TrimSpace(err.Error())}
}
