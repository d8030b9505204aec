package archtest

import (
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSAMAcceptsTheTemplate(t *testing.T) {
	t.Parallel()

	if _, err := run(t.Context(), tool(t, "sam"), "validate", "--lint"); err != nil {
		t.Error(err)
	}
}

func TestCloudFormationLinterAcceptsTheTemplate(t *testing.T) {
	t.Parallel()

	if _, err := run(t.Context(), tool(t, "cfn-lint"), "template.yaml"); err != nil {
		t.Error(err)
	}
}

// sam build is what a user runs first; what it leaves must run on Graviton.
func TestSAMBuildsEveryFunction(t *testing.T) {
	t.Parallel()

	d := load(t)

	if _, err := run(t.Context(), tool(t, "sam"), "build", "--build-dir", ".orbitq/aws-sam"); err != nil {
		t.Fatal(err)
	}

	d.CFN.of(t, "AWS::Lambda::Function", func(name string, _ map[string]any) {
		path := filepath.Join(root, ".orbitq/aws-sam", name, "bootstrap")

		file, err := elf.Open(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)

			return
		}
		defer file.Close()

		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)

			return
		}

		if file.Machine != elf.EM_AARCH64 || info.Mode()&0o111 == 0 {
			t.Errorf("%s is a program for %s with mode %s", name, file.Machine, info.Mode())
		}
	})
}

func TestSAMKnowsEveryKeyOfItsConfiguration(t *testing.T) {
	t.Parallel()

	out, err := run(t.Context(), tool(t, "python"), "tools/samconfig_json.py", "samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}

	var read struct {
		Config  map[string]json.RawMessage `json:"config"`
		Options map[string][]string        `json:"options"`
	}
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}

	parameters := load(t).SAM.Parameters
	delete(read.Config, "version")

	for _, environment := range []string{"default", "dev", "prod"} {
		if read.Config[environment] == nil {
			t.Errorf("samconfig.toml has no section %s", environment)
		}
	}

	for environment, section := range read.Config {
		var commands map[string]struct {
			Parameters map[string]any `json:"parameters"`
		}
		if err := json.Unmarshal(section, &commands); err != nil {
			t.Fatal(err)
		}

		for command, arguments := range commands {
			for key, value := range arguments.Parameters {
				if !slices.Contains(read.Options[command], key) {
					t.Errorf("%s.%s: SAM has no option %s", environment, command, key)
				}

				if key == "parameter_overrides" {
					for _, unknown := range unknownOverrides(text(value), parameters) {
						t.Errorf("%s.%s: the template has no parameter %s", environment, command, unknown)
					}
				}
			}
		}
	}
}

func unknownOverrides(overrides string, parameters map[string]map[string]any) (unknown []string) {
	for override := range strings.FieldsSeq(overrides) {
		if name, _, _ := strings.Cut(override, "="); parameters[name] == nil {
			unknown = append(unknown, name)
		}
	}

	return unknown
}
