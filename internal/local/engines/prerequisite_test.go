package engines

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOlder(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"17", "17", false},
		{"11.0.2", "17", true},
		{"21.0.1", "17", false},
		{"1.87.0", "1.88", true},
		{"1.95.0", "1.88", false},
		{"1.100.0", "1.88", false},
		{"3", "3.6", true},
		{"", "3.6", true},
	} {
		if got := older(c.a, c.b); got != c.want {
			t.Errorf("%q older than %q: got %v", c.a, c.b, got)
		}
	}
}

func TestVersionIn(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ in, want string }{
		{`openjdk version "17.0.15" 2025-04-15`, "17.0.15"},
		{`openjdk version "21" 2023-09-19`, "21"},
		{"cargo 1.95.0 (f2d3ce0bd 2026-03-21)", "1.95.0"},
		{"Apache Maven 3.8.7\nMaven home", "3.8.7"},
		{"3.11.7 (main, May  9 2026)", "3.11.7"},
		{"nothing", ""},
	} {
		if got := versionIn(c.in); got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestWhatIsMissingIsNamedWithItsFix(t *testing.T) {
	t.Parallel()

	old := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho 'cargo 1.63.0'\n"), 0o700); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		name string
		p    prerequisite
		want string
	}{
		{"missing", prerequisite{command: "surely-not-there", atLeast: "1"}, "surely-not-there is missing"},
		{"too old", prerequisite{command: old, atLeast: "1.88"}, "is version 1.63.0, 1.88 or newer is needed"},
		{"broken", prerequisite{command: "false", atLeast: "1"}, "false does not run"},
	} {
		if err := c.p.check(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}

	for _, p := range []prerequisite{java(), maven(), python(), rust(), compiler()} {
		if p.fix == "" || len(p.version) == 0 {
			t.Errorf("%s has no fix", p.command)
		}
	}
}

func TestCrateIsPinned(t *testing.T) {
	t.Parallel()

	path := filepath.Join(t.TempDir(), "crates.txt")
	if err := os.WriteFile(path, []byte("# a comment of three words\nname 1.2.3 a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	if got, err := crate(path); err != nil || got != (pinned{"name", "1.2.3", "a,b"}) {
		t.Errorf("got %+v, %v", got, err)
	}

	if err := os.WriteFile(path, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	if _, err := crate(path); err == nil {
		t.Error("an empty pin is a pin")
	}
}

func TestInstallationIsDoneOnceAndRepeatedAfterAnInterruption(t *testing.T) {
	t.Parallel()

	pins := t.TempDir()
	if err := os.WriteFile(filepath.Join(pins, "pin"), []byte("v1"), 0o600); err != nil {
		t.Fatal(err)
	}

	made := 0
	i := Installer{Home: t.TempDir(), Pins: pins}
	p := part{name: "thing", from: "pin", make: func(dir string) error {
		made++

		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("made on top of %v", entries)
		}

		return os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)
	}}

	steps := []struct {
		name   string
		before func() error
		want   int
	}{
		{"first", nil, 1},
		{"again", nil, 1},
		{"after an interruption", func() error { return os.Remove(filepath.Join(i.Home, "thing", mark)) }, 2},
		{"after another pin", func() error { return os.WriteFile(filepath.Join(pins, "pin"), []byte("v2"), 0o600) }, 3},
	}
	for _, s := range steps {
		if s.before != nil {
			if err := s.before(); err != nil {
				t.Fatal(err)
			}
		}

		if err := i.install(p); err != nil || made != s.want {
			t.Errorf("%s: made %d times, want %d, %v", s.name, made, s.want, err)
		}
	}
}
