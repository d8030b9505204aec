package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orbitq/internal/local/engines"
)

// lockFile stays; whether somebody holds its lock is what counts.
func lockFile(data string) string { return filepath.Join(data, "lock") }

// LogFolder is where a stack keeps what its functions and engines write.
func LogFolder(data string) string { return filepath.Join(data, "logs") }

// claim makes the data folder this process's own while it lives. The patience is for processes that only look.
func claim(ctx context.Context, data string, patience time.Duration) (release func(), err error) {
	if err := os.MkdirAll(LogFolder(data), 0o750); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	release, err = engines.Lock(ctx, lockFile(data), func() {})
	if err != nil {
		return nil, fmt.Errorf("%w in %s", ErrRunning, data)
	}

	return release, nil
}

// Claimed reports whether a stack in a data folder starts, runs or stops.
func Claimed(data string) bool {
	release, err := engines.TryLock(lockFile(data))
	if err == nil {
		release()
	}

	return errors.Is(err, engines.ErrLocked)
}
