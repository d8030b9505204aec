package job

import (
	"fmt"
	"time"
)

// DiedEvent is the type of the event that tells of a death.
const DiedEvent = "job.dead"

// Event is something that must be told after the write that made it true. Its row
// is written in the same transaction, and removed when it was told; its id is the
// same however often it is told, so that a listener can tell a repetition.
type Event struct {
	ID         string // <job>.<generation>.<what>
	Type       string
	At         time.Time
	Job        string
	Generation int
	Kind       string
	Owner      string
	Point      string
	Queue      string
	Code       Code
	Reason     string
	Print      string
	Attempts   int
}

// Death returns the event of a job that just died.
func Death(j *Job) Event {
	return Event{
		ID: fmt.Sprintf("%s.%d.dead", j.ID, j.Generation), Type: DiedEvent, At: j.Finished,
		Job: j.ID, Generation: j.Generation, Kind: j.Kind, Owner: j.Owner, Point: j.Point, Queue: j.Queue,
		Code: j.Code, Reason: j.Reason, Print: j.Print, Attempts: j.Attempts,
	}
}
