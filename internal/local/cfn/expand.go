// Package cfn reads what a deployment of template.yaml would create.
//
// The template is expanded by SAM's own translator, so that the resources are
// those of a deployment; then parameters, conditions and intrinsic functions are
// resolved over the plain CloudFormation, and the resources that the local run
// makes are returned as typed descriptions. Anything that is not understood is an
// error that names the resource, never a silent default; resource types that do
// not matter locally are listed as ignored.
package cfn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Source says which template to read.
type Source struct {
	Template string // path of template.yaml
	Python   string // interpreter with the translator
	Script   string // path of expand.py
	Cache    string // folder for expanded templates
	Region   string
	Account  string
	Stack    string
	// Endpoint is the address that queue URLs begin with; empty for AWS's own.
	Endpoint string
	// Parameters override the template's defaults.
	Parameters map[string]string
}

// Load expands and resolves the template.
func Load(ctx context.Context, s Source) (*Stack, error) {
	raw, err := s.expanded(ctx)
	if err != nil {
		return nil, err
	}
	return Parse(raw, s)
}

// expanded returns the plain template; a template that was expanded before is
// read from the cache.
func (s *Source) expanded(ctx context.Context) ([]byte, error) {
	template, err := os.ReadFile(s.Template)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	script, err := os.ReadFile(s.Script)
	if err != nil {
		return nil, fmt.Errorf("read expander: %w", err)
	}
	sum := sha256.New()
	for _, part := range [][]byte{template, script, []byte(s.Region)} {
		_, _ = sum.Write(part)
	}
	cached := filepath.Join(s.Cache, hex.EncodeToString(sum.Sum(nil))+".json")
	if raw, err := os.ReadFile(cached); err == nil {
		return raw, nil
	}
	raw, err := s.translate(ctx)
	if err != nil {
		return nil, err
	}
	return raw, place(cached, raw)
}

// place writes a file of the cache. It is renamed into place, and has a name of its own
// until then: two runs at once, also of one process, must neither read half a file nor
// take each other's away.
func place(path string, raw []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make cache: %w", err)
	}
	half, err := os.CreateTemp(dir, "half-*")
	if err != nil {
		return fmt.Errorf("write cache: %w", err)
	}
	_, err = half.Write(raw)
	if err = errors.Join(err, half.Close()); err == nil {
		err = os.Rename(half.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write cache: %w", errors.Join(err, os.Remove(half.Name())))
	}
	return nil
}

// translate runs SAM's translator.
func (s *Source) translate(ctx context.Context) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, s.Python, s.Script, s.Template, s.Region) //nolint:gosec // our own interpreter and script
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("expand %s: %w: %s", s.Template, err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.Bytes(), nil
}
