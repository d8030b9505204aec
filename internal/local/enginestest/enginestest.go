// Package enginestest gives tests the real engines. One of each serves all tests of a test binary: tests keep apart by
// the names of their tables and queues. Whatever is missing is installed first, so a fresh checkout needs no other
// step. Production code never imports it.
package enginestest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"orbitq/internal/local/engines"
)

// URLs are where the engines listen.
type URLs struct {
	DynamoDB string
	SQS      string
}

// Bench owns the engines of a test binary: keep one in TestMain or a package variable, and Close it when the tests
// have run. An engine also dies with the test binary, however that ends.
type Bench struct {
	once    sync.Once
	urls    URLs
	err     error
	started []*engines.Engine
	logs    string
}

// ForTest returns the engines, started by the first test that asks.
func (b *Bench) ForTest(t *testing.T) URLs {
	t.Helper()
	b.once.Do(func() { b.err = b.start() })

	if b.err != nil {
		t.Fatalf("start engines: %v", b.err)
	}

	return b.urls
}

// start installs and starts both engines. It runs outside of any test, so a test that ends does not end it.
func (b *Bench) start() error {
	ctx := context.Background()

	root, err := Root()
	if err != nil {
		return err
	}

	tools := Installer(root)
	if err := tools.Install(ctx); err != nil {
		return fmt.Errorf("install engines: %w", err)
	}

	if b.logs, err = os.MkdirTemp("", "orbitq-engines-"); err != nil {
		return fmt.Errorf("make log folder: %w", err)
	}

	cfg := engines.Config{Tools: tools.Home, Logs: b.logs}

	tables, err := engines.DynamoDB(ctx, cfg)
	if err != nil {
		return fmt.Errorf("tables: %w", err)
	}

	b.started = append(b.started, tables)

	queues, err := engines.ElasticMQ(ctx, cfg)
	if err != nil {
		return fmt.Errorf("queues: %w", err)
	}

	b.started = append(b.started, queues)
	b.urls = URLs{DynamoDB: tables.URL, SQS: queues.URL}

	return nil
}

// Close stops what was started.
func (b *Bench) Close() {
	for _, e := range b.started {
		_ = e.Stop() // the process ends right after this, and the engine with it
	}

	_ = os.RemoveAll(b.logs)
}

// Installer returns the installer of a checkout; it speaks on standard error.
func Installer(root string) engines.Installer {
	return engines.Installer{
		Home: filepath.Join(root, ".orbitq", "tools"), Pins: filepath.Join(root, "local"),
		Say: func(line string) { fmt.Fprintln(os.Stderr, "engines: "+line) },
	}
}

// Root finds the repository above the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find working directory: %w", err)
	}

	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}

	return "", fmt.Errorf("find go.mod: %w", os.ErrNotExist)
}
