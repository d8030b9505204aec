package main

import (
	"fmt"
	"io"
	"strings"
)

// prefixed puts a word in front of each line.
type prefixed struct {
	out    io.Writer
	prefix string
	fresh  bool
}

// Write implements io.Writer.
func (p *prefixed) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		if p.fresh {
			line = p.prefix + line
		}

		p.fresh = strings.HasSuffix(line, "\n")

		if _, err := io.WriteString(p.out, line); err != nil {
			return 0, fmt.Errorf("print log: %w", err)
		}
	}

	return len(text), nil
}
