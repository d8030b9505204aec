package job

// Counts is how many items are in each state.
type Counts struct {
	Pending   int `json:"pending"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Skipped   int `json:"skipped"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
}

// With returns the counts with one more item.
func (c Counts) With(s TrackState) Counts {
	switch s {
	case TrackPending:
		c.Pending++
	case TrackRunning:
		c.Running++
	case TrackSucceeded:
		c.Succeeded++
	case TrackSkipped:
		c.Skipped++
	case TrackFailed:
		c.Failed++
	case TrackCancelled:
		c.Cancelled++
	}
	return c
}

// Final returns how many items have ended.
func (c Counts) Final() int { return c.Succeeded + c.Skipped + c.Failed + c.Cancelled }

// Total returns how many items there are.
func (c Counts) Total() int { return c.Pending + c.Running + c.Final() }

// Progress returns how much has ended, from 0 to 100; 100 only when all has.
func (c Counts) Progress() int {
	if c.Total() == 0 {
		return 100
	}
	return 100 * c.Final() / c.Total()
}

// Count counts items as they stand in the batch's round.
func (b *Batch) Count(items []Item) Counts {
	var c Counts
	for _, it := range items {
		c = c.With(b.Now(it).State)
	}
	return c
}
