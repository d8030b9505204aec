package engines

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Files of an installed part.
const (
	archive = "classes.jsa" // loaded classes of ElasticMQ, so that it starts in half the time
	mark    = ".complete"   // written last
)

// Installer fills a folder with the engines. Pins is the folder of pom.xml, crates.txt and requirements.txt.
type Installer struct {
	Home string
	Pins string
	// Say gets a line for each step that takes a while; nil says nothing.
	Say func(line string)
}

// part is one thing to install: its folder is named by what it is made from, so a new pin never meets an old folder.
type part struct {
	name string // folder below Home
	from string // the pin file
	took string // what to expect
	make func(dir string) error
}

// Install installs what is missing and does nothing when all is there.
func (i Installer) Install(ctx context.Context) error {
	if err := os.MkdirAll(i.Home, 0o750); err != nil {
		return fmt.Errorf("make tools folder: %w", err)
	}

	unlock, err := Lock(ctx, filepath.Join(i.Home, "engines.lock"), func() { i.say("waiting for another installation") })
	if err != nil {
		return err
	}
	defer unlock()

	// All at once: they come from different places, and the compiler is the only one that needs the processor.
	parts := []part{
		{name: "elasticmq", from: "pom.xml", took: "40 MB", make: func(dir string) error { return i.makeQueues(ctx, dir) }},
		{name: "sam", from: "requirements.txt", took: "about 20 s", make: func(dir string) error { return i.makeTranslator(ctx, dir) }},
		{name: "dynoxide", from: "crates.txt", took: "compiled here, about 2 minutes on two cores", make: func(dir string) error { return i.makeTables(ctx, dir) }},
	}
	// Each failure is told: a machine that lacks two things should not be told of them one by one.
	failures := make([]error, len(parts))

	var all sync.WaitGroup

	for n, p := range parts {
		all.Go(func() {
			if err := i.install(p); err != nil {
				failures[n] = fmt.Errorf("install %s: %w", p.name, err)
			}
		})
	}

	all.Wait()

	return errors.Join(failures...)
}

// install makes one part unless its folder is complete and made from the present pin. The mark is written last: a folder
// without it is what an interruption left, and is thrown away.
func (i Installer) install(p part) error {
	pin, err := os.ReadFile(filepath.Join(i.Pins, p.from))
	if err != nil {
		return fmt.Errorf("read pin: %w", err)
	}

	sum := sha256.Sum256(pin)
	want := hex.EncodeToString(sum[:8])
	dir := filepath.Join(i.Home, p.name)

	if got, err := os.ReadFile(filepath.Join(dir, mark)); err == nil && string(got) == want {
		return nil
	}

	began := time.Now()

	i.say("installing " + p.name + " (" + p.took + ")")

	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove what is incomplete: %w", err)
	}

	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}

	if err := p.make(dir); err != nil {
		return err
	}

	if err := os.WriteFile(filepath.Join(dir, mark), []byte(want), 0o600); err != nil {
		return fmt.Errorf("mark as complete: %w", err)
	}

	i.say(fmt.Sprintf("%s is ready (%.0f s)", p.name, time.Since(began).Seconds()))

	return nil
}

// say tells whoever waits what takes so long.
func (i Installer) say(line string) {
	if i.Say != nil {
		i.Say(line)
	}
}

// Tables returns the program of the table engine.
func (i Installer) Tables() (string, error) {
	return i.have("dynoxide", filepath.Join("bin", "dynoxide"))
}

// Queues returns the folder of the queue engine.
func (i Installer) Queues() (string, error) { return i.have("elasticmq", "") }

// Python returns the interpreter that has SAM's translator.
func (i Installer) Python() (string, error) { return i.have("sam", filepath.Join("bin", "python")) }

// have returns a file of an installed part, or says plainly what is missing and where.
func (i Installer) have(name, file string) (string, error) {
	dir := filepath.Join(i.Home, name)
	if _, err := os.Stat(filepath.Join(dir, mark)); err != nil {
		return "", fmt.Errorf("%s is not installed in %s", name, i.Home)
	}

	return filepath.Join(dir, file), nil
}

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
	if err := i.require(ctx, python()); err != nil {
		return err
	}

	if err := run(ctx, i.Pins, "python3", "-m", "venv", dir); err != nil {
		return err
	}

	return run(ctx, i.Pins, filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "-q",
		"--disable-pip-version-check", "--no-deps", "-r", "requirements.txt")
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
