package engines

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// dotted is a version as programs print it; a lone number counts too ("21").
var dotted = regexp.MustCompile(`\d+(\.\d+)+|\b\d+\b`)

// versionIn finds the first number that looks like a version.
func versionIn(text string) string { return dotted.FindString(text) }

// older compares dotted numbers.
func older(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for k := range bs {
		x, y := number(as, k), number(bs, k)
		if x != y {
			return x < y
		}
	}

	return false
}

// number is one place of a version; what is not there counts as 0, so that 3 is older than 3.6.
func number(parts []string, k int) int {
	if k >= len(parts) {
		return 0
	}

	n, err := strconv.Atoi(parts[k])
	if err != nil {
		return 0
	}

	return n
}

// find returns the path of a program of the system: on the path, or where its own installer puts it.
func find(command string) (string, error) {
	path, err := exec.LookPath(command)
	if err == nil {
		return path, nil
	}

	for _, folder := range []string{filepath.Join(os.Getenv("JAVA_HOME"), "bin"), filepath.Join(os.Getenv("HOME"), ".cargo", "bin")} {
		if path, err := exec.LookPath(filepath.Join(folder, command)); err == nil {
			return path, nil
		}
	}

	return "", fmt.Errorf("find %s: %w", command, err)
}
