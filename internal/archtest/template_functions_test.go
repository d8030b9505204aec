package archtest

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"orbitq/internal/openapi"
)

func TestFunctionsAreBuiltAlike(t *testing.T) {
	t.Parallel()

	d := load(t)

	d.CFN.of(t, "AWS::Lambda::Function", func(name string, function map[string]any) {
		for what, pair := range map[string][2]string{
			"runtime":      {text(function["Runtime"]), "provided.al2023"},
			"architecture": {text(function["Architectures"]), `["arm64"]`},
			"handler":      {text(function["Handler"]), "bootstrap"},
			"tracing":      {text(at(function, "TracingConfig", "Mode")), "Active"},
			"log format":   {text(at(function, "LoggingConfig", "LogFormat")), "JSON"},
			"build method": {text(d.SAM.Resources[name].Metadata["BuildMethod"]), "go1.x"},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %s is %s, want %s", name, what, pair[0], pair[1])
			}
		}

		if d.CFN.Resources[name+"Aliaslive"].Type != "AWS::Lambda::Alias" {
			t.Errorf("%s has no alias live: a deployment would hit all traffic at once", name)
		}

		if timeout := number(function["Timeout"]); timeout <= 0 || timeout > 900 {
			t.Errorf("%s may run %v s", name, timeout)
		}

		main := filepath.Join(root, text(d.SAM.Resources[name].Properties["CodeUri"]), "main.go")
		if _, err := os.Stat(main); err != nil {
			t.Errorf("%s has no code: %v", name, err)
		}
	})
}

// Log groups that Lambda makes by itself never expire.
func TestFunctionsHaveLogGroupsThatExpire(t *testing.T) {
	t.Parallel()

	d := load(t)

	d.CFN.of(t, "AWS::Lambda::Function", func(name string, function map[string]any) {
		group := d.CFN.Resources[text(at(function, "LoggingConfig", "LogGroup"))]

		if group.Type != "AWS::Logs::LogGroup" || group.Properties["RetentionInDays"] == nil {
			t.Errorf("%s has no log group with a retention", name)

			return
		}

		if got, want := text(group.Properties["LogGroupName"]), "/aws/lambda/"+text(function["FunctionName"]); got != want {
			t.Errorf("%s logs to %s, want %s", name, got, want)
		}
	})
}

// The routes of the template are the operations of the contract, with the same scopes.
func TestRoutesAreTheContract(t *testing.T) {
	t.Parallel()

	d := load(t)

	var got, want []string

	d.SAM.of(t, "AWS::Serverless::Function", func(_ string, function map[string]any) {
		events, _ := function["Events"].(map[string]any)
		for _, event := range events {
			if at(event, "Type") != "HttpApi" {
				continue
			}

			access := "public"
			if at(event, "Properties", "Auth", "Authorizer") != "NONE" {
				access = text(at(event, "Properties", "Auth", "AuthorizationScopes"))
			}

			got = append(got, text(at(event, "Properties", "Method"))+" "+text(at(event, "Properties", "Path"))+" "+access)
		}
	})

	doc, err := openapi3.NewLoader().LoadFromData(openapi.YAML())
	if err != nil {
		t.Fatal(err)
	}

	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			access := "public"
			for _, requirement := range *operation.Security {
				access = `["` + strings.Join(requirement["bearer"], `","`) + `"]`
			}

			want = append(want, method+" "+path+" "+access)
		}
	}

	slices.Sort(got)
	slices.Sort(want)

	if !slices.Equal(got, want) {
		t.Errorf("routes\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// setting finds the names of settings in code.
var setting = regexp.MustCompile(`"((?:ORBITQ|COPERNICUS)_[A-Z_]+)"`)

// A name that only one side knows is a setting that does nothing, or a function that stops at its start.
func TestEnvironmentIsWhatTheCodeReads(t *testing.T) {
	t.Parallel()

	inCode, inTemplate := map[string]bool{}, map[string]bool{}

	files, err := filepath.Glob(root + "/internal/wire/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no code in internal/wire: %v", err)
	}

	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}

		for _, found := range setting.FindAllSubmatch(code, -1) {
			if !strings.HasSuffix(file, "_test.go") {
				inCode[string(found[1])] = true
			}
		}
	}

	load(t).CFN.of(t, "AWS::Lambda::Function", func(name string, function map[string]any) {
		variables, _ := at(function, "Environment", "Variables").(map[string]any)
		for variable, value := range variables {
			inTemplate[variable] = true

			if strings.HasSuffix(variable, "_SECONDS") && !seconds(text(value)) {
				t.Errorf("%s: %s is %q, want seconds", name, variable, text(value))
			}
		}
	})

	for name := range inTemplate {
		if !inCode[name] {
			t.Errorf("the template sets %s, internal/wire does not read it", name)
		}
	}

	for name := range inCode {
		if !inTemplate[name] {
			t.Errorf("internal/wire reads %s, the template does not set it", name)
		}
	}
}

// seconds reports whether s is a number, or several with commas between.
func seconds(s string) bool {
	for part := range strings.SplitSeq(s, ",") {
		if _, err := strconv.ParseFloat(part, 64); err != nil {
			return false
		}
	}

	return true
}

// Two stacks in one account have metrics of the same names.
func TestAlarmsRingForTheirOwnStack(t *testing.T) {
	t.Parallel()

	found := 0

	load(t).CFN.of(t, "AWS::CloudWatch::Alarm", func(name string, alarm map[string]any) {
		if alarm["Namespace"] != "orbitq" {
			return
		}

		found++

		want := []any{map[string]any{"Name": "stack", "Value": map[string]any{"Ref": "AWS::StackName"}}}
		if !reflect.DeepEqual(alarm["Dimensions"], want) {
			t.Errorf("%s: dimensions %v", name, alarm["Dimensions"])
		}
	})

	if found == 0 {
		t.Error("no alarm stands on a metric of orbitq")
	}
}

// anchor finds the place in the documentation that an alarm sends its reader to.
var anchor = regexp.MustCompile(`(docs/[\w-]+\.md)#([\w-]+)`)

func TestAlarmsLeadToTheRunbook(t *testing.T) {
	t.Parallel()

	load(t).CFN.of(t, "AWS::CloudWatch::Alarm", func(name string, alarm map[string]any) {
		found := anchor.FindStringSubmatch(text(alarm["AlarmDescription"]))
		if found == nil {
			t.Errorf("%s does not say where its runbook is", name)

			return
		}

		page, err := os.ReadFile(filepath.Join(root, found[1]))
		if err != nil {
			t.Errorf("%s: %v", name, err)

			return
		}

		heading := regexp.MustCompile(`(?mi)^#+ ` + strings.ReplaceAll(found[2], "-", "[ -]") + `\s*$`)
		if !heading.Match(page) {
			t.Errorf("%s: %s has no heading for #%s", name, found[1], found[2])
		}
	})
}
