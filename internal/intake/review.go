package intake

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
)

// Limits of what a person says.
const (
	// MaxZones is the most zones of a campaign.
	MaxZones = 50
	// maxCorners bounds the row of a campaign, which a table limits to 400 KB.
	maxCorners           = 5000
	minReason, maxSaying = 5, 500
)

// Reviews keeps what people say: about readings, campaigns, and themselves.
type Reviews interface {
	// Review stores a point's review, and a flag if one is given.
	Review(ctx context.Context, p *point.Point, f *quality.Flag) error
	// Raise stores a flag on a point, whose review it leaves as it is by then.
	Raise(ctx context.Context, p *point.Point, f *quality.Flag) error
	// SaveZones replaces the zones of an owner's campaign.
	SaveZones(ctx context.Context, owner, campaign string, zones []quality.Zone) error
	// SavePreferences replaces an owner's preferences.
	SavePreferences(ctx context.Context, owner string, p job.Preferences) error
}

// Opinion is what a person says about a reading.
type Opinion struct {
	Status point.Status // empty leaves it
	Notes  string
	Flag   string // type of a flag to raise, empty for none
	Reason string // of the flag
}

// Review stores what a person says about a reading. Flags never change the status, and no
// analysis ever removes one.
func (in *Intake) Review(ctx context.Context, r Request, id string, o Opinion) (point.Point, error) {
	var broken []job.Violation
	if o.Status == "" && o.Flag == "" {
		broken = append(broken, job.Violation{Field: "status", Rule: "required", Detail: "must be given, unless there is a flag"})
	}
	if o.Status != "" {
		broken = append(broken, point.CheckReview(o.Status, o.Notes)...)
	}
	if o.Flag != "" {
		broken = append(broken, checkFlag(o.Flag, o.Reason)...)
	}
	// Words that belong to nothing would be lost, and whoever wrote them believe them kept.
	if o.Status == "" && o.Flag != "" && o.Notes != "" {
		broken = append(broken, job.Violation{Field: "notes", Rule: "requires", Detail: "must come with a status"})
	}
	if o.Flag == "" && o.Status != "" && o.Reason != "" {
		broken = append(broken, job.Violation{Field: "reason", Rule: "requires", Detail: "must come with a flag"})
	}
	if len(broken) > 0 {
		return point.Point{}, job.Invalid(broken...)
	}
	if !job.ValidID(id) {
		return point.Point{}, job.Errorf(job.NotFound, "no data point %s", id)
	}
	p, err := in.Store.Point(ctx, id)
	if err != nil {
		return p, fmt.Errorf("read point: %w", err)
	}
	if p.Owner != r.Principal.Owner {
		return point.Point{}, job.Errorf(job.NotFound, "no data point %s", id)
	}
	err = in.say(ctx, &p, &o)
	return p, err
}

// say stores an opinion, and sets the review of the reading if there is one. A flag alone must
// not write the status that was read: somebody else may have decided in the meantime.
func (in *Intake) say(ctx context.Context, p *point.Point, o *Opinion) error {
	var f *quality.Flag
	if o.Flag != "" {
		f = &quality.Flag{Type: o.Flag, Reason: o.Reason, Severity: quality.Warning, At: in.Now()}
	}
	var err error
	if o.Status == "" {
		err = in.Reviews.Raise(ctx, p, f)
	} else {
		*p = p.Reviewed(o.Status, o.Notes, in.Now())
		err = in.Reviews.Review(ctx, p, f)
	}
	if err != nil {
		return fmt.Errorf("store review: %w", err)
	}
	return nil
}

// checkFlag returns what is wrong with a person's flag.
func checkFlag(kind, reason string) []job.Violation {
	var broken []job.Violation
	if !slices.Contains(quality.HumanFlagTypes(), kind) {
		broken = append(broken, job.Violation{Field: "flag", Rule: "enum", Detail: fmt.Sprintf("must be one of %v", quality.HumanFlagTypes())})
	}
	if n := utf8.RuneCountInString(reason); n < minReason || n > maxSaying {
		broken = append(broken, job.Violation{Field: "reason", Rule: "length", Detail: "must have 5 to 500 characters"})
	}
	broken = append(broken, job.CheckProse("reason", reason)...)
	return broken
}

// SetZones replaces the zones of a campaign.
func (in *Intake) SetZones(ctx context.Context, r Request, campaign string, zones []quality.Zone) error {
	broken := point.CheckCampaign(campaign)
	if len(zones) > MaxZones {
		broken = append(broken, job.Violation{Field: "zones", Rule: "max_items", Detail: "must be at most " + strconv.Itoa(MaxZones)})
	}
	corners := 0
	for i := range zones {
		corners += len(zones[i].Ring)
	}
	if corners > maxCorners {
		// Before the look at their shapes, which costs the square of them.
		return job.Invalid(append(broken, job.Violation{Field: "zones", Rule: "max_items", Detail: "must have at most " + strconv.Itoa(maxCorners) + " corners together"})...)
	}
	for i, z := range zones {
		for _, v := range quality.CheckZone(z) {
			v.Field = "zones[" + strconv.Itoa(i) + "]." + v.Field
			broken = append(broken, v)
		}
	}
	if len(broken) > 0 {
		return job.Invalid(broken[:min(len(broken), 20)]...)
	}
	if err := in.Reviews.SaveZones(ctx, r.Principal.Owner, campaign, zones); err != nil {
		return fmt.Errorf("store zones: %w", err)
	}
	return nil
}

// SetPreferences replaces which notices the principal wants, and where.
func (in *Intake) SetPreferences(ctx context.Context, r Request, p job.Preferences) error {
	var broken []job.Violation
	if len(p.Muted) > len(job.NoticeTypes()) {
		broken = append(broken, job.Violation{Field: "muted", Rule: "max_items", Detail: "has more types than there are"})
	}
	for i, kind := range p.Muted {
		if !slices.Contains(job.NoticeTypes(), kind) {
			broken = append(broken, job.Violation{Field: "muted[" + strconv.Itoa(i) + "]", Rule: "enum", Detail: fmt.Sprintf("must be one of %v", job.NoticeTypes())})
		}
	}
	if p.URL != "" {
		broken = append(broken, in.CheckURL("webhook_url", p.URL)...)
	}
	if len(broken) > 0 {
		return job.Invalid(broken[:min(len(broken), 20)]...)
	}
	if err := in.Reviews.SavePreferences(ctx, r.Principal.Owner, p); err != nil {
		return fmt.Errorf("store preferences: %w", err)
	}
	return nil
}
