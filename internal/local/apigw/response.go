package apigw

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// response is what goes back to the client, whoever made it.
type response struct {
	status int
	header http.Header
	body   []byte
}

// response is the answer that API Gateway gives itself.
func (r *refusal) response() *response {
	out := &response{status: r.status, header: http.Header{}, body: []byte(`{"message":"` + r.message + `"}`)}
	out.header.Set("Content-Type", "application/json")
	if r.challenge != "" {
		out.header.Set("WWW-Authenticate", r.challenge)
	}
	return out
}

// readResponse reads what a function returned. A value without a status code is a body by itself; one with a status
// code must be a response in all its fields, or else the client gets 500 and the access log the reason.
func readResponse(text []byte) (*response, error) {
	if !json.Valid(text) {
		return nil, errors.New("not JSON")
	}
	fields := object(text)
	if fields["statusCode"] == nil {
		return inferred(text), nil
	}
	out := &response{header: http.Header{}}
	var err error
	if out.status, err = status(fields["statusCode"]); err != nil {
		return nil, err
	}
	if out.body, err = body(fields["body"], fields["isBase64Encoded"]); err != nil {
		return nil, err
	}
	return out, out.readHeaders(fields["headers"], fields["cookies"])
}

// object returns the fields of a JSON object; other values have none.
func object(text []byte) (fields map[string]json.RawMessage) {
	if json.Unmarshal(text, &fields) != nil {
		return nil
	}
	return fields
}

// inferred is the response of a function that returned a plain value: 200, application/json, and the value; a text
// goes without its quotes.
func inferred(text []byte) *response {
	out := &response{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: bytes.TrimSpace(text)}
	var word string
	if json.Unmarshal(text, &word) == nil && out.body[0] == '"' {
		out.body = []byte(word)
	}
	return out
}

// status reads a status code, which may be text. Its range is assumed.
func status(raw json.RawMessage) (int, error) {
	code, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil || code < 100 || code > 599 {
		return 0, fmt.Errorf("statusCode %s", raw)
	}
	return code, nil
}

// body reads the body, which must be text: an object here is the most common mistake of a function.
func body(raw, encoded json.RawMessage) ([]byte, error) {
	var text *string
	var isBase64 *bool
	if raw != nil {
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	if encoded != nil {
		if err := json.Unmarshal(encoded, &isBase64); err != nil {
			return nil, fmt.Errorf("isBase64Encoded: %w", err)
		}
	}
	// Neither a body that is missing nor one that is null is a mistake.
	if text == nil {
		return nil, nil
	}
	if isBase64 == nil || !*isBase64 {
		return []byte(*text), nil
	}
	// Only the standard alphabet with padding, as there.
	plain, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return plain, nil
}

// readHeaders reads headers, whose values may be any scalar, and cookies, each of which becomes a header of its own. A
// body without a type is plain text.
func (out *response) readHeaders(rawHeaders, rawCookies json.RawMessage) error {
	var all map[string]json.RawMessage
	if rawHeaders != nil {
		if err := json.Unmarshal(rawHeaders, &all); err != nil {
			return fmt.Errorf("headers: %w", err)
		}
	}
	for name, raw := range all {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
		switch v := value.(type) {
		case nil: // as if it were not there
		case string:
			out.header.Set(name, v)
		case float64, bool:
			// As the function wrote it: 1.50 stays 1.50.
			out.header.Set(name, string(raw))
		default:
			return fmt.Errorf("header %s is a list or an object", name)
		}
	}
	var cookies []string
	if rawCookies != nil {
		if err := json.Unmarshal(rawCookies, &cookies); err != nil {
			return fmt.Errorf("cookies: %w", err)
		}
	}
	for _, c := range cookies {
		out.header.Add("Set-Cookie", c)
	}
	if out.header.Get("Content-Type") == "" && len(out.body) > 0 {
		out.header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	return nil
}

// write sends the response. Headers of the connection are the server's own, whatever the function says of them, and the
// type of a body is never guessed.
func (out *response) write(w http.ResponseWriter) {
	for _, own := range []string{"Connection", "Content-Length", "Date", "Keep-Alive", "Transfer-Encoding", "Upgrade"} {
		out.header.Del(own)
	}
	// Added and not set: CORS and the request id are there already.
	for name, values := range out.header {
		for _, v := range values {
			w.Header().Add(name, v)
		}
	}
	if out.header.Get("Content-Type") == "" {
		w.Header()["Content-Type"] = nil // do not guess
	}
	w.WriteHeader(out.status)
	_, _ = w.Write(out.body) //nolint:gosec // the function's own body
}
