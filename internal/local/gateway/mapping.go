package gateway

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Mapping is an event source mapping as the control API shows it.
type Mapping struct {
	UUID, ARN, FunctionARN, QueueARN       string
	BatchSize, BatchWindow, MaxConcurrency int
	PartialResponses                       bool
	Pollers                                Pollers
}

// Pollers is what a control call looks at and turns on and off. Switch does not wait: it says what happens next, and
// fails while an earlier order is still being carried out.
type Pollers interface {
	State() string
	Changed() time.Time
	Switch(on bool) (state string, err error)
}

// mappingOf finds a mapping by its UUID.
func (g *Gateway) mappingOf(uuid string) (Mapping, bool) {
	i := slices.IndexFunc(g.Mappings, func(m Mapping) bool { return m.UUID == uuid })
	if i < 0 {
		return Mapping{}, false
	}
	return g.Mappings[i], true
}

// mappingBody is a mapping as Lambda writes it. Its time is in seconds, with a fraction.
type mappingBody struct {
	UUID         string   `json:"UUID"`
	ARN          string   `json:"EventSourceMappingArn"`
	QueueARN     string   `json:"EventSourceArn"`
	FunctionARN  string   `json:"FunctionArn"`
	BatchSize    int      `json:"BatchSize"`
	BatchWindow  int      `json:"MaximumBatchingWindowInSeconds"`
	Responses    []string `json:"FunctionResponseTypes"`
	Scaling      scaling  `json:"ScalingConfig"`
	LastModified float64  `json:"LastModified"`
	State        string   `json:"State"`
	Reason       string   `json:"StateTransitionReason"`
}

// scaling is the part of a mapping that limits its invocations at once.
type scaling struct {
	MaximumConcurrency int `json:"MaximumConcurrency"`
}

// body describes a mapping that is in a state.
func (m *Mapping) body(state string) mappingBody {
	b := mappingBody{
		UUID: m.UUID, ARN: m.ARN, QueueARN: m.QueueARN, FunctionARN: m.FunctionARN, BatchSize: m.BatchSize,
		BatchWindow: m.BatchWindow, Responses: []string{}, Scaling: scaling{m.MaxConcurrency},
		LastModified: float64(m.Pollers.Changed().UnixMilli()) / 1000, State: state, Reason: "USER_INITIATED",
	}
	if m.PartialResponses {
		b.Responses = append(b.Responses, "ReportBatchItemFailures")
	}
	return b
}

// noMapping is Lambda's answer for a UUID that it does not know.
func noMapping(w http.ResponseWriter) {
	failure(w, http.StatusNotFound, "ResourceNotFoundException", "The resource you requested does not exist.")
}

// getMapping answers GetEventSourceMapping.
func (g *Gateway) getMapping(w http.ResponseWriter, c *call) {
	m, ok := g.mappingOf(c.mapping)
	if !ok {
		noMapping(w)
		return
	}
	reply(w, http.StatusOK, m.body(m.Pollers.State()))
}

// updateMapping answers UpdateEventSourceMapping, of which only the switch is here: a change of anything else would be
// undone by the next deployment, and is refused so that nobody counts on it.
func (g *Gateway) updateMapping(w http.ResponseWriter, c *call) {
	m, ok := g.mappingOf(c.mapping)
	if !ok {
		noMapping(w)
		return
	}
	var asked map[string]json.RawMessage
	var on bool
	if json.Unmarshal(c.body, &asked) != nil || asked["Enabled"] == nil || json.Unmarshal(asked["Enabled"], &on) != nil {
		failure(w, http.StatusBadRequest, "InvalidParameterValueException", "the local stack wants a JSON object with Enabled")
		return
	}
	for name := range asked {
		if name != "Enabled" && name != "FunctionName" {
			failure(w, http.StatusBadRequest, "InvalidParameterValueException", name+" cannot be changed in the local stack")
			return
		}
	}
	state, err := m.Pollers.Switch(on)
	if err != nil {
		failure(w, http.StatusBadRequest, "ResourceInUseException", err.Error())
		return
	}
	reply(w, http.StatusAccepted, m.body(state))
}

// listMappings answers ListEventSourceMappings, all on one page.
func (g *Gateway) listMappings(w http.ResponseWriter, r *http.Request) {
	queue, function := r.URL.Query().Get("EventSourceArn"), r.URL.Query().Get("FunctionName")
	found := []mappingBody{}
	for i := range g.Mappings {
		m := &g.Mappings[i]
		if queue != "" && queue != m.QueueARN || function != "" && functionName(function) != functionName(m.FunctionARN) {
			continue
		}
		found = append(found, m.body(m.Pollers.State()))
	}
	reply(w, http.StatusOK, map[string]any{"EventSourceMappings": found})
}
