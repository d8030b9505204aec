package job

import "slices"

// State is where a job stands in its life.
type State string

// The states of a job. Open states may still change by themselves; final ones
// are left only by a retry or redrive (dead, skipped), which starts a new
// generation.
const (
	Scheduled State = "scheduled" // accepted for later; no message yet
	Queued    State = "queued"    // a message is, or will be, in its queue
	Running   State = "running"   // claimed by a worker that holds the lease
	Waiting   State = "waiting"   // released without costing an attempt
	Retrying  State = "retrying"  // an attempt failed; the next one is due later
	Succeeded State = "succeeded" // ended with an outcome
	Skipped   State = "skipped"   // not run: the owner's limit is used up
	Dead      State = "dead"      // failed for good; waits for a person
	Cancelled State = "cancelled" // taken back before it ended
	Forgotten State = "forgotten" // tombstone of a dead job that was forgotten
)

// States lists every state in the order of a job's life.
func States() []State {
	return []State{Scheduled, Queued, Running, Waiting, Retrying, Succeeded, Skipped, Dead, Cancelled, Forgotten}
}

// Open reports whether the job may still change without a person's doing.
func (s State) Open() bool {
	switch s {
	case Scheduled, Queued, Running, Waiting, Retrying:
		return true
	default:
		return false
	}
}

// Group is a part of an owner's jobs that is listed without a walk over the others: the open
// ones, or those in one final state. The zero value is all jobs.
type Group string

// The groups that have names of their own.
const (
	AllJobs  Group = ""
	OpenJobs Group = "open"
)

// Group returns the group that a job in the state is in. Succeeded jobs, which are nearly all of
// a long history, are in no group but AllJobs: a place of their own would cost a write for each
// job, and save a walk over few others.
func (s State) Group() Group {
	switch {
	case s == Succeeded:
		return AllJobs
	case s.Open():
		return OpenJobs
	default:
		return Group(s) // dead, skipped, cancelled, forgotten; no state is in AllJobs
	}
}

// Has reports whether jobs in a state are in the group.
func (g Group) Has(s State) bool { return g == AllJobs || s.Group() == g }

// Known reports whether s is one of States.
func (s State) Known() bool { return slices.Contains(States(), s) }

// Transition is one row of the state table.
type Transition struct {
	From  State // empty for a job that does not exist yet
	Event string
	To    State
	Guard string // what must hold, in words
}

// Transitions is the state table of the protocol: every change that a store
// may write. Anything else is refused by the stores' conditions.
func Transitions() []Transition {
	table := []Transition{
		{"", "accept", Queued, "the id is new"},
		{Running, "settle", Succeeded, "the lease is mine"},
		{Running, "fail, transient", Retrying, "the lease is mine, attempts are left"},
		{Running, "fail, permanent or last attempt", Dead, "the lease is mine"},
		{Running, "release", Waiting, "the lease is mine"},
		{"", "accept, due later", Scheduled, "the id is new"},
		{"", "accept, stopped", Cancelled, "the id is new, its chain or batch was taken back before the step began"},
		{Scheduled, "relay, due", Queued, "look passed, no live lease"},
		{Scheduled, "line up, due", Queued, "look passed, no live lease, it will call the provider"},
	}
	table = append(table,
		Transition{Dead, "redrive", Queued, "the message that carried the job to death was sent anew"},
		Transition{Dead, "retry", Queued, "its owner asks"},
		Transition{Skipped, "retry", Queued, "its owner asks, or a cycle with new units begins"},
		Transition{Skipped, "retry, key held", Skipped, "a cycle with new units begins, an open job holds its unique key"},
		Transition{Dead, "forget", Forgotten, "its owner asks"},
		Transition{Dead, "restart", Queued, "its chain or batch goes on with it in another round"},
		Transition{Cancelled, "restart", Queued, "its batch goes on with it in another round"},
		Transition{Dead, "restart, stopped", Cancelled, "the round of its chain or batch that would run it again was taken back"},
		Transition{Cancelled, "restart, stopped", Cancelled, "the round of its batch that would run it again was taken back"},
	)
	for _, from := range []State{Scheduled, Queued, Waiting, Retrying, Running} {
		guard := "generation is the row's, ticket from the lowest valid to the newest"
		switch from {
		case Running:
			guard += ", lease over"
		case Retrying:
			guard += ", due"
		case Scheduled, Queued, Waiting, Succeeded, Skipped, Dead, Cancelled, Forgotten:
		}
		table = append(table,
			Transition{from, "claim", Running, guard + ", attempts left, before the deadline"},
			Transition{from, "claim, spent", Dead, guard + ", attempts spent, deadline or max_wait passed"},
			Transition{from, "bury", Dead, "the dead letter carries the newest ticket, no live lease"},
			Transition{from, "cancel", Cancelled, "its owner asks"},
		)
		if from != Running { // its worker would settle as if nothing had been said
			table = append(table, Transition{from, "snooze", Waiting, "its owner asks"})
		}
		if from != Scheduled { // becomes queued, above
			table = append(table,
				Transition{from, "relay", from, "look passed or a slot is booked for it, no live lease"},
				Transition{from, "line up", from, "look passed, no live lease, it will call the provider"})
		}
		if from != Retrying && from != Running { // these hold a unit already
			table = append(table,
				Transition{from, "claim, limit used", Skipped, guard + ", used >= limit"},
				Transition{from, "claim, limit reserved", Waiting, guard + ", used < limit <= taken"})
		}
	}
	return table
}
