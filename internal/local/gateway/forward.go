package gateway

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
)

// route answers a call, or passes it on.
func (g *Gateway) route(w http.ResponseWriter, r *http.Request, c *call) {
	switch c.service {
	case "dynamodb":
		g.forward(w, r, c, g.DynamoDB)
	case "sqs":
		g.forward(w, r, c, g.SQS)
	case "secretsmanager":
		g.secret(w, c)
	case "lambda":
		g.lambda(w, r, c)
	case "states":
		g.states(w, r, c)
	case "s3":
		g.objects(w, r, c)
	case "sns":
		g.publish(w, c)
	default:
		failure(w, http.StatusBadRequest, "UnknownService", fmt.Sprintf("service %q is not part of the local stack", c.service))
	}
}

// forward passes a call to its engine.
func (g *Gateway) forward(w http.ResponseWriter, r *http.Request, c *call, engine string) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, engine+r.URL.RequestURI(), bytes.NewReader(c.body))
	if err != nil {
		failure(w, http.StatusInternalServerError, "InternalFailure", err.Error())
		return
	}
	req.Header = r.Header.Clone()
	resp, err := g.client.Do(req)
	if err != nil {
		failure(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		return
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		failure(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		return
	}
	g.counter.spend(c, answer)
	maps.Copy(w.Header(), resp.Header)
	w.Header().Del("Connection")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer) // the caller may have gone
}
