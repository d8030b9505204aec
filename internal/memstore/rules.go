package memstore

import (
	"time"

	"orbitq/internal/job"
)

// Rules are the guards that the table leans on, one function each. They can be
// replaced so that a simulation may prove that it would notice a table without
// one of them: a test that cannot fail proves nothing.
type Rules struct {
	Judge      func(*job.Job, *job.ClaimRequest) job.Verdict
	JudgeQuota func(job.Meter, int) job.QuotaVerdict
	Entitled   func(j job.Job, known job.Plan) job.Job               // under which plan is a job claimed?
	NotePlan   func(known, p job.Plan) (inForce job.Plan, note bool) // which of two plans is in force?
	HeldBy     func(row, held *job.Job) bool
	MayResend  func(*job.Job, time.Time) bool
	MayBury    func(*job.Job, job.Message, time.Time) bool
	GivesBack  func(old, next *job.Job) bool // does the write end a reservation unbilled?
	Duplicate  func(exists bool) bool        // is a stored analysis in the way of another?
	Held       func(exists bool) bool        // is a held unique key in the way of another job?
	Frees      func(final *job.Job) bool     // does a final job give its unique key up?
	Remembers  func(known bool) bool         // does the first answer to a request decide about the next?
}

// Protocol returns the rules as they should be.
func Protocol() Rules {
	return Rules{
		Judge: job.Judge, JudgeQuota: job.JudgeQuota, Entitled: job.Entitled, NotePlan: job.NotePlan, HeldBy: job.HeldBy, MayResend: job.MayResend, MayBury: job.MayBury,
		GivesBack: func(old, next *job.Job) bool { return old.UsageKey != "" && next.UsageKey == "" },
		Duplicate: func(exists bool) bool { return exists },
		Held:      func(exists bool) bool { return exists },
		Frees:     func(*job.Job) bool { return true },
		Remembers: func(known bool) bool { return known },
	}
}
