// Package sim_test runs the whole system in one thread: write API, workers, relay,
// reconciler and people over the memory table, the memory queues and a provider with
// moods, under a virtual clock, with every fault that package faulty knows, and holds
// it against its invariants after every single effect.
//
// It promises that a run is a function of its seed: processes are coroutines that
// stop before and behind each effect, and the seed alone decides who goes on,
// which fault strikes and how far the clock jumps. A failure prints its seed, and
//
//	make sim SEED=n
//
// runs it again with a log of every effect. Without a seed it lives as many lives as
// a minute allows, at most a million, and says what it did. After the faults end,
// every run must come to rest: each job in one final state, each unit billed once,
// each death told, and in the dead letter queue one message per job that a message
// carried to death. Seeds with a story are in testdata/seeds.txt and come first.
//
// Worlds of their own have chains and batches, driven by a model of Step Functions whose
// executions start late, twice or never, wait in virtual time and die at any moment:
//
//	FLOW_SEED=n go test -run FlowReplay -v ./internal/sim
//
// They share everything with the other worlds, which they follow in a swarm of a quarter
// of a minute, so that the seeds of those keep their meaning.
//
// It proves itself, too: with any one guard of the table taken out, and with any
// part of the system that does not do its work, some run must fail.
//
// It looks only at what an effect may have changed; whether anything else has
// changed is seen by the table's count of writes, and by an audit of every row now
// and then and at the end.
//
// What it cannot see: jobs of one batch share a gate in a real worker and have one
// each here, attempts never run into their own deadline (contexts know only the real
// time), and the promise about calls in any window is held only where clocks are at
// most half a second off, which is what the limiter's margin covers.
//
// It consists of tests only: invariant_test.go says what must hold, oracle_test.go and
// the files beside it how that is seen, world_test.go and settle_test.go what may
// happen, process_test.go who acts. Of chains and batches, crowd_test.go and meddle_test.go say who
// wants what, states_test.go and step_test.go who drives them, flow_oracle_test.go and
// batch_oracle_test.go what must hold.
package sim_test
