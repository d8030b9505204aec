package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"orbitq/internal/client"
	"orbitq/internal/job"
)

func problem(status int, body string) reply {
	return reply{status: status, header: map[string]string{"Content-Type": "application/problem+json"}, body: body}
}

func TestProblem(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, problem(http.StatusUnprocessableEntity,
		`{"type":"https://orbitq.dev/problems/invalid-field","title":"Invalid field","status":422,"code":"INVALID_FIELD","detail":"latitude: must be from -90 to 90",`+
			`"field":"latitude","rule":"range","errors":[{"field":"latitude","rule":"range","detail":"must be from -90 to 90"}],"request_id":"r-1"}`))
	_, err := c.CreatePoint(t.Context(), client.NewPoint{Latitude: 91})
	var p *client.Problem
	if !errors.As(err, &p) {
		t.Fatalf("got %v, want a problem", err)
	}
	if p.Status != 422 || p.Code != job.InvalidField || p.Field != "latitude" || p.Rule != "range" || len(p.Errors) != 1 || p.RequestID != "r-1" {
		t.Errorf("got %+v", p)
	}
	if want := "INVALID_FIELD: latitude: must be from -90 to 90"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

func TestGatewayAnswers(t *testing.T) {
	t.Parallel()
	challenge := map[string]string{"WWW-Authenticate": `Bearer scope="" error="invalid_token" error_description="the token has expired"`}
	for _, c := range []struct {
		name string
		in   reply
		want []string // in the error's text
	}{
		{"expired token", reply{401, challenge, `{"message":"Unauthorized"}`}, []string{"the token has expired", "orbitq token --user"}},
		{"no token", reply{401, map[string]string{"WWW-Authenticate": "Bearer"}, `{"message":"Unauthorized"}`}, []string{"Unauthorized", "orbitq token"}},
		{"missing scope", reply{403, nil, `{"message":"Forbidden"}`}, []string{"Forbidden", "--scope"}},
		{"throttled", reply{429, nil, `{"message":"Too Many Requests"}`}, []string{"429 Too Many Requests"}},
		{"broken function", reply{500, nil, `{"message":"Internal Server Error"}`}, []string{"500 Internal Server Error"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl, api := serve(t, c.in)
			_, err := cl.Job(t.Context(), jobID)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want it to say %q", err, want)
				}
			}
			var denied *client.Denied
			if wantDenied := c.in.status < 429; errors.As(err, &denied) != wantDenied {
				t.Errorf("got %T", err)
			}
			if len(api.got) != 1 {
				t.Errorf("asked %d times, want once", len(api.got))
			}
		})
	}
}

// TestStrangers: what else may stand behind an address.
func TestStrangers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   reply
		want string
	}{
		{"a web page", reply{200, nil, "<html>hello</html>"}, "read answer of GET"},
		{"an error page", reply{502, map[string]string{"Content-Type": "text/html"}, strings.Repeat("x", 300)}, "xxx..."},
		{"nothing", reply{404, nil, ""}, "404 Not Found: no body"},
		{"a problem that is none", problem(404, `[]`), "404 Not Found: []"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(&scripted{replies: []reply{c.in}})
			t.Cleanup(server.Close)
			_, err := client.New(client.Config{BaseURL: server.URL}).Health(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	_, err := client.New(client.Config{BaseURL: server.URL}).Health(t.Context())
	var silent *client.Unreachable
	if !errors.As(err, &silent) || silent.URL != server.URL {
		t.Fatalf("got %v, want unreachable", err)
	}
	if want := "no answer from " + server.URL + ": connection refused"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}

const busyJSON = `{"type":"https://orbitq.dev/problems/unavailable","title":"Unavailable","status":503,"code":"UNAVAILABLE","detail":"busy","request_id":"r"}`

func busy(retryAfter string) reply {
	r := problem(http.StatusServiceUnavailable, busyJSON)
	if retryAfter != "" {
		r.header["Retry-After"] = retryAfter
	}
	return r
}

func TestRepeatsOnlyWhatIsSafe(t *testing.T) {
	t.Parallel()
	accepted := reply{status: http.StatusAccepted, header: location("/v1/jobs/" + jobID), body: queuedJSON}
	dispatch := func(key string) func(context.Context, *client.Client) error {
		return func(ctx context.Context, c *client.Client) error {
			_, err := c.Dispatch(ctx, client.NewJob{Kind: "enrich", PointID: pointID, Key: key})
			return err
		}
	}
	read := func(ctx context.Context, c *client.Client) error {
		_, err := c.Job(ctx, jobID)
		return err
	}
	for _, c := range []struct {
		name    string
		replies []reply
		call    func(context.Context, *client.Client) error
		times   int
		ok      bool
	}{
		{"a write with a key", []reply{busy("1"), accepted}, dispatch("k"), 2, true},
		{"a write without a key", []reply{busy("1"), accepted}, dispatch(""), 1, false},
		{"a read", []reply{busy("1"), {status: 200, body: queuedJSON}}, read, 2, true},
		{"only once", []reply{busy("1"), busy("1"), accepted}, dispatch("k"), 2, false},
		{"not unless asked to", []reply{busy(""), accepted}, dispatch("k"), 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cl, api := serve(t, c.replies...)
			err := c.call(t.Context(), cl)
			if (err == nil) != c.ok {
				t.Errorf("got error %v", err)
			}
			if len(api.got) != c.times {
				t.Errorf("asked %d times, want %d", len(api.got), c.times)
			}
			if len(api.got) == 2 && api.got[0] != api.got[1] {
				t.Errorf("the repetition differs: %+v", api.got)
			}
		})
	}
}

func TestPauseEndsWithItsContext(t *testing.T) {
	t.Parallel()
	c, api := serve(t, busy("5"))
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(20*time.Millisecond, func() { cancel(errors.New("had enough")) })
	started := time.Now()
	_, err := c.Job(ctx, jobID)
	if err == nil || !strings.Contains(err.Error(), "had enough") || time.Since(started) > 3*time.Second {
		t.Errorf("got %v after %v", err, time.Since(started))
	}
	if len(api.got) != 1 {
		t.Errorf("asked %d times", len(api.got))
	}
}
