package kinds

import "orbitq/internal/job"

// Policies says how the jobs of each kind are tried: the one place for it. What is
// not set is the deployment's (three tries, backoff 10, 30, 60 s, the function's
// timeout).
//
// An override is one line here: Tries and Exceptions bound the attempts of one
// generation, Backoff the waits between them, Timeout one attempt (the function's own
// is the upper bound), and Paced says that a message of this kind is worth sending only
// when the provider has a slot for it. Free is for kinds that take no unit of their owner's
// plan, and Before names the kinds that build upon one, which come behind it in a chain.
// More tries than SQS has receives are refused
// when a function starts.
func Policies() map[string]job.Policy {
	return map[string]job.Policy{
		EnrichName:  {Paced: true, Before: []string{AnalyzeName, NotifyName}},
		AnalyzeName: {Free: true, Before: []string{NotifyName}},
		NotifyName:  {Free: true},
	}
}
