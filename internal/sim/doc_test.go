// Package sim_test runs the whole system in one thread: write API, workers, relay and
// reconciler over the memory table and the memory queues, under a virtual clock,
// with every fault that package faulty knows, and holds it against its
// invariants after every single effect.
//
// It promises that a run is a function of its seed: processes are coroutines that
// stop before and behind each effect, and the seed alone decides who goes on,
// which fault strikes and how far the clock jumps. A failure prints its seed, and
//
//	SEED=n go test ./internal/sim -run Replay -v
//
// runs it again with a log of every effect. After the faults end, every run must
// come to rest: each job in one final state, each unit billed once, and in the
// dead letter queue one message per dead job.
//
// It proves itself, too: with any one guard of the table taken out, some run must
// fail.
//
// It consists of tests only: oracle_test.go says what must hold, world_test.go
// what may happen, process_test.go who acts.
package sim_test
