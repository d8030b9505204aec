package job

import (
	"fmt"
	"hash/fnv"
	"strings"
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
	// Tries: how often it could not be told.
	Tries int
}

// Lanes of events. Operators' events have one of their own, so that nothing that users do
// stands in front of them.
const (
	OperatorLane = 0
	UserLanes    = 8 // the others, 1 to 8: all events of an owner are in one of them
)

// Lane returns the lane of the event. A type that is not known to be for users is for
// operators: it is heard at the wrong place then, but never lost.
func (e *Event) Lane() int {
	if e.Type != NoticeWebhook && e.Type != NoticeTopic && !strings.HasPrefix(e.Type, "batch.") {
		return OperatorLane
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(e.Owner)) // never fails
	return 1 + int(h.Sum32()%UserLanes)
}

// NextTry returns when an event that could not be told is tried again: after a minute,
// doubling to an hour. False means that it is given up: a receiver of a user's that is down
// for a day, or that refuses. What is told to operators is never given up.
func (e *Event) NextTry(code Code, wish time.Duration, now time.Time) (time.Time, bool) {
	const first, longest, patience = time.Minute, time.Hour, 24 * time.Hour
	if code == WebhookRefused || code == WebhookFailed && now.Sub(e.At) >= patience {
		return time.Time{}, false
	}
	return now.Add(max(min(first<<min(e.Tries, 10), longest), wish)), true
}

// Death returns the event of a job that just died.
func Death(j *Job) Event {
	return Event{
		ID: fmt.Sprintf("%s.%d.dead", j.ID, j.Generation), Type: DiedEvent, At: j.Finished,
		Job: j.ID, Generation: j.Generation, Kind: j.Kind, Owner: j.Owner, Point: j.Point, Queue: j.Queue,
		Code: j.Code, Reason: j.Reason, Print: j.Print, Attempts: j.Attempts,
	}
}
