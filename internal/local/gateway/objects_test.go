package gateway_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"orbitq/internal/local/cfn"
)

// object sends one call to S3 with more headers, given as pairs.
func (b *bench) object(t *testing.T, key, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}

	req.Header.Set("Authorization", signed(key, "s3"))

	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}

		req.Header.Set(headers[i], headers[i+1])
	}

	res, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()

	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}

	return res.StatusCode, string(text), res.Header
}

// TestObjectsComeAndGo writes, reads and deletes as two kinds of clients name a bucket.
func TestObjectsComeAndGo(t *testing.T) {
	t.Parallel()

	for name, how := range map[string]struct{ prefix, host string }{
		"path style":                 {"/lists", ""},
		"virtual host":               {"", "lists.localhost:4566"},
		"virtual host without port":  {"", "lists.localhost"},
		"virtual host of the region": {"", "lists.s3.eu-central-1.amazonaws.com"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := start(t)
			do := func(method, body string, headers ...string) (int, string, http.Header) {
				if how.host != "" {
					headers = append(headers, "Host", how.host)
				}

				return b.object(t, "operator", method, how.prefix+"/batches/a%20b+c/1.json?x-id=Some", body, headers...)
			}

			if status, text, _ := do(http.MethodGet, ""); status != http.StatusNotFound || !strings.Contains(text, "<Code>NoSuchKey</Code>") {
				t.Errorf("before: %d %s", status, text)
			}

			if status, text, header := do(http.MethodPut, "[1]", "Content-Type", "application/json", "X-Amz-Meta-Round", "2"); status != http.StatusOK || header.Get("Etag") != `"35dba5d75538a9bbe0b4da4422759a0e"` {
				t.Errorf("put: %d %s %v", status, text, header)
			}

			for method, want := range map[string]string{http.MethodGet: "[1]", http.MethodHead: ""} {
				status, text, header := do(method, "")
				if status != http.StatusOK || text != want || header.Get("Content-Type") != "application/json" || header.Get("X-Amz-Meta-Round") != "2" ||
					header.Get("Content-Length") != "3" || header.Get("Etag") == "" || header.Get("Last-Modified") == "" {
					t.Errorf("%s: %d %s %v", method, status, text, header)
				}
			}

			if status, text, _ := do(http.MethodPut, "[2]", "If-None-Match", "*"); status != http.StatusPreconditionFailed || !strings.Contains(text, "PreconditionFailed") {
				t.Errorf("put what is there: %d %s", status, text)
			}

			for range 2 {
				if status, text, _ := do(http.MethodDelete, ""); status != http.StatusNoContent || text != "" {
					t.Errorf("delete: %d %s", status, text)
				}
			}

			if status, text, _ := do(http.MethodHead, ""); status != http.StatusNotFound || text != "" {
				t.Errorf("after: %d %s", status, text)
			}
		})
	}
}

func TestObjectsThatCannotBe(t *testing.T) {
	t.Parallel()

	b := start(t)
	other := hex.EncodeToString(sha256.New().Sum(nil))

	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{"no such bucket", "GET", "/other/a", "", nil, 404, "NoSuchBucket"},
		{"put into none", "PUT", "/other/a", "x", nil, 404, "NoSuchBucket"},
		{"a list", "GET", "/lists?list-type=2", "", nil, 501, "NotImplemented"},
		{"a new bucket", "PUT", "/lists", "", nil, 501, "NotImplemented"},
		{"tags", "PUT", "/lists/a?tagging", "", nil, 501, "NotImplemented"},
		{"parts", "POST", "/lists/a?uploads", "", nil, 501, "NotImplemented"},
		{"a copy", "PUT", "/lists/a", "", []string{"X-Amz-Copy-Source", "/lists/b"}, 501, "NotImplemented"},
		{"a part of it", "GET", "/lists/a", "", []string{"Range", "bytes=0-1"}, 501, "NotImplemented"},
		{"another body than was signed", "PUT", "/lists/a", "x", []string{"X-Amz-Content-Sha256", other}, 400, "XAmzContentSHA256Mismatch"},
		{"chunks that break off", "PUT", "/lists/a", "5\r\nab", []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, 400, "IncompleteBody"},
		{"no chunks", "PUT", "/lists/a", "[1]", []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, 400, "IncompleteBody"},
		{"a size below nothing", "PUT", "/lists/a", "-1\r\nx", []string{"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, 400, "IncompleteBody"},
	} {
		if status, text, _ := b.object(t, "operator", c.method, c.path, c.body, c.headers...); status != c.status || !strings.Contains(text, "<Code>"+c.want+"</Code>") {
			t.Errorf("%s: got %d %s, want %d %s", c.name, status, text, c.status, c.want)
		}
	}

	if status, text, _ := b.object(t, "operator", http.MethodGet, "/lists/a", ""); status != http.StatusNotFound {
		t.Errorf("one of them was stored: %d %s", status, text)
	}
}

func TestBodiesInChunks(t *testing.T) {
	t.Parallel()

	for _, c := range []struct{ name, kind, in, want string }{
		{"with a trailer", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "abc0123456789"},
		{"each signed", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "2;chunk-signature=ab\r\n\r\n\r\n0;chunk-signature=cd\r\n\r\n", "\r\n"},
		{"nothing", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0\r\n\r\n", ""},
		{"not in chunks", "UNSIGNED-PAYLOAD", "3\r\nabc", "3\r\nabc"},
	} {
		b := start(t)
		if status, text, _ := b.object(t, "operator", http.MethodPut, "/lists/a", c.in, "X-Amz-Content-Sha256", c.kind, "Content-Encoding", "aws-chunked"); status != http.StatusOK {
			t.Errorf("%s: put %d %s", c.name, status, text)
		}

		if status, text, _ := b.object(t, "operator", http.MethodGet, "/lists/a", ""); status != http.StatusOK || text != c.want {
			t.Errorf("%s: got %d %q, want %q", c.name, status, text, c.want)
		}
	}
}

// TestWhoMayTouchObjects has one more rule than other services: who may not list a bucket never learns what is missing.
func TestWhoMayTouchObjects(t *testing.T) {
	t.Parallel()

	for _, c := range []struct {
		name, method, path string
		may                []cfn.Statement
		status             int
		needs              string
	}{
		{"put", "PUT", "/lists/batches/1", grants("s3:PutObject", "arn:aws:s3:::lists/batches/*"), 200, ""},
		{"put elsewhere", "PUT", "/lists/1", grants("s3:PutObject", "arn:aws:s3:::lists/batches/*"), 403, "s3:PutObject on resource: arn:aws:s3:::lists/1 "},
		{"get", "GET", "/lists/there", grants("s3:GetObject", "arn:aws:s3:::lists/*"), 200, ""},
		{"head", "HEAD", "/lists/there", grants("s3:GetObject", "arn:aws:s3:::lists/*"), 200, ""},
		{"get with put", "GET", "/lists/there", grants("s3:PutObject", "arn:aws:s3:::lists/*"), 403, "s3:GetObject"},
		{"head with put", "HEAD", "/lists/there", grants("s3:PutObject", "arn:aws:s3:::lists/*"), 403, ""},
		{"delete", "DELETE", "/lists/there", grants("s3:DeleteObject", "arn:aws:s3:::lists/*"), 204, ""},
		{"delete with put", "DELETE", "/lists/there", grants("s3:PutObject", "arn:aws:s3:::lists/*"), 403, "s3:DeleteObject"},
		{"missing", "GET", "/lists/none", grants("s3:GetObject", "arn:aws:s3:::lists/*"), 403, "s3:ListBucket on resource: arn:aws:s3:::lists "},
		{"missing, listed", "GET", "/lists/none", grants("s3:GetObject", "arn:aws:s3:::lists/*", "s3:ListBucket", "arn:aws:s3:::lists"), 404, "NoSuchKey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()

			b := start(t, c.may...)
			if status, text, _ := b.object(t, "operator", http.MethodPut, "/lists/there", "x"); status != http.StatusOK {
				t.Fatalf("%d %s", status, text)
			}

			status, text, _ := b.object(t, "worker-key", c.method, c.path, "")
			if status != c.status || !strings.Contains(text, c.needs) || c.status == http.StatusForbidden && c.method != http.MethodHead && !strings.Contains(text, "<Code>AccessDenied</Code>") {
				t.Errorf("got %d %s, want %d %s", status, text, c.status, c.needs)
			}
		})
	}
}
