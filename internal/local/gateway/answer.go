package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// secret answers GetSecretValue.
func (g *Gateway) secret(w http.ResponseWriter, c *call) {
	found, ok := g.secretOf(c.json.SecretID)
	switch {
	case c.operation != "GetSecretValue":
		failure(w, http.StatusBadRequest, "InvalidRequestException", "only GetSecretValue is part of the local stack")
	case !ok:
		failure(w, http.StatusBadRequest, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	case c.json.VersionStage != "" && c.json.VersionStage != "AWSCURRENT": // no secret of the local stack is ever rotated
		failure(w, http.StatusBadRequest, "ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: "+c.json.VersionStage)
	default:
		reply(w, http.StatusOK, map[string]any{
			"ARN": found.ARN, "Name": found.Name, "SecretString": found.Value, "VersionStages": []string{"AWSCURRENT"},
		})
	}
}

// secretOf finds a secret by name or ARN.
func (g *Gateway) secretOf(id string) (Secret, bool) {
	for _, s := range g.Secrets {
		if id == s.Name || id == s.ARN {
			return s, true
		}
	}
	return Secret{ARN: id}, false
}

// lambda answers what the local stack has of Lambda's API.
func (g *Gateway) lambda(w http.ResponseWriter, r *http.Request, c *call) {
	switch c.operation {
	case "InvokeFunction":
		g.invoke(w, r, c)
	case "GetEventSourceMapping":
		g.getMapping(w, c)
	case "UpdateEventSourceMapping":
		g.updateMapping(w, c)
	case "ListEventSourceMappings":
		g.listMappings(w, r)
	default:
		failure(w, http.StatusBadRequest, "InvalidRequestContentException", "only Invoke and the control of event source mappings are part of the local stack")
	}
}

// invoke answers a synchronous Lambda invoke.
func (g *Gateway) invoke(w http.ResponseWriter, r *http.Request, c *call) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) != 4 {
		failure(w, http.StatusBadRequest, "InvalidRequestContentException", "the path names no function")
		return
	}
	run, ok := g.Functions[functionName(parts[2])]
	if !ok || g.Aliases != nil && c.qualifier != "" && c.qualifier != "$LATEST" && !g.Aliases[c.function+":"+c.qualifier] {
		failure(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: "+parts[2])
		return
	}
	answer, functionError, err := run(r.Context(), c.body)
	if err != nil {
		failure(w, http.StatusTooManyRequests, "TooManyRequestsException", err.Error())
		return
	}
	if functionError != "" {
		w.Header().Set("X-Amz-Function-Error", functionError)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(answer) // the caller may have gone
}

// control is for tests and for people: counters and faults. Functions never know
// of it.
func (g *Gateway) control(w http.ResponseWriter, r *http.Request, raw []byte) {
	switch r.Method + " " + r.URL.Path {
	case "GET /_orbitq/counters":
		reply(w, http.StatusOK, g.Counters())
	case "GET /_orbitq/executions":
		g.executions(w, r)
	case "GET /_orbitq/published":
		reply(w, http.StatusOK, map[string]any{"messages": append([]Published{}, g.Published(r.URL.Query().Get("topic"))...)})
	case "GET /_orbitq/calls":
		reply(w, http.StatusOK, map[string]any{"calls": g.Naming(r.URL.Query()["id"]...)})
	case "POST /_orbitq/faults":
		var plan []Fault
		if err := json.Unmarshal(raw, &plan); err != nil {
			failure(w, http.StatusBadRequest, "InvalidRequest", "want a JSON list of faults: "+err.Error())
			return
		}
		// A mode that nobody knows would let calls pass, and a test of the fault with them.
		if i := slices.IndexFunc(plan, func(f Fault) bool { return !f.known() }); i >= 0 {
			failure(w, http.StatusBadRequest, "InvalidRequest", fmt.Sprintf("fault %d: no mode %q", i, plan[i].Mode))
			return
		}
		g.SetFaults(plan...)
		reply(w, http.StatusOK, plan)
	default:
		failure(w, http.StatusNotFound, "NotFound", "only GET /_orbitq/counters, GET /_orbitq/calls?id=, GET /_orbitq/executions, GET /_orbitq/published?topic= and POST /_orbitq/faults exist")
	}
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		status, raw = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the caller may have gone
}

// failure answers with an error in the shape of AWS's JSON protocols.
func failure(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Amzn-Errortype", code)
	reply(w, status, map[string]string{"__type": code, "message": message})
}

// refuse answers with an error in the shape of the call's protocol.
func refuse(w http.ResponseWriter, c *call, status int, code, message string) {
	switch c.service {
	case "sns":
		xmlFailure(w, status, code, message)
	case "s3":
		objectFailure(w, status, code, message, c)
	default:
		failure(w, status, code, message)
	}
}

// deny answers a call that the caller's role does not allow; SNS and S3 have names of their own for that, and Lambda a
// status.
func deny(w http.ResponseWriter, c *call, why error) {
	switch c.service {
	case "sns":
		xmlFailure(w, http.StatusForbidden, "AuthorizationError", why.Error())
	case "s3":
		objectFailure(w, http.StatusForbidden, "AccessDenied", why.Error(), c)
	case "lambda":
		failure(w, http.StatusForbidden, "AccessDeniedException", why.Error())
	default:
		failure(w, http.StatusBadRequest, "AccessDeniedException", why.Error())
	}
}

// hangUp cuts the connection: the caller learns nothing.
func hangUp(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			_ = conn.Close()
		}
	}
}

// discard is a reply that nobody reads.
type discard struct{ header http.Header }

// Header implements http.ResponseWriter.
func (d discard) Header() http.Header { return d.header }

// Write implements http.ResponseWriter.
func (discard) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (discard) WriteHeader(int) {}
