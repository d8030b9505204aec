package cdse

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"orbitq/internal/local/evalscript"
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
	interval, area := s.locate(req, r.fault)
	run, err := program.Start(ctx, s.cfg.ScriptTimeout)
	if err != nil {
		return reply{}, scriptFault(err)
	}
	defer run.Close()
	if err := s.checkSetup(run.Setup()); err != nil {
		return reply{}, err
	}
	// Even without an acquisition the setup has been checked, so a wrong script fails on every day.
	acquisitions, answer := 0, statAnswer{Status: statusOK, Data: []statInterval{}}
	if area.hit() {
		acquisitions = 1
		if answer, err = s.aggregate(interval, area, run, r.fault); err != nil {
			return reply{}, err
		}
	}
	units := processingUnits(req.width, req.height, run.Setup(), acquisitions)
	spoil(&answer, req, r.fault)
	return reply{body: answer, units: units, header: http.Header{costHeader: {formatUnits(units)}}}, nil
}

// scriptFault is the service's answer to a bad script.
func scriptFault(err error) error {
	if fault, ok := errors.AsType[*evalscript.Error](err); ok {
		return newError(http.StatusBadRequest, codeRenderer, "Failed to evaluate script!\n"+fault.Message)
	}
	if errors.Is(err, evalscript.ErrTimeout) {
		return newError(http.StatusBadRequest, codeRenderer, "Failed to evaluate script!\nScript ran out of time.")
	}
	return err
}

// checkSetup refuses scripts that need what the scene does not hold, or that do not say which pixels count.
func (s *Server) checkSetup(setup evalscript.Setup) error {
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
func maskFits(setup evalscript.Setup) bool {
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

// locate finds the interval of the acquisition and the pixels it shows; an area that is not hit has none.
func (s *Server) locate(req statRequest, f Fault) (span, coverage) {
	// Cheap reasons first; laying out the raster is the expensive part.
	interval, ok := intervalAt(req.whole, req.every, req.last, s.scene.Sensed())
	if !ok || req.maxCloud < s.scene.CloudCover() || f.Kind == FaultEmpty {
		return span{}, coverage{}
	}
	return interval, cover(s.scene, req.crs, req.box, req.width, req.height)
}

// aggregate computes the interval.
func (s *Server) aggregate(interval span, area coverage, run *evalscript.Run, f Fault) (statAnswer, error) {
	// A time-out belongs to the interval, because another day may be quick; a fault belongs to the script.
	outputs, err := s.compute(area, run, f.Kind == FaultNaN)
	if errors.Is(err, evalscript.ErrTimeout) {
		return failed(interval, errTimedOut), nil
	}
	if err != nil {
		return statAnswer{}, scriptFault(err)
	}
	return statAnswer{statusOK, []statInterval{{Interval: interval, Outputs: outputs}}}, nil
}

// failed is an answer whose only interval failed.
func failed(interval span, kind string) statAnswer {
	return statAnswer{statusFailed, []statInterval{{Interval: interval, Error: &intervalError{kind}}}}
}

// spoil applies the faults that show in an answer with data.
func spoil(answer *statAnswer, req statRequest, f Fault) {
	if len(answer.Data) == 0 {
		return
	}
	// An answer with data has exactly one interval.
	first := answer.Data[0].Interval
	switch f.Kind {
	case FaultFailed:
		*answer = failed(first, errExecution)
	case FaultPartial: // the good interval stays, its neighbour fails
		bad := statInterval{Interval: span{first.To, req.every.after(first.To, 1)}, Error: &intervalError{errExecution}}
		if bad.Interval.To.After(req.whole.To) {
			bad.Interval = span{req.every.after(first.From, -1), first.From}
		}
		answer.Status = statusPartial
		answer.Data = append(answer.Data, bad)
		slices.SortFunc(answer.Data, func(a, b statInterval) int { return a.Interval.From.Compare(b.Interval.From) })
	default:
	}
}
