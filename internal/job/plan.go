package job

import "time"

// Plan is what an owner may use, as a token says it.
type Plan struct {
	Tier   string
	Limit  int       // billable jobs per cycle, Unlimited for none
	Anchor time.Time // day from which cycles count, zero for the calendar month
	// Issued: of the token; zero for one that does not say, which is older than any that does.
	Issued time.Time
}

// planRefresh is how much newer a token must be that says what is known already, before its time
// of issue is noted: an owner's many requests with one token are one write, and a program that
// fetches a token for each request makes no write of each.
const planRefresh = 5 * time.Minute

// same reports whether both allow the same.
func (p Plan) same(q Plan) bool {
	return p.Tier == q.Tier && p.Limit == q.Limit && p.Anchor.Equal(q.Anchor)
}

// Newer reports whether p overrides q. Tokens of an owner may differ for as long as the older one
// is valid, and an owner who has both must not be able to choose: the later issue wins. Of two that were
// issued at the same moment the smaller limit does.
func (p Plan) Newer(q Plan) bool {
	if !p.Issued.Equal(q.Issued) {
		return p.Issued.After(q.Issued)
	}
	return p.Limit != Unlimited && (q.Limit == Unlimited || p.Limit < q.Limit)
}

// NotePlan returns which plan is in force for an owner whose token says p, and whether that must
// be written down. Known is what was noted last; the zero Plan means nothing was. A token without
// a time of issue is never noted, because there is no telling whether it is the newest: it decides
// for its own request alone, and only while nothing is known.
func NotePlan(known, p Plan) (inForce Plan, note bool) {
	switch {
	case p.Issued.IsZero() && known.Issued.IsZero():
		return p, false
	case !known.Issued.IsZero() && !p.Newer(known):
		return known, false
	default:
		return p, !p.same(known) || p.Issued.Sub(known.Issued) >= planRefresh
	}
}

// Entitled returns a job that is about to be claimed, under the newest plan of its owner: the one
// that it was accepted under, or the known one. What holds a unit keeps it, with the plan that it
// was taken under; and what has begun an attempt is tried again under the plan of that attempt.
func Entitled(j Job, known Plan) Job {
	own := j.plan()
	if !j.NeedsPlan() || known.Issued.IsZero() || known.same(own) || !known.Newer(own) {
		return j
	}
	return under(j, known)
}

// NeedsPlan reports whether Entitled may regard the owner's plan: if not, it need not be read.
func (j *Job) NeedsPlan() bool {
	return !j.Free && j.UsageKey == "" && (j.State == Scheduled || j.State == Queued || j.State == Waiting)
}

// NeedsUnit reports whether a claim of the job has to take a unit of its owner.
func (j *Job) NeedsUnit() bool { return j.Limit != Unlimited && j.UsageKey == "" }

// plan returns the plan in a job's row.
func (j *Job) plan() Plan {
	return Plan{Tier: j.Tier, Limit: j.Limit, Anchor: j.Anchor, Issued: j.Issued}
}

// under returns a job under another plan.
func under(j Job, p Plan) Job {
	j.Tier, j.Limit, j.Anchor, j.Issued = p.Tier, p.Limit, p.Anchor, p.Issued
	return j
}

// Entitled returns the account of a chain or batch that a request acts on, under the plan of who
// asks, unless its own is newer. An account without a tier says nothing: no token stands behind it.
func (a Account) Entitled(by Account) Account {
	if by.Tier == "" || a.Issued.After(by.Issued) {
		return a
	}
	a.Tier, a.Anchor, a.Limit, a.Issued = by.Tier, by.Anchor, by.Limit, by.Issued
	return a
}
