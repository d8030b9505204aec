package cfn_test

import (
	"regexp"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
)

// generated is the value of a secret with rules, in a stack of a name.
func generated(t *testing.T, stack, resource, rules string) (string, error) {
	t.Helper()

	s, err := cfn.Parse([]byte(`{"Resources":{"`+resource+`":{"Type":"AWS::SecretsManager::Secret","Properties":{"GenerateSecretString":`+rules+`}}}}`), cfn.Source{Stack: stack})
	if err != nil {
		return "", err
	}

	return s.Secrets[0].Value, nil
}

func TestGeneratedSecrets(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, rules, want, problem string }{
		{"defaults", `{}`, `^[A-Za-z0-9]{32}$`, ""},
		{"length", `{"PasswordLength":64}`, `^[A-Za-z0-9]{64}$`, ""},
		{"length as text", `{"PasswordLength":"8"}`, `^[A-Za-z0-9]{8}$`, ""},
		{"no capitals", `{"ExcludeUppercase":true}`, `^[a-z0-9]{32}$`, ""},
		{"digits", `{"ExcludeUppercase":true,"ExcludeLowercase":true}`, `^[0-9]{32}$`, ""},
		{"characters", `{"ExcludeNumbers":true,"ExcludeLowercase":true,"ExcludeCharacters":"BCDEFGHIJKLMNOPQRSTUVWXYZ\"@/"}`, `^A{32}$`, ""},
		{"in a template", `{"SecretStringTemplate":"{\"user\":\"ana\"}","GenerateStringKey":"password"}`, `^{"password":"[A-Za-z0-9]{32}","user":"ana"}$`, ""},
		{"everything excluded", `{"ExcludeUppercase":true,"ExcludeLowercase":true,"ExcludeNumbers":"true"}`, "", "excludes every character"},
		{"a template that is none", `{"SecretStringTemplate":"user","GenerateStringKey":"password"}`, "", "SecretStringTemplate"},
		{"a length that is none", `{"PasswordLength":"long"}`, "", "PasswordLength must be a whole number"},
	} {
		got, err := generated(t, "st", "S", c.rules)
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: got %v, want %q", c.name, err, c.problem)
			}

			continue
		}

		if err != nil || !regexp.MustCompile(c.want).MatchString(got) {
			t.Errorf("%s: got %s %v, want %s", c.name, got, err, c.want)
		}
	}

	both := `"S":{"Type":"AWS::SecretsManager::Secret","Properties":{"SecretString":"x","GenerateSecretString":{}}}`
	if _, err := resources(t, both); err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Errorf("two values: got %v", err)
	}
}

// TestGeneratedSecretsAreTheirNames lets a run find what the last one has signed, and gives no two secrets one value.
func TestGeneratedSecretsAreTheirNames(t *testing.T) {
	t.Parallel()

	seen := map[string]string{}

	for _, names := range [][2]string{{"st", "S"}, {"st", "T"}, {"other", "S"}, {"st", "S"}} {
		value, err := generated(t, names[0], names[1], `{}`)
		if err != nil {
			t.Fatal(err)
		}

		name := names[0] + "/" + names[1]
		if before, ok := seen[value]; ok && before != name {
			t.Errorf("%s and %s have one value", before, name)
		}

		seen[value] = name
	}

	if len(seen) != 3 {
		t.Errorf("got %v, want three values", seen)
	}
}
