package flow

import (
	"strconv"

	"orbitq/internal/job"
)

// BatchWish is what a request wants done with many data points.
type BatchWish struct {
	Name          string
	Points        []string // ids; or
	Filter        *Filter  // a choice of the owner's points
	Steps         []string // kinds in their order; none for enrich alone
	Queue         string   // empty for default
	Tags          []string
	AllowFailures bool
	Calls         map[string]job.Callback // by name: then, catch, finally
}

// check fills in what a wish leaves out, and returns everything that is wrong with it.
func (f *Flow) check(w *BatchWish, key string) error {
	if len(w.Steps) == 0 {
		w.Steps = []string{"enrich"}
	}
	if w.Queue == "" {
		w.Queue = "default"
	}
	broken := append(job.CheckKey(key), job.CheckQueue(w.Queue)...)
	broken = append(append(broken, f.checkSteps(w.Steps)...), job.CheckTags(w.Tags)...)
	if n := len([]rune(w.Name)); n < 1 || n > maxName {
		broken = append(broken, job.Violation{Field: "name", Rule: "length", Detail: "must have 1 to 200 characters"})
	}
	broken = append(broken, job.CheckName("name", w.Name)...)
	switch {
	case w.Filter != nil && w.Points != nil:
		broken = append(broken, job.Violation{Field: "filter", Rule: "exclusive", Detail: "cannot be given together with data_point_ids"})
	case w.Filter == nil:
		broken = append(broken, checkIDs(w.Points, MaxItems)...)
	case w.Filter.Campaign == "":
		broken = append(broken, job.Violation{Field: "filter.campaign_id", Rule: "required", Detail: "must be given"})
	default:
		broken = append(broken, w.Filter.check()...)
	}
	for _, name := range []string{job.CallThen, job.CallCatch, job.CallFinally} {
		if c, ok := w.Calls[name]; ok {
			broken = append(broken, f.checkCall(name, c)...)
		}
	}
	if len(broken) > 0 {
		// Five thousand bad ids would be an answer of half a megabyte.
		return job.Invalid(broken[:min(len(broken), maxViolations)]...)
	}
	return nil
}

// checkIDs returns what is wrong with a list of data points.
func checkIDs(ids []string, most int) []job.Violation {
	if len(ids) < 1 || len(ids) > most {
		return []job.Violation{{Field: "data_point_ids", Rule: "count", Detail: "must be 1 to " + strconv.Itoa(most) + " ids"}}
	}
	var broken []job.Violation
	seen := make(map[string]bool, len(ids))
	for i, id := range ids {
		field := "data_point_ids[" + strconv.Itoa(i) + "]"
		switch {
		case !job.ValidID(id):
			broken = append(broken, job.Violation{Field: field, Rule: "id", Detail: "must be an id of 26 characters"})
		case seen[id]:
			broken = append(broken, job.Violation{Field: field, Rule: "unique", Detail: "is in the list twice"})
		}
		seen[id] = true
	}
	return broken
}

// checkCall returns what is wrong with a callback: it is exactly one of three things.
func (f *Flow) checkCall(name string, c job.Callback) []job.Violation {
	kinds := 0
	for _, is := range []bool{c.URL != "", c.Notify, c.Kind != "" || c.Point != ""} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return []job.Violation{{Field: name, Rule: "one_of", Detail: "must be one of webhook, notify: true, and job"}}
	case c.URL != "":
		return f.CheckURL(name+".webhook", c.URL)
	case c.Notify:
		return nil
	case !job.ValidID(c.Point):
		return []job.Violation{{Field: name + ".job.data_point_id", Rule: "id", Detail: "must be an id of 26 characters"}}
	}
	if _, known := f.Policies[c.Kind]; !known {
		return []job.Violation{{Field: name + ".job.kind", Rule: "known", Detail: "is no registered kind"}}
	}
	return nil
}
