package storetest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"orbitq/internal/deadletter"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/relay"
	"orbitq/internal/worker"
)

// newPoint returns a point with every field set, at Null Island: zero is a value.
func newPoint(t *testing.T) point.Point {
	t.Helper()
	zero, lon := 0.0, 0.0
	return point.Point{
		ID: id(t), Owner: "u-" + id(t), Latitude: &zero, Longitude: &lon, Accuracy: 12.5, Value: -3.25,
		CollectedAt: start(), MetricID: "pm25", CampaignID: "c", DeviceModel: "d", SensorType: "s",
		CalibratedAt: start().Add(-time.Hour), Notes: "n\u00e4", Revision: 1, BodyHash: "h", CreatedAt: start(), Status: point.Pending,
	}
}

// letter returns the dead letter that carries a message.
func letter(m job.Message) deadletter.Letter {
	return deadletter.Letter{MessageID: "m-" + m.Job, Body: m.Encode(), Sent: start(), Receives: 8, Source: "arn:q"}
}

// bury hands a dead letter to the store and demands a fate.
func bury(t *testing.T, s Store, m job.Message, now time.Time, want deadletter.Fate) {
	t.Helper()
	got, err := s.Bury(context.Background(), m, letter(m), now)
	if err != nil || got != want {
		t.Fatalf("fate %d, %v, want %d", got, err, want)
	}
}

// buryRules: a dead letter ends the job that it carries, and no other.
func buryRules() []rule {
	return []rule{
		{"bury ends an open job whose newest message is the letter", buriesNewest},
		{"bury leaves a job with a live lease alone", sparesRunning},
		{"bury keeps an older ticket of an open job", keepsOlder},
		{"bury calls the letter of a finished job surplus", surplusOfFinished},
		{"bury calls another copy of a dead job surplus", surplusOfDead},
		{"bury calls the letter of no job an orphan", orphanLetter},
		{"poison is recorded, and recorded again without harm", recordsPoison},
	}
}

// hint finds a job among the hints of its shard.
func hint(t *testing.T, s Store, jobID string, now time.Time) (relay.Hint, bool) {
	t.Helper()
	all, err := s.Due(context.Background(), job.Shard(jobID, relay.Shards), now, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		if h.ID == jobID {
			return h, true
		}
	}
	return relay.Hint{}, false
}

// relayRules: the index shows what is due, and only the row decides.
func relayRules() []rule {
	return []rule{
		{"an accepted job is due at its look and not before", dueAtLook},
		{"retake takes one ticket, once, and keeps older ones valid", retakesOnce},
		{"retake refuses a row whose look has moved, though its ticket has not", retakesSeenLook},
		{"a parked job is due at its time, and retake queues it", parks},
		{"retake leaves a job with a live lease alone", retakesNoRunning},
		{"an attempt that ends after the relay sent again keeps the new ticket", lateEnd},
		{"a release after the relay sent again is refused: its ticket is taken", lateRelease},
		{"a final job leaves the open index", leavesIndex},
	}
}

// retakesOnce lets two relays act on one hint.
func retakesOnce(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	got, ok, err := s.Retake(context.Background(), &j, time.Time{}, Timing(), j.Look)
	if err != nil || !ok || got.Ticket != 2 || got.ValidTicket != 1 || got.Resends != 1 {
		t.Fatalf("got %+v, %v, %v", got, ok, err)
	}
	if _, ok, err = s.Retake(context.Background(), &j, time.Time{}, Timing(), j.Look); ok || err != nil {
		t.Errorf("the same hint was taken twice: %v", err)
	}
	if stored := row(t, s, j.ID); !reflect.DeepEqual(stored, got) {
		t.Errorf("stored %+v\nwant %+v", stored, got)
	}
	// The first message was not lost, only slow: its ticket stays valid beside the new one.
	claim(t, s, request(j.Message(), "x", j.Look), job.Run)
}

// retakesSeenLook lets another relay put the job into line meanwhile, which takes no ticket.
func retakesSeenLook(t *testing.T, s Store) {
	seen := accepted(t, s, nil)
	now := seen.Look
	inLine, err := s.Amend(context.Background(), seen.ID, func(j job.Job) (job.Job, error) { return job.InLine(j, now), nil })
	if err != nil || inLine.Ticket != seen.Ticket {
		t.Fatal(inLine.Ticket, err)
	}
	if _, ok, err := s.Retake(context.Background(), &seen, time.Time{}, Timing(), now); ok || err != nil {
		t.Errorf("retaken: %v, %v", ok, err)
	}
	if got := row(t, s, seen.ID); !reflect.DeepEqual(got, inLine) {
		t.Errorf("row %+v\nwant %+v", got, inLine)
	}
}

// late returns a job whose lease is over and whose message the relay has sent
// again, while its worker still works: a slow function, not a dead one.
func late(t *testing.T, s Store) (held, row job.Job) {
	t.Helper()
	held = running(t, s, limited("u-"+id(t), 5))
	row, ok, err := s.Retake(context.Background(), &held, time.Time{}, Timing(), held.Look)
	if err != nil || !ok || row.Ticket != 2 {
		t.Fatalf("got %+v, %v, %v", row, ok, err)
	}
	return held, row
}

// lateEnd: a worker whose lease is over, but not taken, may still end its attempt; the
// ticket that the relay took meanwhile stays.
func lateEnd(t *testing.T, s Store) {
	held, _ := late(t, s)
	now := held.Look.Add(time.Second)
	conclude(t, s, &held, job.Failed(held, job.Errorf(job.ProviderUnavailable, "503"), Timing(), 0, job.Carried{}, report(now)), worker.Written)
	if got := row(t, s, held.ID); got.State != job.Retrying || got.Ticket != 2 || got.Resends != 1 {
		t.Errorf("after a failure: %+v", got)
	}
	held, _ = late(t, s)
	settle(t, s, &held, now, worker.Written)
	if got := row(t, s, held.ID); got.State != job.Succeeded || got.Ticket != 2 || got.Resends != 1 {
		t.Errorf("after a success: %+v", got)
	}
}

// lateRelease would send a ticket a second time: two messages could then die with
// one ticket, and a console redrive could not tell them apart.
func lateRelease(t *testing.T, s Store) {
	held, before := late(t, s)
	next := job.Released(held, job.ProviderRateLimit, "429", time.Minute, Timing(), held.Look.Add(time.Second))
	conclude(t, s, &held, next, worker.LeaseLost)
	if got := row(t, s, held.ID); !reflect.DeepEqual(got, before) {
		t.Errorf("got %+v\nwant %+v", got, before)
	}
}

// readRules: owners see their own rows, in order, page by page.
func readRules() []rule {
	return []rule{
		{"a missing row is NOT_FOUND", missingRows},
		{"the subject is the point with the analysis of the revision", subjectOfRevision},
		{"a list is one owner's, newest first, page by page, each job once", pagesOfAnOwner},
		{"a group of an owner's jobs is listed without the others", groupsOfAnOwner},
		{"the shared token is stored, and its lock is exclusive until its end", tokenLock},
	}
}

// pagesOfAnOwner lists five jobs in pages of two beside another owner's job.
func pagesOfAnOwner(t *testing.T, s Store) {
	owner := "u-" + id(t)
	accepted(t, s, nil)
	var want []string
	for i := range 5 {
		j := newJob(t, func(j *job.Job) { j.Owner = owner })
		j.Created = start().Add(time.Duration(i) * time.Second)
		if _, _, err := s.Accept(context.Background(), &j); err != nil {
			t.Fatal(err)
		}
		// Accepted in the order of time, listed against it.
		want = append([]string{j.ID}, want...)
	}
	var got []string
	for after := ""; ; {
		page, next, err := s.Jobs(context.Background(), owner, job.AllJobs, after, 2)
		if err != nil || len(page) > 2 {
			t.Fatalf("page of %d, %v", len(page), err)
		}
		for i := range page {
			got = append(got, page[i].ID)
		}
		if next == "" {
			break
		}
		after = next
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// groupsOfAnOwner is the rule that a group is listed alone, through every way into and out of it.
func groupsOfAnOwner(t *testing.T, s Store) {
	ctx, owner := context.Background(), "u-"+id(t)
	var ids []string
	for i := range 3 {
		j := newJob(t, func(j *job.Job) { j.Owner = owner })
		j.Created = start().Add(time.Duration(i) * time.Second)
		if _, _, err := s.Accept(ctx, &j); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, j.ID)
	}
	holds := func(group job.Group, want ...string) {
		t.Helper()
		page, next, err := s.Jobs(ctx, owner, group, "", 10)
		var got []string
		for i := range page {
			got = append(got, page[i].ID)
		}
		if err != nil || next != "" || !slices.Equal(got, want) {
			t.Errorf("group %q is %v, then %q, %v, want %v", group, got, next, err, want)
		}
	}
	holds(job.OpenJobs, ids[2], ids[1], ids[0])
	cancel := func(j job.Job) (job.Job, error) { return job.Cancel(j, start()) }
	if _, err := s.Amend(ctx, ids[1], cancel); err != nil {
		t.Fatal(err)
	}
	holds(job.OpenJobs, ids[2], ids[0])
	holds(job.Cancelled.Group(), ids[1])
	holds(job.Dead.Group())
	holds(job.AllJobs, ids[2], ids[1], ids[0])
	page, next, err := s.Jobs(ctx, owner, job.OpenJobs, "", 1)
	if err != nil || len(page) != 1 || page[0].ID != ids[2] || next == "" {
		t.Fatalf("first page is %v, then %q, %v", page, next, err)
	}
	if page, _, err = s.Jobs(ctx, owner, job.OpenJobs, next, 1); err != nil || len(page) != 1 || page[0].ID != ids[0] {
		t.Errorf("second page is %v, %v", page, err)
	}
}

// tokenLock is the only rule about the token: the row is one for the table.
func tokenLock(t *testing.T, s Store) {
	ctx, now := context.Background(), start()
	if ok, err := s.LockToken(ctx, now, now.Add(10*time.Second)); err != nil || !ok {
		t.Fatalf("first lock: %v, %v", ok, err)
	}
	if ok, err := s.LockToken(ctx, now.Add(9*time.Second), now.Add(time.Minute)); err != nil || ok {
		t.Errorf("second lock inside the first: %v, %v", ok, err)
	}
	if ok, err := s.LockToken(ctx, now.Add(10*time.Second), now.Add(time.Minute)); err != nil || !ok {
		t.Errorf("lock after the end of the first: %v, %v", ok, err)
	}
	if err := s.SaveToken(ctx, "value", now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	value, expires, err := s.Token(ctx)
	if err != nil || value != "value" || !expires.Equal(now.Add(time.Hour)) {
		t.Errorf("token %q until %v, %v", value, expires, err)
	}
	if ok, err := s.LockToken(ctx, now.Add(11*time.Second), now.Add(time.Minute)); err != nil || !ok {
		t.Errorf("the save kept the lock: %v, %v", ok, err)
	}
}

// buriesNewest: nothing else will ever come for this job: SQS has given up on the
// last message that carried it.
func buriesNewest(t *testing.T, s Store) {
	held := running(t, s, limited("u-"+id(t), 5))
	bury(t, s, held.Message(), later(), deadletter.Recorded)
	got := row(t, s, held.ID)
	if got.State != job.Dead || got.Code != job.NoWorkerReport || got.DeadTicket != 1 || meter(t, s, &held).Taken != 0 {
		t.Errorf("row %+v, meter %+v", got, meter(t, s, &held))
	}
	bury(t, s, held.Message(), later(), deadletter.Recorded)
}

// sparesRunning: its message reached the dead letters while a slow worker still works,
// and may yet succeed.
func sparesRunning(t *testing.T, s Store) {
	held := running(t, s, nil)
	bury(t, s, held.Message(), start().Add(time.Second), deadletter.Pending)
	if got := row(t, s, held.ID); got.State != job.Running {
		t.Errorf("row %+v", got)
	}
}

// keepsOlder: it may be the only copy left, if the newer message was never sent.
func keepsOlder(t *testing.T, s Store) {
	held := running(t, s, nil)
	next := job.Released(held, job.ProviderRateLimit, "429", time.Minute, Timing(), start())
	conclude(t, s, &held, next, worker.Written)
	bury(t, s, held.Message(), later(), deadletter.Pending)
}

// surplusOfFinished: a late copy; the console should not offer to run it again.
func surplusOfFinished(t *testing.T, s Store) {
	held := running(t, s, nil)
	settle(t, s, &held, start(), worker.Written)
	bury(t, s, held.Message(), later(), deadletter.Surplus)
}

// surplusOfDead: the dead letters hold one message for each dead job, and it is the
// one whose redrive the row would recognise.
func surplusOfDead(t *testing.T, s Store) {
	held := running(t, s, nil)
	sent, ok, err := s.Retake(context.Background(), &held, time.Time{}, Timing(), later())
	if err != nil || !ok {
		t.Fatalf("retake %v, %v", ok, err)
	}
	bury(t, s, sent.Message(), later(), deadletter.Recorded)
	bury(t, s, held.Message(), later(), deadletter.Surplus)
}

// orphanLetter: it is recorded as poison then, so that a person can see what it was.
func orphanLetter(t *testing.T, s Store) {
	bury(t, s, job.Message{Version: 1, Job: id(t), Ticket: 1}, later(), deadletter.Orphan)
}

// recordsPoison: every sweep meets the same letter again.
func recordsPoison(t *testing.T, s Store) {
	l := deadletter.Letter{MessageID: "m", Body: "not ours " + id(t), Sent: start(), Receives: 9}
	for range 2 {
		if err := s.RecordPoison(context.Background(), l, "why", start()); err != nil {
			t.Fatal(err)
		}
	}
}

// dueAtLook: before, its message is probably just on its way.
func dueAtLook(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	if _, early := hint(t, s, j.ID, j.Look.Add(-time.Millisecond)); early {
		t.Error("due before its look")
	}
	if h, ok := hint(t, s, j.ID, j.Look); !ok || !h.Look.Equal(j.Look) {
		t.Errorf("hint %+v, %v", h, ok)
	}
}

// parks: no message can wait for days, so the table does.
func parks(t *testing.T, s Store) {
	due := start().Add(48 * time.Hour)
	j := accepted(t, s, func(j *job.Job) { j.Due = due })
	if j.State != job.Scheduled || !j.Look.Equal(due) || !j.Deadline.Equal(due.Add(24*time.Hour)) {
		t.Errorf("accepted %+v", j)
	}
	if _, early := hint(t, s, j.ID, due.Add(-time.Second)); early {
		t.Error("due before its time")
	}
	got, ok, err := s.Retake(context.Background(), &j, time.Time{}, Timing(), due)
	if err != nil || !ok || got.State != job.Queued {
		t.Fatalf("got %+v, %v, %v", got, ok, err)
	}
	claim(t, s, request(got.Message(), "x", due), job.Run)
}

// retakesNoRunning: the index row is a hint that may be minutes old.
func retakesNoRunning(t *testing.T, s Store) {
	j := accepted(t, s, nil)
	claim(t, s, request(j.Message(), "x", j.Look), job.Run)
	_, ok, err := s.Retake(context.Background(), &j, time.Time{}, Timing(), j.Look)
	if ok || err != nil {
		t.Errorf("taken %v, %v", ok, err)
	}
}

// leavesIndex: otherwise every sweep would read all jobs that ever were.
func leavesIndex(t *testing.T, s Store) {
	held := running(t, s, nil)
	settle(t, s, &held, start(), worker.Written)
	if _, ok := hint(t, s, held.ID, start().Add(48*time.Hour)); ok {
		t.Error("still in the index")
	}
}

// missingRows: the edge answers 404 for this code alone, and 500 for any other.
func missingRows(t *testing.T, s Store) {
	_, err := s.Job(context.Background(), id(t))
	_, err2 := s.Point(context.Background(), id(t))
	_, _, err3 := s.Subject(context.Background(), id(t), 1)
	for _, e := range []error{err, err2, err3} {
		if job.CodeOf(e) != job.NotFound {
			t.Errorf("got %v", e)
		}
	}
}

// subjectOfRevision: a job looks once for both, and an analysis of an older revision does
// not answer for the newer one.
func subjectOfRevision(t *testing.T, s Store) {
	p, j := newPoint(t), newJob(t, nil)
	j.Point = p.ID
	if _, _, _, err := s.AcceptPoint(context.Background(), &p, &j); err != nil {
		t.Fatal(err)
	}
	got, a, err := s.Subject(context.Background(), p.ID, 1)
	if err != nil || a != nil || !reflect.DeepEqual(got, p) {
		t.Fatalf("got %+v, %+v, %v", got, a, err)
	}
	held := claim(t, s, request(j.Message(), "x", start()), job.Run)
	settle(t, s, &held, start(), worker.Written)
	if _, a, err = s.Subject(context.Background(), p.ID, 1); err != nil || a == nil || a.Job != j.ID {
		t.Errorf("analysis %+v, %v", a, err)
	}
	if _, a, err = s.Subject(context.Background(), p.ID, 2); err != nil || a != nil {
		t.Errorf("revision 2: analysis %+v, %v", a, err)
	}
}
