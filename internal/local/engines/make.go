package engines

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// makeQueues lets Maven fetch ElasticMQ and records which classes it loads.
func (i Installer) makeQueues(ctx context.Context, dir string) error {
	if err := i.require(ctx, java(), maven()); err != nil {
		return err
	}

	if err := run(ctx, i.Pins, "mvn", "-q", "-B", "-ntp", "-f", "pom.xml", "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+dir); err != nil {
		return err
	}

	return i.recordClasses(ctx, dir)
}

// makeTranslator makes a virtual environment with SAM's translator.
func (i Installer) makeTranslator(ctx context.Context, dir string) error {
	return i.makeEnvironment(ctx, dir, python(), "requirements.txt")
}

// makeStates makes a virtual environment with moto.
func (i Installer) makeStates(ctx context.Context, dir string) error {
	newer := python()
	newer.atLeast, newer.fix = "3.10", strings.ReplaceAll(newer.fix, "3.9", "3.10")

	return i.makeEnvironment(ctx, dir, newer, "moto.txt")
}

// makeEnvironment makes a virtual environment with exactly the packages of a file, which names all that they need.
func (i Installer) makeEnvironment(ctx context.Context, dir string, python prerequisite, pins string) error {
	if err := i.require(ctx, python); err != nil {
		return err
	}

	if err := run(ctx, i.Pins, "python3", "-m", "venv", dir); err != nil {
		return err
	}

	return run(ctx, i.Pins, filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "-q",
		"--disable-pip-version-check", "--no-deps", "-r", pins)
}

// makeTables compiles the table engine: it is published as source. Less optimising halves the time it takes, and the
// engine is still many times faster than its callers.
func (i Installer) makeTables(ctx context.Context, dir string) error {
	if err := i.require(ctx, compiler(), rust()); err != nil {
		return err
	}

	pin, err := crate(filepath.Join(i.Pins, "crates.txt"))
	if err != nil {
		return err
	}

	target, err := os.MkdirTemp("", "orbitq-crate-")
	if err != nil {
		return fmt.Errorf("make build folder: %w", err)
	}

	cargo, err := find("cargo")
	if err != nil {
		return err
	}

	cmd := exec.CommandContext(ctx, cargo, "install", pin.name, "--version", pin.version, "--locked", "--quiet", //nolint:gosec // pinned words
		"--no-default-features", "--features", pin.features, "--root", dir, "--target-dir", target)
	// What the crate asks of its release build is meant for those who wait for answers, not for the build.
	cmd.Env = append(os.Environ(), "CARGO_PROFILE_RELEASE_LTO=off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16",
		"CARGO_PROFILE_RELEASE_OPT_LEVEL=1", "CARGO_PROFILE_RELEASE_STRIP=symbols")

	return errors.Join(runCommand(cmd), os.RemoveAll(target))
}

// pinned is a line of crates.txt.
type pinned struct{ name, version, features string }

// crate reads the one crate that the file names; comments begin with #.
func crate(path string) (pinned, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return pinned{}, fmt.Errorf("read pin: %w", err)
	}

	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] != "#" {
			return pinned{words[0], words[1], words[2]}, nil
		}
	}

	return pinned{}, fmt.Errorf("%s names no crate", path)
}

// run runs a program; when it fails the error carries the end of what it said.
func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // this package's own words
	cmd.Dir = dir

	return runCommand(cmd)
}

// runCommand keeps the output for the case that something fails: nobody wants to read it otherwise. A child dies with
// this process, so that an interrupted installation leaves no compiler behind.
func runCommand(cmd *exec.Cmd) error {
	var out bytes.Buffer

	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = attributes()

	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w: %s", filepath.Base(cmd.Path), err, tail(&out, 1500))
	}

	return nil
}

// tail returns the end of a text, which is where programs say why they failed.
func tail(out io.Reader, most int) string {
	text, err := io.ReadAll(out)
	if err != nil {
		return err.Error()
	}

	text = bytes.TrimSpace(text)

	return string(text[max(0, len(text)-most):])
}
