package entry

import (
	"time"

	"orbitq/internal/job"
	"orbitq/internal/quality"
	"orbitq/internal/query"
)

// noticeView is a message in an inbox.
type noticeView struct {
	ID          string         `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Text        string         `json:"text"`
	DataPointID string         `json:"data_point_id,omitempty"`
	Revision    int            `json:"revision,omitempty"`
	BatchID     string         `json:"batch_id,omitempty"`
	JobID       string         `json:"job_id,omitempty"`
	Facts       map[string]any `json:"facts,omitempty"`
	CreatedAt   time.Time      `json:"created_at"`
}

// viewNotice shows a message.
func viewNotice(n *job.Notice) noticeView {
	return noticeView{
		ID: n.ID, Type: n.Type, Title: n.Title, Text: n.Text, DataPointID: n.Point, Revision: n.Revision, BatchID: n.Batch, JobID: n.Job,
		Facts: n.Facts, CreatedAt: n.At,
	}
}

// preferencesView is which messages an owner wants.
type preferencesView struct {
	Muted      []string `json:"muted"`
	WebhookURL *string  `json:"webhook_url"`
	Topic      bool     `json:"topic"`
}

// viewPreferences shows preferences; lists are never null.
func viewPreferences(p job.Preferences) preferencesView {
	return preferencesView{Muted: append([]string{}, p.Muted...), WebhookURL: text(p.URL), Topic: p.Topic}
}

// judgementView is everything that is said about a reading.
type judgementView struct {
	DataPointID    string                  `json:"data_point_id"`
	Revision       int                     `json:"revision"`
	RuleVersion    *string                 `json:"rule_version"`
	Score          *int                    `json:"score"`
	Recommendation *quality.Recommendation `json:"recommendation"`
	Outcome        job.Outcome             `json:"outcome,omitempty"`
	Flags          []quality.Flag          `json:"flags"` // of the rules, then of people
	JobID          string                  `json:"job_id,omitempty"`
	AnalysedAt     *time.Time              `json:"analysed_at,omitempty"`
}

// viewJudgement shows what rules and people say; what nobody has analysed yet has no score.
func viewJudgement(id string, j *query.Judgement) judgementView {
	v := judgementView{DataPointID: id, Revision: j.Revision, Flags: []quality.Flag{}}
	if r := j.Rules; r != nil {
		v.RuleVersion, v.Score, v.Recommendation = &r.RuleVersion, &r.Score, &r.Recommendation
		v.Outcome, v.JobID, v.AnalysedAt = r.Outcome, r.Job, when(r.At)
		v.Flags = append(v.Flags, r.Flags...)
	}
	v.Flags = append(v.Flags, j.People...)
	return v
}
