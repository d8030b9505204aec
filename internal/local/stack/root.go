package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// DefaultData is where a repository's stack keeps its files.
func DefaultData(root string) string { return filepath.Join(root, ".orbitq", "run") }

// FindRoot finds the repository around a folder: the nearest folder above that has what the local run needs.
func FindRoot(from string) (string, error) {
	dir, err := filepath.Abs(from)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", from, err)
	}

	for {
		if _, err := os.Stat(filepath.Join(dir, "local", "expand.py")); err == nil {
			return dir, nil
		}

		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("this is not inside the orbitq repository, which has the template and the sources of the functions")
		}

		dir = up
	}
}
