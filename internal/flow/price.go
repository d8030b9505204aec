package flow

import "math"

// Prices of AWS in US dollars for a million of each, in eu-central-1 without any free
// tier, as the public price lists had them in 2026-10.
const (
	pricedOn        = "2026-10"
	perTransition   = 25.0   // Step Functions STANDARD, a state transition
	perInvocation   = 0.20   // Lambda, a request
	perGBSecond     = 13.334 // Lambda on arm64
	perWriteUnit    = 0.625  // DynamoDB on demand
	perReadUnit     = 0.125  // DynamoDB on demand
	perObjectPut    = 5.0    // S3
	memoryGB        = 0.25
	secondsPerVisit = 0.35 // a call of the provider, and the writes around it
)

// Units are what a chain or batch uses when nothing has to be repeated or waited for;
// a wait adds five transitions and one invocation in a chain, three and one in a batch. The demonstration prints them beside
// what the local gateway counted.
type Units struct {
	Transitions      int
	Invocations      int
	WriteUnits       int
	ReadUnits        int
	ObjectPuts       int
	ProviderRequests int
}

// Cost is units with their price.
type Cost struct {
	Units

	USD      float64
	PricedOn string
}

// What one visit of a step reads and writes. A write inside of a transaction counts
// twice.
const (
	writesPerStep  = 14 // accept 2, claim 1, limiter 2, cache 2, call record 1, settle 6
	writesPerTrack = 1  // item or chain
	readsPerVisit  = 3  // batch, item, point
	readsPerStep   = 2  // claim: job, plan
)

// CostOf returns what so many items with so many steps each cost.
func CostOf(items, steps int, distributed bool) Cost {
	u := Units{
		// Choice and map, summary with its choice, both callbacks with theirs, end; in each
		// item its visit, the choice behind it, and its end.
		Transitions: 8 + 3*items, Invocations: 3 + items,
		WriteUnits: items*(steps*writesPerStep+writesPerTrack) + 4, ReadUnits: items*(readsPerVisit+steps*readsPerStep) + items/8,
		ProviderRequests: items,
	}
	if distributed {
		children := (items + Chunk - 1) / Chunk
		// A child has a start of its own.
		u.Transitions, u.Invocations, u.ObjectPuts = 8+4*children, 3+children, 1
	}
	return priced(u, float64(items*steps)*secondsPerVisit)
}

// ChainCost returns what a chain with so many steps costs.
func ChainCost(steps int) Cost {
	return priced(Units{
		Transitions: 2 + 2*steps, Invocations: steps, WriteUnits: steps*(writesPerStep+writesPerTrack) + 2, ReadUnits: steps * (readsPerVisit + readsPerStep),
		ProviderRequests: 1,
	}, float64(steps)*secondsPerVisit)
}

// priced adds the price of units and of the seconds that functions ran.
func priced(u Units, seconds float64) Cost {
	usd := float64(u.Transitions)*perTransition + float64(u.Invocations)*perInvocation + seconds*memoryGB*perGBSecond +
		float64(u.WriteUnits)*perWriteUnit + float64(u.ReadUnits)*perReadUnit + float64(u.ObjectPuts)*perObjectPut
	return Cost{Units: u, USD: math.Round(usd) / 1e6, PricedOn: pricedOn}
}
