//go:build race

package sim_test

// raceEnabled makes the swarm smaller: one thread has no races, and the detector
// costs ten times the time.
const raceEnabled = true
