package kinds

import "orbitq/internal/job"

// Policies says how the jobs of each kind are tried: the one place for it. What is
// not set is the deployment's (three tries, backoff 10, 30, 60 s, the function's
// timeout).
func Policies() map[string]job.Policy {
	return map[string]job.Policy{
		EnrichName: {Paced: true},
	}
}
