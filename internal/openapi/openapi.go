// Package openapi holds the contract of the HTTP API.
//
// openapi.yaml is the truth: what a route takes, what it answers, which problem codes exist. The query function
// serves the very bytes that the tests check against, so the published contract cannot drift from the tested one.
// The package only carries the document. It does not validate requests at run time: package intake decides that,
// with better messages, and contracttest proves that both agree.
package openapi

import _ "embed"

//go:embed openapi.yaml
var document string

// YAML returns the OpenAPI 3.1 document; the caller may change the copy.
func YAML() []byte { return []byte(document) }
