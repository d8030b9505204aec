package cfn

import (
	"strings"
)

// addSecret describes a secret with the value that it is given or that is generated.
func (r *resolver) addSecret(out *Stack, name string, p properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	value, err := r.secretValue(name, p)
	if err != nil {
		return err
	}
	out.Secrets = append(out.Secrets, Secret{Name: physical, ARN: arn, Value: value})
	return nil
}

// addTopic describes a topic; nothing here delivers what it gets.
func (r *resolver) addTopic(out *Stack, name string, _ properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	out.Topics = append(out.Topics, Topic{Name: physical, ARN: arn})
	return nil
}

// addRole gathers the inline policies of a role; what they are called does not matter to a decision.
func (r *resolver) addRole(out *Stack, name string, p properties) error {
	physical, arn, err := r.identity(name)
	if err != nil {
		return err
	}
	role := Role{Name: physical, ARN: arn, Managed: p.texts("ManagedPolicyArns")}
	trust, _ := p.child("AssumeRolePolicyDocument")["Statement"].([]any)
	for _, s := range trust {
		st, _ := s.(map[string]any)
		role.Trusted = append(role.Trusted, properties(st).child("Principal").texts("Service")...)
	}
	policies, _ := p["Policies"].([]any)
	for _, policy := range policies {
		one, _ := policy.(map[string]any)
		statements, _ := properties(one).child("PolicyDocument")["Statement"].([]any)
		for _, s := range statements {
			st, _ := s.(map[string]any)
			role.Statements = append(role.Statements, statement(st))
		}
	}
	out.Roles = append(out.Roles, role)
	return nil
}

// statement reads one statement of a policy.
func statement(p properties) Statement {
	s := Statement{Effect: p.text("Effect"), Action: p.texts("Action"), Resource: p.texts("Resource")}
	if len(p.child("Condition")) > 0 {
		s.Condition = map[string]map[string]any{}
		for operator := range p.child("Condition") {
			s.Condition[operator] = p.child("Condition").child(operator)
		}
	}
	return s
}

// addAPI reads routes and authorizer from the OpenAPI body that SAM writes.
func (*resolver) addAPI(out *Stack, _ string, p properties) error {
	body := p.child("Body")
	schemes := body.child("components").child("securitySchemes")
	// The product has one authorizer; SAM writes it as a security scheme.
	for name := range schemes {
		jwt := schemes.child(name).child("x-amazon-apigateway-authorizer").child("jwtConfiguration")
		out.Issuer, out.Audience = jwt.text("issuer"), jwt.texts("audience")
	}
	paths := body.child("paths")
	for path := range paths {
		for method := range paths.child(path) {
			operation := paths.child(path).child(method)
			// An operation without an integration, such as a CORS preflight, is no route of a function.
			if _, ok := operation["x-amazon-apigateway-integration"]; !ok {
				continue
			}
			route := Route{Method: strings.ToUpper(method), Path: path}
			uri := operation.child("x-amazon-apigateway-integration").text("uri")
			_, arn, _ := strings.Cut(uri, "/functions/")
			route.Function = functionName(strings.TrimSuffix(arn, "/invocations"))
			// Names that are no scheme, such as SAM's NONE, mean that the route is public.
			security, _ := operation["security"].([]any)
			for _, s := range security {
				one, _ := s.(map[string]any)
				for scheme := range one {
					if _, ok := schemes[scheme]; ok {
						route.Authorized, route.Scopes = true, properties(one).texts(scheme)
					}
				}
			}
			out.Routes = append(out.Routes, route)
		}
	}
	return nil
}

// addStage takes from a stage what a client can notice: its limits and its access log.
func (*resolver) addStage(out *Stack, _ string, p properties) error {
	settings := p.child("DefaultRouteSettings")
	out.Stage = Stage{
		Rate: settings.number("ThrottlingRateLimit", 0), Burst: settings.number("ThrottlingBurstLimit", 0),
		AccessLogFormat: p.child("AccessLogSettings").text("Format"),
	}
	return nil
}
