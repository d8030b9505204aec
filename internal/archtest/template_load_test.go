package archtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// tool returns the path of a program of the Python environment, or ends the test.
func tool(t *testing.T, name string) string {
	t.Helper()

	path, err := filepath.Abs(filepath.Join(root, ".orbitq/tools/venv/bin", name))
	if err != nil {
		t.Fatal(err)
	}

	if _, err := os.Stat(path); err == nil {
		return path
	}

	if os.Getenv("CI") != "" || os.Getenv("ORBITQ_TOOLS") != "" {
		t.Fatalf("%s is missing: tools/setup.sh installs it", path)
	}

	t.Skipf("%s is missing: tools/setup.sh installs it", path)

	return ""
}

// run runs a program in the repository and returns what it wrote, its error output included only on failure.
func run(ctx context.Context, path string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()

	home, err := filepath.Abs(root + "/.orbitq/sam")
	if err != nil {
		return nil, err
	}

	var out, errs bytes.Buffer

	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &out, &errs
	cmd.Env = append(os.Environ(), "AWS_DEFAULT_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true", "SAM_CLI_TELEMETRY=0",
		"__SAM_CLI_APP_DIR="+home, "GOFLAGS=-tags=lambda.norpc -trimpath -buildvcs=false")

	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(path), strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}

	return out.Bytes(), nil
}

// document is template.yaml as written (SAM) and as SAM expands it (CFN).
type document struct {
	SAM resources `json:"sam"`
	CFN resources `json:"cfn"`
}

type resources struct {
	Parameters map[string]map[string]any `json:"Parameters"`
	Resources  map[string]resource       `json:"Resources"`
}

type resource struct {
	Type           string         `json:"Type"`
	DeletionPolicy string         `json:"DeletionPolicy"`
	Metadata       map[string]any `json:"Metadata"`
	Properties     map[string]any `json:"Properties"`
}

// of calls f for each resource of a type, in the order of their names, and fails when there is none.
func (r resources) of(t *testing.T, kind string, f func(name string, properties map[string]any)) {
	t.Helper()

	var names []string

	for name, resource := range r.Resources {
		if resource.Type == kind {
			names = append(names, name)
		}
	}

	if len(names) == 0 {
		t.Errorf("the template has no %s", kind)
	}

	slices.Sort(names)

	for _, name := range names {
		f(name, r.Resources[name].Properties)
	}
}

var expanded = sync.OnceValues(func() (document, error) {
	var d document

	python, err := filepath.Abs(root + "/.orbitq/tools/venv/bin/python")
	if err != nil {
		return d, err
	}

	out, err := run(context.Background(), python, "tools/template_json.py", "template.yaml")
	if err != nil {
		return d, err
	}

	return d, json.Unmarshal(out, &d)
})

func load(t *testing.T) document {
	t.Helper()
	tool(t, "python")

	d, err := expanded()
	if err != nil {
		t.Fatalf("expand the template: %v", err)
	}

	return d
}

// at follows keys into nested objects; nil when one is missing.
func at(v any, path ...string) any {
	for _, key := range path {
		object, _ := v.(map[string]any)
		v = object[key]
	}

	return v
}

// list returns the elements of a list, or a list of the one value.
func list(v any) []any {
	if v == nil {
		return nil
	}

	if all, ok := v.([]any); ok {
		return all
	}

	return []any{v}
}

// text writes a value as a person would: Ref X and GetAtt X.Y by their names, Sub as its pattern.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		for _, function := range []string{"Ref", "Fn::Sub", "Fn::GetAtt"} {
			if of, ok := v[function]; ok {
				var parts []string
				for _, part := range list(of) {
					parts = append(parts, fmt.Sprint(part))
				}

				return strings.Join(parts, ".")
			}
		}
	}

	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}

	return string(out)
}

func number(v any) float64 {
	n, _ := v.(float64)

	return n
}
