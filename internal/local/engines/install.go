package engines

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Files of an installed part.
const (
	archive = "classes.jsa" // loaded classes of ElasticMQ, so that it starts in half the time
	mark    = ".complete"   // written last
)

// Installer fills a folder with the engines. Pins is the folder of pom.xml, crates.txt, requirements.txt and moto.txt.
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
		{name: "moto", from: "moto.txt", took: "about 20 s", make: func(dir string) error { return i.makeStates(ctx, dir) }},
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

// States returns the interpreter that has moto.
func (i Installer) States() (string, error) { return i.have("moto", filepath.Join("bin", "python")) }

// have returns a file of an installed part, or says plainly what is missing and where.
func (i Installer) have(name, file string) (string, error) {
	dir := filepath.Join(i.Home, name)
	if _, err := os.Stat(filepath.Join(dir, mark)); err != nil {
		return "", fmt.Errorf("%s is not installed in %s", name, i.Home)
	}

	return filepath.Join(dir, file), nil
}
