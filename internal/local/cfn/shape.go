package cfn

import (
	"fmt"
	"strconv"
)

// Kinds of values that a property may be held to.
const (
	wholeNumber = "a whole number"
	list        = "a list"
)

// misshapen names the first property whose value cannot be what it must be. Without it such a value would read like one
// that is absent, and a default would stand where the template says something else.
func misshapen(p properties) error {
	kinds := map[string]string{
		"VisibilityTimeout": wholeNumber, "MessageRetentionPeriod": wholeNumber, "ReceiveMessageWaitTimeSeconds": wholeNumber,
		"DelaySeconds": wholeNumber, "maxReceiveCount": wholeNumber, "Timeout": wholeNumber, "MemorySize": wholeNumber,
		"BatchSize": wholeNumber, "MaximumBatchingWindowInSeconds": wholeNumber, "MaximumConcurrency": wholeNumber,
		"ThrottlingRateLimit": wholeNumber, "ThrottlingBurstLimit": wholeNumber,
		"KeySchema": list, "GlobalSecondaryIndexes": list, "LocalSecondaryIndexes": list, "Targets": list, "Policies": list,
		"Statement": list, "PasswordLength": wholeNumber,
	}
	for name, v := range p {
		// The names below these are the product's own.
		if name == "Variables" || name == "Body" || name == "DefinitionSubstitutions" {
			continue
		}
		_, isList := v.([]any)
		_, err := strconv.Atoi(fmt.Sprint(v))
		if kind := kinds[name]; kind == list && !isList || kind == wholeNumber && err != nil {
			return fmt.Errorf("%s must be %s, not %v", name, kind, v)
		}
		// Some of them stand below: redrive and scaling, and a policy's document.
		if err := misshapen(p.child(name)); err != nil {
			return err
		}
		below, _ := v.([]any)
		for _, element := range below {
			one, _ := element.(map[string]any)
			if err := misshapen(one); err != nil {
				return err
			}
		}
	}
	return nil
}
