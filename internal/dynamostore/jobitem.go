package dynamostore

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orbitq/internal/job"
	"orbitq/internal/relay"
)

// keepFinal is how long a final row stays: longer than any message may live, so
// that a late copy always meets its row.
const keepFinal = 30 * 24 * time.Hour

// encodeJob returns the row of a job. Names are short because they are paid for
// with every write: st state, tk ticket, vtk lowest valid ticket, att attempts,
// lt and lu lease token and end, uk usage key of the reservation, dl deadline,
// dtk and dsent ticket and SentTimestamp of the dead message, uq unique key, an
// anchor of the owner's cycles, pi issue of the token that named the plan, fr takes no unit, ex exceptions, sb start by, fp fingerprint.
func encodeJob(j *job.Job) item {
	w := writer(jobKey(j.ID))
	w.str("kd", j.Kind)
	w.str("own", jobsOf(j.Owner))
	w.str("os", j.Position())
	w.str("tier", j.Tier)
	if j.Limit != job.Unlimited {
		w["lim"] = num(j.Limit)
	}
	w.str("q", j.Queue)
	w.str("pt", j.Point)
	w.num("rev", j.Revision)
	w.str("bh", j.BodyHash)
	w.str("uq", j.Unique)
	w.str("fl", string(j.Flow))
	w.list("tags", j.Tags)
	w.time("an", j.Anchor)
	w.time("pi", j.Issued)
	w.flag("fr", j.Free)
	w["st"] = str(string(j.State))
	w["gen"] = num(j.Generation)
	w["tk"], w["vtk"] = num(j.Ticket), num(j.ValidTicket)
	w["att"], w["max"] = num(j.Attempts), num(j.MaxAttempts)
	w.num("ex", j.Exceptions)
	w.num("rs", j.Resends)
	w.num("ps", j.Passes)
	w.str("lt", j.Lease)
	w.time("lu", j.LeaseUntil)
	w.str("uk", j.UsageKey)
	w.time("cr", j.Created)
	w.time("due", j.Due)
	w.time("slot", j.Slot)
	w.time("dl", j.Deadline)
	w.time("sb", j.StartBy)
	w.time("sa", j.Started)
	w.time("fin", j.Finished)
	w.str("oc", string(j.Outcome))
	w.str("code", string(j.Code))
	w.str("why", j.Reason)
	w.str("fp", j.Print)
	w.num("dtk", j.DeadTicket)
	w.time("dsent", j.DeadSent)
	if len(j.History) > 0 {
		w["hist"] = encodeHistory(j.History)
	}
	w.index(j)
	return item(w)
}

// index sets what the open index, the line and the table's TTL look at. They are functions
// of the state, so no write can forget them.
func (w writer) index(j *job.Job) {
	if j.AwaitsSlot {
		w["wk"], w["wt"] = str(inLineKey(j.Queue, j.Owner)), num(ms(j.Created))
	}
	if group := j.State.Group(); group != job.AllJobs {
		w["gk"] = str(groupKey(group, j.Owner))
	}
	if j.State.Open() && j.Flow != "" {
		w.time("look", j.Look) // its chain or batch is looked at, not it
		return
	}
	if j.State.Open() {
		w["ok"] = str(shardKey(job.Shard(j.ID, relay.Shards)))
		w.time("look", j.Look)
		return
	}
	if j.State == job.Dead {
		// The same index lists an owner's failures: somebody has to act on them.
		w["ok"] = str(graveKey(j.Owner))
		w.time("look", j.Finished)
		return
	}
	keepFrom := j.Finished
	if j.State == job.Skipped && !j.Look.IsZero() {
		// Found again when its owner has new units.
		w["ok"], keepFrom = str(skippedKey), j.Look
		w.time("look", j.Look)
	}
	w["ttl"] = num(keepFrom.Add(keepFinal).Unix())
}

// encodeHistory writes the attempts into the job's own row: they are read with it
// and cost no write of their own.
func encodeHistory(all []job.Attempt) types.AttributeValue {
	list := make([]types.AttributeValue, 0, len(all))
	for _, a := range all {
		w := writer{}
		w.num("n", a.Number)
		w.time("s", a.Started)
		w.time("e", a.Ended)
		w.str("c", string(a.Code))
		w.str("v", a.Version)
		w.str("r", a.RequestID)
		list = append(list, &types.AttributeValueMemberM{Value: item(w)})
	}
	return &types.AttributeValueMemberL{Value: list}
}

// decodeJob reads a job's row.
func decodeJob(row item) job.Job {
	r := reader(row)
	j := job.Job{
		ID: nameIn(r.str("pk")), Kind: r.str("kd"), Owner: nameIn(r.str("own")), Tier: r.str("tier"),
		Limit: job.Unlimited, Queue: r.str("q"), Point: r.str("pt"), Revision: r.num("rev"), BodyHash: r.str("bh"),
		Unique: r.str("uq"), Flow: job.Flow(r.str("fl")), Tags: r.texts("tags"), Anchor: r.time("an"), Issued: r.time("pi"), Free: r.has("fr"),
		State: job.State(r.str("st")), Generation: r.num("gen"), Ticket: r.num("tk"), ValidTicket: r.num("vtk"),
		Attempts: r.num("att"), Exceptions: r.num("ex"), MaxAttempts: r.num("max"), Resends: r.num("rs"), Passes: r.num("ps"),
		Lease: r.str("lt"), LeaseUntil: r.time("lu"), UsageKey: r.str("uk"),
		Created: r.time("cr"), Due: r.time("due"), Slot: r.time("slot"), Deadline: r.time("dl"), StartBy: r.time("sb"), Look: r.time("look"),
		Started: r.time("sa"), Finished: r.time("fin"),
		Outcome: job.Outcome(r.str("oc")), Code: job.Code(r.str("code")), Reason: r.str("why"), Print: r.str("fp"),
		DeadTicket: r.num("dtk"), DeadSent: r.time("dsent"), AwaitsSlot: r.has("wk"),
	}
	if j.State == job.Dead {
		j.Look = time.Time{} // its place in the index is its time of death
	}
	if r.has("lim") {
		j.Limit = r.num("lim")
	}
	for _, v := range r.list("hist") {
		if m, ok := v.(*types.AttributeValueMemberM); ok {
			a := reader(m.Value)
			j.History = append(j.History, job.Attempt{
				Number: a.num("n"), Started: a.time("s"), Ended: a.time("e"),
				Code: job.Code(a.str("c")), Version: a.str("v"), RequestID: a.str("r"),
			})
		}
	}
	return j
}

// decodeMeter reads a usage row; a missing row is a meter at zero.
func decodeMeter(row item) job.Meter {
	r := reader(row)
	return job.Meter{Taken: r.num("taken"), Used: r.num("used")}
}
