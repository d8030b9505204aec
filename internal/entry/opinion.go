package entry

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"orbitq/internal/intake"
	"orbitq/internal/job"
	"orbitq/internal/point"
	"orbitq/internal/quality"
)

// reviewBody is the body of POST /v1/data-points/{id}/review.
type reviewBody struct {
	Status *string `json:"status"`
	Notes  string  `json:"notes"`
	Flag   *string `json:"flag"`
	Reason string  `json:"reason"`
}

// review stores what a person says about a reading.
func (w *writer) review(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b reviewBody
	raw, err := decode(r, &b)
	if err != nil {
		return response{}, err
	}
	o := intake.Opinion{Notes: b.Notes, Reason: b.Reason}
	if b.Status != nil {
		// An empty text is no absence: a form that forgot its choice would approve nothing and
		// answer with success.
		if o.Status = point.Status(*b.Status); o.Status == "" {
			return response{}, job.Invalid(job.Violation{Field: "status", Rule: "enum", Detail: "must be pending, approved or rejected"})
		}
	}
	if b.Flag != nil {
		if o.Flag = *b.Flag; o.Flag == "" {
			return response{}, job.Invalid(job.Violation{Field: "flag", Rule: "enum", Detail: "must not be empty"})
		}
	}
	reviewed, err := w.in.Review(ctx, keyed(r, p, raw), r.PathParameters["id"], o)
	if err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewPoint(&reviewed))
}

// zonesBody is the body of PUT /v1/campaigns/{id}/zones.
type zonesBody struct {
	Zones []json.RawMessage `json:"zones"`
}

// zoneBody is one zone. Corners are read as lists of what may be missing: into a pair, the
// decoder would take one number, three, and null, and store another place.
type zoneBody struct {
	Name string       `json:"name"`
	Ring [][]*float64 `json:"ring"`
}

// zoneOf reads a zone of a body.
func zoneOf(place string, raw json.RawMessage) (quality.Zone, error) {
	var b zoneBody
	if err := nested(place, raw, &b); err != nil {
		return quality.Zone{}, err
	}
	z := quality.Zone{Name: b.Name, Ring: make([][2]float64, 0, len(b.Ring))}
	for i, corner := range b.Ring {
		if len(corner) != 2 || corner[0] == nil || corner[1] == nil {
			return z, job.Invalid(job.Violation{Field: place + ".ring[" + strconv.Itoa(i) + "]", Rule: "type", Detail: "must be a longitude and a latitude"})
		}
		z.Ring = append(z.Ring, [2]float64{*corner[0], *corner[1]})
	}
	return z, nil
}

// setZones replaces the zones of a campaign.
func (w *writer) setZones(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b zonesBody
	raw, err := decode(r, &b)
	if err != nil {
		return response{}, err
	}
	if b.Zones == nil {
		return response{}, job.Invalid(job.Violation{Field: "zones", Rule: "required", Detail: "must be given; an empty list removes all"})
	}
	zones := make([]quality.Zone, len(b.Zones))
	for i := range b.Zones {
		if zones[i], err = zoneOf("zones["+strconv.Itoa(i)+"]", b.Zones[i]); err != nil {
			return response{}, err
		}
	}
	if err := w.in.SetZones(ctx, keyed(r, p, raw), r.PathParameters["id"], zones); err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, map[string]any{"id": r.PathParameters["id"], "zones": zones})
}

// preferencesBody is the body of PUT /v1/notifications/preferences.
type preferencesBody struct {
	Muted      []string `json:"muted"`
	WebhookURL *string  `json:"webhook_url" null:"absent"`
	Topic      bool     `json:"topic"`
}

// setPreferences replaces which messages the caller wants.
func (w *writer) setPreferences(ctx context.Context, r *request, p intake.Principal) (response, error) {
	var b preferencesBody
	raw, err := decode(r, &b)
	if err != nil {
		return response{}, err
	}
	wanted := job.Preferences{Muted: b.Muted, Topic: b.Topic}
	if b.WebhookURL != nil {
		if wanted.URL = *b.WebhookURL; wanted.URL == "" {
			return response{}, notEmpty("webhook_url", wanted.URL)
		}
	}
	if err := w.in.SetPreferences(ctx, keyed(r, p, raw), wanted); err != nil {
		return response{}, err //nolint:wrapcheck // the edge maps the code
	}
	return encode(http.StatusOK, viewPreferences(wanted))
}
