package cdse

import (
	"fmt"
	"net/http"
	"strings"
)

// The service's error codes in use.
const (
	codeBadPayload   = "COMMON_BAD_PAYLOAD"
	codeUnauthorized = "COMMON_UNAUTHORIZED"
	codeNotFound     = "COMMON_NOT_FOUND"
	codeBadMethod    = "COMMON_METHOD_NOT_ALLOWED"
	codeBadMedia     = "COMMON_UNSUPPORTED_MEDIA_TYPE"
	codeException    = "COMMON_EXCEPTION"
	codeForbidden    = "COMMON_INSUFFICIENT_PERMISSIONS"
	codeRenderer     = "RENDERER_EXCEPTION"
	codeRateLimit    = "RATE_LIMIT_EXCEEDED"
	codeNoUnits      = "ACCESS_INSUFFICIENT_PROCESSING_UNITS"
)

// serviceError is an answer of the Sentinel Hub services that is not 2xx.
type serviceError struct {
	Status  int         `json:"status"`
	Reason  string      `json:"reason"`
	Message string      `json:"message"`
	Code    string      `json:"code"`
	Errors  []violation `json:"errors,omitempty"`
}

// violation names a wrong parameter by its path, such as output->resx.
type violation struct {
	Parameter string `json:"parameter"`
	Violation string `json:"violation"`
}

// Error is the code and the message.
func (e *serviceError) Error() string { return e.Code + ": " + e.Message }

// newError makes an error with the reason phrase of its status.
func newError(status int, code, message string) *serviceError {
	return &serviceError{Status: status, Reason: http.StatusText(status), Message: message, Code: code}
}

// violations collects what is wrong with a request, so that one answer names all of it.
type violations struct{ list []violation }

// addf notes one violation.
func (v *violations) addf(parameter, format string, args ...any) {
	v.list = append(v.list, violation{Parameter: parameter, Violation: fmt.Sprintf(format, args...)})
}

// err is nil when nothing was added.
func (v *violations) err() error {
	if len(v.list) == 0 {
		return nil
	}
	lines := make([]string, 0, len(v.list))
	for _, item := range v.list {
		lines = append(lines, item.Violation+"\n")
	}
	e := newError(http.StatusBadRequest, codeBadPayload, strings.Join(lines, ""))
	e.Errors = v.list
	return e
}

// notAuthorized is the service's message for a missing, wrong or expired token alike.
const notAuthorized = "You are not authorized! Please provide a valid access token within the header " +
	"[Authorization: Bearer <accessToken>] of your request."

// oauthError is an answer of the token endpoint, in the shape of Keycloak.
type oauthError struct {
	Status      int    `json:"-"`
	Name        string `json:"error"`
	Description string `json:"error_description"`
}

// Error is the name and the description.
func (e *oauthError) Error() string { return e.Name + ": " + e.Description }
