package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"orbitq/internal/local/cfn"
	"orbitq/internal/local/engines"
)

// builder compiles functions as the template says, for this machine. It builds into a folder that all stacks of the
// repository share, which is quick, and links the results into the stack's own, so that what runs stays what was
// started when somebody builds again.
type builder struct {
	root, out, own string
	say            func(string)
}

// build compiles every function; the Go build cache makes it quick when nothing has changed. Only one process at a
// time builds into a folder.
func (b builder) build(ctx context.Context, functions []cfn.Function) (err error) {
	if err := os.MkdirAll(b.out, 0o750); err != nil {
		return fmt.Errorf("make build folder: %w", err)
	}

	unlock, err := engines.Lock(ctx, filepath.Join(b.out, "lock"), func() { b.say("waiting for another build") })
	if err != nil {
		return fmt.Errorf("build functions: %w", err)
	}
	defer unlock()

	slow := time.AfterFunc(2*time.Second, func() { b.say("building the functions") })
	defer slow.Stop()

	for _, f := range functions {
		if err := b.one(ctx, f); err != nil {
			return err
		}
	}

	return nil
}

// one compiles a function with the flags of the deployment, but for the processor of this machine: the template says
// arm64, and the local run has to run what it builds.
func (b builder) one(ctx context.Context, f cfn.Function) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-trimpath", "-ldflags", "-s -w", //nolint:gosec // folders of the template
		"-o", b.shared(f), "./"+filepath.Clean(f.Code))
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)

	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build function %s: %w: %s", f.Name, err, strings.TrimSpace(string(out)))
	}

	if err := link(b.shared(f), b.binary(f)); err != nil {
		return fmt.Errorf("keep function %s: %w", f.Name, err)
	}

	return nil
}

// shared is where a function is built.
func (b builder) shared(f cfn.Function) string {
	return filepath.Join(b.out, filepath.Base(f.Code), "bootstrap")
}

// binary is the bootstrap that the stack runs.
func (b builder) binary(f cfn.Function) string {
	return filepath.Join(b.own, filepath.Base(f.Code), "bootstrap")
}

// link gives a file a second name, or copies it where the folders are on different disks. The compiler replaces files
// instead of changing them, so the second name keeps what it has.
func link(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}

	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the last one: %w", err)
	}

	if os.Link(from, to) == nil {
		return nil
	}

	binary, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("read binary: %w", err)
	}

	if err := os.WriteFile(to, binary, 0o700); err != nil { //nolint:gosec // a program must be executable
		return fmt.Errorf("write binary: %w", err)
	}

	return nil
}
