package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// logBook keeps the log files of a stack: one for each function, one for the HTTP API. Each run begins new ones.
type logBook struct {
	dir string

	mu    sync.Mutex
	files []*os.File
}

// newLogBook opens nothing yet.
func newLogBook(dir string) *logBook { return &logBook{dir: dir} }

// logFile is where the log of a function is.
func logFile(dir, name string) string { return filepath.Join(dir, name+".log") }

// open begins a log anew: a run's log should not begin with another run. It appends, so that a log that somebody has
// emptied goes on at its beginning.
func (b *logBook) open(name string) (io.Writer, error) {
	file, err := os.OpenFile(logFile(b.dir, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}

	b.mu.Lock()
	defer b.mu.Unlock()

	b.files = append(b.files, file)

	return file, nil
}

// close closes all files; nothing writes any more when it is called.
func (b *logBook) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()

	var all []error
	for _, file := range b.files {
		all = append(all, file.Close())
	}

	return errors.Join(all...)
}
