package archtest

import (
	"slices"
	"testing"
)

// TestMappingsAreSwitchedForOurFunctionOnly: who may update a mapping may also turn it to another function.
func TestMappingsAreSwitchedForOurFunctionOnly(t *testing.T) {
	t.Parallel()

	found := 0

	load(t).CFN.of(t, "AWS::IAM::Role", func(name string, role map[string]any) {
		for _, policy := range list(role["Policies"]) {
			for _, statement := range list(at(policy, "PolicyDocument", "Statement")) {
				if !slices.ContainsFunc(list(at(statement, "Action")), func(a any) bool { return text(a) == "lambda:UpdateEventSourceMapping" }) {
					continue
				}

				found++

				var arns []string
				for _, arn := range list(at(statement, "Condition", "ArnLike", "lambda:FunctionArn")) {
					arns = append(arns, text(arn))
				}

				if !slices.Equal(arns, []string{"EnrichFunction.Arn", "${EnrichFunction.Arn}:*"}) {
					t.Errorf("%s may switch the mappings of %v", name, arns)
				}
			}
		}
	})

	if found != 1 {
		t.Errorf("%d statements allow it", found)
	}
}

// TestOperatorsHaveAClientOfTheirOwn: Cognito grants every scope of a client to a request that names none, so a client
// that writes may not have the scope of operators.
func TestOperatorsHaveAClientOfTheirOwn(t *testing.T) {
	t.Parallel()

	found := 0

	load(t).CFN.of(t, "AWS::Cognito::UserPoolClient", func(name string, client map[string]any) {
		var scopes []string
		for _, s := range list(client["AllowedOAuthScopes"]) {
			scopes = append(scopes, text(s))
		}

		if slices.Contains(scopes, "orbitq/operate") {
			found++

			if slices.Contains(scopes, "orbitq/write") {
				t.Errorf("%s may have %v", name, scopes)
			}
		}
	})

	if found != 1 {
		t.Errorf("%d clients may operate", found)
	}
}
