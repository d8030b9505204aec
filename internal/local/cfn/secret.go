package cfn

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// secretLength is how long a generated secret is unless the template says otherwise, as on AWS.
const secretLength = 32

// secretValue is the value that a template gives, or generates. A generated one is made from the names of stack and
// resource: stacks that share a data folder must agree, and a run must find what the last one has signed.
func (r *resolver) secretValue(name string, p properties) (string, error) {
	rules, generated := p["GenerateSecretString"].(map[string]any)
	switch _, given := p["SecretString"]; {
	case generated && given:
		return "", errors.New("SecretString and GenerateSecretString exclude each other")
	case !generated:
		return p.text("SecretString"), nil
	}
	g := properties(rules)
	secret, err := password(r.source.Stack+"/"+name, g)
	if err != nil || g.text("GenerateStringKey") == "" {
		return secret, err
	}
	// The template is an object to which the secret is added.
	object := map[string]any{}
	if err := json.Unmarshal([]byte(g.text("SecretStringTemplate")), &object); err != nil {
		return "", fmt.Errorf("read SecretStringTemplate: %w", err)
	}
	object[g.text("GenerateStringKey")] = secret
	raw, err := json.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("write secret: %w", err)
	}
	return string(raw), nil
}

// password makes letters and digits without what the rules exclude. AWS adds punctuation unless it is excluded, too:
// nothing may count on it, and everything has to cope without.
func password(seed string, g properties) (string, error) {
	var alphabet strings.Builder
	for _, class := range [][2]string{
		{"ExcludeLowercase", "abcdefghijklmnopqrstuvwxyz"}, {"ExcludeUppercase", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, {"ExcludeNumbers", "0123456789"},
	} {
		if g.text(class[0]) != "true" {
			alphabet.WriteString(class[1])
		}
	}
	allowed := strings.Map(func(c rune) rune {
		if strings.ContainsRune(g.text("ExcludeCharacters"), c) {
			return -1
		}
		return c
	}, alphabet.String())
	if allowed == "" {
		return "", errors.New("GenerateSecretString excludes every character")
	}
	out := make([]byte, g.number("PasswordLength", secretLength))
	for i := range out {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", seed, i))
		out[i] = allowed[(int(sum[0])<<8|int(sum[1]))%len(allowed)]
	}
	return string(out), nil
}
