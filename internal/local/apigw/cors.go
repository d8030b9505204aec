package apigw

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// CORS is the cross-origin configuration of an API. When there is one, functions have no say in it.
type CORS struct {
	// Origins may be "*" or end in it; methods and headers are sent to the browser as they are.
	AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders []string
	// MaxAge is how long a browser may keep the answer, in seconds.
	MaxAge int
	// AllowCredentials lets a browser send cookies.
	AllowCredentials bool
}

// answer sets the headers of an allowed origin, and answers a preflight by itself, whether or not its path has a route.
// An origin that is not allowed is answered too: it is the browser that refuses, for want of headers.
func (c *CORS) answer(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	if c.allows(origin) {
		c.setHeaders(w.Header(), origin, preflight)
	}
	if preflight {
		w.WriteHeader(http.StatusNoContent)
	}
	return preflight
}

// allows compares an origin with the list, in which "https://*" stands for every host of a scheme.
func (c *CORS) allows(origin string) bool {
	return slices.ContainsFunc(c.AllowOrigins, func(allowed string) bool {
		scheme, open := strings.CutSuffix(allowed, "*")
		return allowed == origin || open && strings.HasPrefix(origin, scheme)
	})
}

// setHeaders tells the browser what is allowed. With credentials a browser does not accept "*", so then the origin is
// named.
func (c *CORS) setHeaders(h http.Header, origin string, preflight bool) {
	if slices.Contains(c.AllowOrigins, "*") && !c.AllowCredentials {
		origin = "*"
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	// A list that was not configured is not sent.
	list := func(name string, values []string) {
		if len(values) > 0 {
			h.Set(name, strings.Join(values, ","))
		}
	}
	if !preflight {
		list("Access-Control-Expose-Headers", c.ExposeHeaders)
		return
	}
	list("Access-Control-Allow-Methods", c.AllowMethods)
	list("Access-Control-Allow-Headers", c.AllowHeaders)
	if c.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(c.MaxAge))
	}
}

// dropCORS removes what the function said about origins: a configured API answers for all of its routes.
func (out *response) dropCORS() {
	for name := range out.header {
		if strings.HasPrefix(http.CanonicalHeaderKey(name), "Access-Control-") {
			out.header.Del(name)
		}
	}
}
