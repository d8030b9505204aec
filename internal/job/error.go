package job

import (
	"errors"
	"fmt"
	"time"
)

// Code is one of the closed list of error codes. Each edge maps it once: HTTP
// status, ack or keep, Step Functions error name, exit code.
type Code string

// The codes of failures inside a job.
const (
	ProviderRateLimit   Code = "PROVIDER_RATE_LIMIT"    // 429: slow down, not the job's fault
	ProviderQuota       Code = "PROVIDER_QUOTA"         // 403: the month's requests or units are gone
	ProviderDenied      Code = "PROVIDER_DENIED"        // 401 twice or 403: our credentials are wrong
	ProviderUnavailable Code = "PROVIDER_UNAVAILABLE"   // 5xx, reset, nonsense: try again
	ProviderTimeout     Code = "PROVIDER_TIMEOUT"       // no answer in time: try again
	InvalidRequest      Code = "INVALID_REQUEST"        // 400: our request is wrong for ever
	AttemptTimeout      Code = "ATTEMPT_TIMEOUT"        // the attempt ran into the function's deadline
	AttemptLost         Code = "ATTEMPT_LOST"           // the attempt never reported: crash or kill
	AttemptsSpent       Code = "ATTEMPTS_SPENT"         // no attempt left when the message came
	DeadlinePassed      Code = "DEADLINE_PASSED"        // retry_until passed
	NoWorkerReport      Code = "NO_WORKER_REPORT"       // SQS gave up; no worker ever said why
	Poison              Code = "POISON"                 // the message is not one of ours
	UnknownKind         Code = "UNKNOWN_KIND"           // no such job kind in this release
	Limited             Code = "LIMITED"                // our own limiter: the job has a slot, or waits for one
	BreakerOpen         Code = "BREAKER_OPEN"           // the provider failed too often: calls pause
	Snoozed             Code = "SNOOZED"                // put off, by its own kind or by a person
	MaxWaitExceeded     Code = "MAX_WAIT_EXCEEDED"      // max_wait passed before the first attempt
	Throttled           Code = "THROTTLED"              // AWS asked us to slow down
	Internal            Code = "INTERNAL"               // a defect of ours
	InvalidJSON         Code = "INVALID_JSON"           // request: not JSON
	InvalidField        Code = "INVALID_FIELD"          // request: a field breaks a rule
	UnknownField        Code = "UNKNOWN_FIELD"          // request: a field that does not exist
	BodyTooLarge        Code = "BODY_TOO_LARGE"         // request: over the size limit
	UnsupportedMedia    Code = "UNSUPPORTED_MEDIA_TYPE" // request: not application/json
	InvalidCursor       Code = "INVALID_CURSOR"         // request: cursor is not one of ours
	NotFound            Code = "NOT_FOUND"              // request: absent, or another owner's
	KeyReused           Code = "IDEMPOTENCY_KEY_REUSED" // request: same key, other body
	Forbidden           Code = "FORBIDDEN"              // request: the token lacks the right
	MethodNotAllowed    Code = "METHOD_NOT_ALLOWED"     // request: path exists, method does not
	Unavailable         Code = "UNAVAILABLE"            // request: try again later
	StateConflict       Code = "STATE_CONFLICT"         // request: the job is in no state for that
	UniqueHeld          Code = "UNIQUE_KEY_HELD"        // request: an open job holds the unique key
	LimitExceeded       Code = "LIMIT_EXCEEDED"         // request: the plan allows no more of these
	WebhookRefused      Code = "WEBHOOK_REFUSED"        // a callback that will never be taken: its URL, its receiver's answer, or its point
	WebhookFailed       Code = "WEBHOOK_FAILED"         // a callback that was not taken this time
)

// Error is a failure with a code. Message is for people and holds no secret.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // provider's wish, zero when it gave none
	Slot       time.Time     // of the limiter, booked for the next run; zero for none
	Violations []Violation   // which fields broke which rules
	Err        error
}

// Violation says which field of a request broke which rule.
type Violation struct {
	Field  string `json:"field"`
	Rule   string `json:"rule"`
	Detail string `json:"detail"`
}

// Errorf returns an Error with a formatted message; %w keeps the cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// Invalid returns an InvalidField error for the given violations.
func Invalid(violations ...Violation) *Error {
	e := &Error{Code: InvalidField, Violations: violations}
	if len(violations) > 0 {
		e.Message = violations[0].Field + ": " + violations[0].Detail
	}
	return e
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of err: its own, or Internal.
func CodeOf(err error) Code {
	if coded, ok := errors.AsType[*Error](err); ok {
		return coded.Code
	}
	return Internal
}

// Class is what a failed attempt means for the job.
type Class int

// The classes of failure.
const (
	Retry   Class = iota // try again with backoff; the attempt counts
	Release              // not the job's fault: try later, the attempt does not count
	Fatal                // never going to work: dead at once
)

// Class returns what a failure with this code means for its job.
func (c Code) Class() Class {
	switch c {
	case ProviderRateLimit, ProviderQuota, Throttled, Limited, BreakerOpen, Snoozed:
		return Release
	case InvalidRequest, ProviderDenied, UnknownKind, Poison, WebhookRefused:
		return Fatal
	default:
		return Retry
	}
}
