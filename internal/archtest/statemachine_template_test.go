package archtest

import (
	"fmt"
	"regexp"
	"testing"
)

// maxDefinition is the quota of Step Functions for a definition, in bytes.
const maxDefinition = 1_000_000

// substitution is what SAM replaces in a definition.
var substitution = regexp.MustCompile(`\$\{(\w+)\}`)

// checkSize complains about a definition that Step Functions would not take.
func checkSize(m machine) []string {
	if len(m.substituted()) < maxDefinition {
		return nil
	}

	return []string{fmt.Sprintf("%s: has %d bytes, want less than %d", m.name, len(m.substituted()), maxDefinition)}
}

// checkSubstitutions complains about definitions that no state machine of the template deploys, and about values that
// one side wants and the other does not have.
func checkSubstitutions(all []machine, r resources) (complaints []string) {
	deployed := map[string]map[string]any{}

	for name, resource := range r.Resources {
		if resource.Type != "AWS::Serverless::StateMachine" {
			continue
		}

		if kind := text(resource.Properties["Type"]); kind != "STANDARD" && resource.Properties["Type"] != nil {
			complaints = append(complaints, name+" is "+kind+", which forgets what it was doing")
		}

		given, _ := resource.Properties["DefinitionSubstitutions"].(map[string]any)
		deployed[text(resource.Properties["DefinitionUri"])] = given
	}

	for _, m := range all {
		uri := "statemachines/" + m.name + ".asl.json"

		given, ok := deployed[uri]
		if !ok {
			complaints = append(complaints, "no state machine has the DefinitionUri "+uri)
		}

		delete(deployed, uri)

		wanted := map[string]bool{}
		for _, found := range substitution.FindAllSubmatch(m.text, -1) {
			wanted[string(found[1])] = true
		}

		for name := range wanted {
			if ok && given[name] == nil {
				complaints = append(complaints, fmt.Sprintf("%s: nothing is given for ${%s}", m.name, name))
			}
		}

		for name := range given {
			if !wanted[name] {
				complaints = append(complaints, fmt.Sprintf("%s: %s is given and not used", m.name, name))
			}
		}
	}

	for uri := range deployed {
		complaints = append(complaints, "there is no definition "+uri)
	}

	return complaints
}

func TestTemplateDeploysTheStateMachines(t *testing.T) {
	t.Parallel()

	expectNone(t, checkSubstitutions(machines(t), load(t).SAM))
}
