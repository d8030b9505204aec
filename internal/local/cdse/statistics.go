package cdse

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

// statAnswer is the body of a statistical answer.
type statAnswer struct {
	Status string `json:"status"`
	// Data is never null: an empty list is the answer when there was no acquisition.
	Data []statInterval `json:"data"`
}

// statInterval is one interval with either outputs or an error.
type statInterval struct {
	Interval span                  `json:"interval"`
	Outputs  map[string]statOutput `json:"outputs,omitempty"`
	Error    *intervalError        `json:"error,omitempty"`
}

// statOutput holds the bands of an output by name.
type statOutput struct {
	Bands map[string]statBand `json:"bands"`
}

// statBand wraps the statistics, because the service can add histograms beside them.
type statBand struct {
	Stats bandStats `json:"stats"`
}

// intervalError names why an interval has no outputs.
type intervalError struct {
	Type string `json:"type"`
}

// The overall states and the interval errors of the service.
// PARTIAL means that some intervals failed, FAILED that all did; both come with HTTP status 200. The service also
// knows BAD_REQUEST for an interval, which nothing here can cause.
const (
	statusOK      = "OK"
	statusPartial = "PARTIAL"
	statusFailed  = "FAILED"
	errExecution  = "EXECUTION_ERROR"
	errTimedOut   = "TIMEOUT"
)

// statistics answers a statistical request. Setup faults are 400; a script that takes too long fails its interval.
func (s *Server) statistics(ctx context.Context, r request) (reply, error) {
	req, err := decodeStat(r.body)
	if err != nil {
		return reply{}, err
	}
	program, err := s.programs.Get(req.script)
	if err != nil {
		return reply{}, scriptFault(err)
	}
	// The area first: the script's time limit is for the script alone.
	shots := s.locate(req, r.fault)
	run, err := program.Start(ctx, s.cfg.ScriptTimeout)
	if err != nil {
		return reply{}, scriptFault(err)
	}
	defer run.Close()
	if err := s.checkSetup(run.setup); err != nil {
		return reply{}, err
	}
	// Even without an acquisition the setup has been checked, so a wrong script fails on every day.
	answer := statAnswer{Status: statusOK, Data: []statInterval{}}
	for _, one := range shots {
		interval, err := s.aggregate(one, run, r.fault)
		if err != nil {
			return reply{}, err
		}
		answer.Data = append(answer.Data, interval)
	}
	units := processingUnits(req.width, req.height, run.setup, len(shots))
	spoil(&answer, req, r.fault)
	answer.Status = overall(answer.Data)
	return reply{body: answer, units: units, header: http.Header{costHeader: {formatUnits(units)}}}, nil
}

// scriptFault is the service's answer to a bad script.
func scriptFault(err error) error {
	if fault, ok := errors.AsType[*scriptError](err); ok {
		return newError(http.StatusBadRequest, codeRenderer, "Failed to evaluate script!\n"+fault.Message)
	}
	if errors.Is(err, errScriptTimeout) {
		return newError(http.StatusBadRequest, codeRenderer, "Failed to evaluate script!\nScript ran out of time.")
	}
	return err
}

// checkSetup refuses scripts that need what the scene does not hold, or that do not say which pixels count.
func (s *Server) checkSetup(setup scriptSetup) error {
	// Wrong bands and masks are the request's fault in the service's eyes, not the renderer's.
	var v violations
	for _, in := range setup.Inputs {
		if in.Band != maskBand && !s.scene.HasBand(in.Band) {
			v.addf("aggregation->evalscript", "Band %q is not available here.", in.Band)
		}
		// Classes and masks are plain numbers; asking for their reflectance is a mistake worth an error.
		reflective := in.Band != maskBand && in.Band != classBand
		if in.Units != "" && in.Units != unitsDN && (in.Units != unitsReflectance || !reflective) {
			v.addf("aggregation->evalscript", "Band %q has no units %q.", in.Band, in.Units)
		}
	}
	if setup.Mask() < 0 {
		v.addf("aggregation->evalscript", "Output `dataMask` is required.")
	} else if !maskFits(setup) {
		v.addf("aggregation->evalscript", "Output `dataMask` needs one band, or one band named after each output.")
	}
	return v.err()
}

// maskFits tells whether the mask has one band for all outputs or a band named after each of them.
func maskFits(setup scriptSetup) bool {
	bands := setup.Outputs[setup.Mask()].Bands
	// A script whose only output is the mask would have nothing to report.
	if len(bands) == 1 {
		return len(setup.Outputs) > 1
	}
	for _, out := range setup.Outputs {
		if out.ID != maskBand && !slices.Contains(bands, out.ID) {
			return false
		}
	}
	return len(bands) == len(setup.Outputs)-1
}

// shot is an interval with the acquisition that it shows.
type shot struct {
	interval span
	ground   ground
	area     coverage
	cloud    float64 // of the acquisition
}

// locate finds the intervals that have an acquisition, in order, and the pixels that each shows. Of several
// acquisitions in one interval the one with the least cloud is shown, as by the order leastCC.
func (s *Server) locate(req statRequest, f Fault) []shot {
	var shots []shot
	if f.Kind == FaultEmpty {
		return nil
	}
	for _, a := range s.published() {
		// Cheap reasons first; laying out the raster is the expensive part.
		interval, ok := intervalAt(req.whole, req.every, req.last, a.sensed)
		if !ok || req.maxCloud < a.cloud {
			continue
		}
		from, area := s.cover(&a, req)
		last := len(shots) - 1
		switch one := (shot{interval, from, area, a.cloud}); {
		case !area.hit():
		case last >= 0 && shots[last].interval == interval:
			if a.cloud < shots[last].cloud {
				shots[last] = one
			}
		default:
			shots = append(shots, one)
		}
	}
	return shots
}

// aggregate computes an interval.
func (s *Server) aggregate(one shot, run *scriptRun, f Fault) (statInterval, error) {
	// A time-out belongs to the interval, because another day may be quick; a fault belongs to the script.
	outputs, err := s.compute(one, run, f.Kind == FaultNaN)
	if errors.Is(err, errScriptTimeout) {
		return failed(one.interval, errTimedOut), nil
	}
	if err != nil {
		return statInterval{}, scriptFault(err)
	}
	return statInterval{Interval: one.interval, Outputs: outputs}, nil
}

// failed is an interval that could not be computed.
func failed(interval span, kind string) statInterval {
	return statInterval{Interval: interval, Error: &intervalError{kind}}
}

// overall is the state of an answer: how many of its intervals failed.
func overall(data []statInterval) string {
	bad := 0
	for _, d := range data {
		if d.Error != nil {
			bad++
		}
	}
	switch {
	case bad == 0:
		return statusOK
	case bad < len(data):
		return statusPartial
	}
	return statusFailed
}

// spoil applies the faults that show in an answer with data.
func spoil(answer *statAnswer, req statRequest, f Fault) {
	if len(answer.Data) == 0 {
		return
	}
	switch f.Kind {
	case FaultFailed:
		for i, d := range answer.Data {
			answer.Data[i] = failed(d.Interval, errExecution)
		}
	case FaultPartial: // the good intervals stay, a neighbour fails
		first, last := answer.Data[0].Interval, answer.Data[len(answer.Data)-1].Interval
		bad := span{last.To, req.every.after(last.To, 1)}
		if bad.To.After(req.whole.To) {
			bad = span{req.every.after(first.From, -1), first.From}
		}
		answer.Data = append(answer.Data, failed(bad, errExecution))
		slices.SortFunc(answer.Data, func(a, b statInterval) int { return a.Interval.From.Compare(b.Interval.From) })
	default:
	}
}
