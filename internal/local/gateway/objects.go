package gateway

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what S3 calls an ETag is this sum, and no secret
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bucket is an S3 bucket.
type Bucket struct{ Name, ARN string }

// object is what was put under a key.
type object struct {
	body       []byte
	etag, kind string
	metadata   http.Header // x-amz-meta-*
	at         time.Time
}

// bucket keeps its objects in memory.
type bucket struct {
	mu  sync.Mutex
	all map[string]object
}

// buckets makes an empty one for each of the template.
func buckets(list []Bucket) map[string]*bucket {
	all := make(map[string]*bucket, len(list))
	for _, b := range list {
		all[b.Name] = &bucket{all: map[string]object{}}
	}
	return all
}

// byObject reads an S3 call: the bucket stands at the beginning of the path, or before a name of the host. A call with a
// subresource, and any other that is not known, has no operation.
func (c *call) byObject(r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	key := strings.TrimPrefix(r.URL.Path, "/")
	if before, ok := virtualHost(host); ok {
		c.bucket, c.object = before, key
	} else {
		c.bucket, c.object, _ = strings.Cut(key, "/")
	}
	c.chunked = strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-")
	// The SDKs name the operation in a query that changes nothing; every other query asks for something else.
	query := r.URL.Query()
	query.Del("x-id")
	if c.object == "" || len(query) > 0 || r.Header.Get("X-Amz-Copy-Source") != "" || r.Header.Get("Range") != "" {
		return
	}
	c.operation = map[string]string{
		http.MethodPut: "PutObject", http.MethodGet: "GetObject", http.MethodHead: "HeadObject", http.MethodDelete: "DeleteObject",
	}[r.Method]
}

// virtualHost finds the bucket in front of "localhost" or of S3's own name.
func virtualHost(host string) (name string, ok bool) {
	if before, found := strings.CutSuffix(host, ".localhost"); found {
		return before, true
	}
	before, _, found := strings.Cut(host, ".s3.")
	return before, found
}

// objectAction is what IAM calls an operation on an object: who may read one may also ask for its head.
func objectAction(operation string) string {
	if operation == "HeadObject" {
		return "s3:GetObject"
	}
	return "s3:" + operation
}

// objects answers what the local stack has of S3.
func (g *Gateway) objects(w http.ResponseWriter, r *http.Request, c *call) {
	b, ok := g.buckets[c.bucket]
	switch {
	case !ok:
		objectFailure(w, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist", c)
	case c.operation == "PutObject":
		b.put(w, r, c)
	case c.operation == "DeleteObject":
		b.delete(c.object)
		w.WriteHeader(http.StatusNoContent)
	case c.operation == "GetObject" || c.operation == "HeadObject":
		g.get(w, r, c, b)
	default:
		objectFailure(w, http.StatusNotImplemented, "NotImplemented", "only whole objects can be put, read and deleted in the local stack", c)
	}
}

// put stores an object whole. A sum that the caller has signed must be that of the body, as on AWS.
func (b *bucket) put(w http.ResponseWriter, r *http.Request, c *call) {
	body := c.body
	if c.chunked {
		plain, err := unchunk(body)
		if err != nil {
			objectFailure(w, http.StatusBadRequest, "IncompleteBody", err.Error(), c)
			return
		}
		body = plain
	}
	sum := sha256.Sum256(body)
	if signed := r.Header.Get("X-Amz-Content-Sha256"); len(signed) == 2*len(sum) && signed != hex.EncodeToString(sum[:]) {
		objectFailure(w, http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.", c)
		return
	}
	md := md5.Sum(body) //nolint:gosec // the ETag
	made := object{body: body, etag: `"` + hex.EncodeToString(md[:]) + `"`, kind: r.Header.Get("Content-Type"), metadata: http.Header{}, at: time.Now().UTC()}
	if made.kind == "" {
		made.kind = "binary/octet-stream"
	}
	for name, values := range r.Header {
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			made.metadata[name] = values
		}
	}
	if !b.keep(c.object, made, r.Header.Get("If-None-Match") == "*") {
		objectFailure(w, http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", c)
		return
	}
	w.Header().Set("ETag", made.etag)
	w.WriteHeader(http.StatusOK)
}

// keep stores an object; one that must be new is not, when there is one already.
func (b *bucket) keep(key string, made object, mustBeNew bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.all[key]; there && mustBeNew {
		return false
	}
	b.all[key] = made
	return true
}

// delete removes an object; that there is none is no error.
func (b *bucket) delete(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, key)
}

// find returns an object.
func (b *bucket) find(key string) (object, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.all[key]
	return o, ok
}

// get answers with an object. That a key is missing is told only to who may list the bucket (GetObject, permissions).
func (g *Gateway) get(w http.ResponseWriter, r *http.Request, c *call, b *bucket) {
	o, ok := b.find(c.object)
	if !ok {
		if p := g.principal(c.key); p != nil {
			if err := p.Check(permission("s3:ListBucket", "arn:aws:s3:::"+c.bucket)); err != nil {
				objectFailure(w, http.StatusForbidden, "AccessDenied", err.Error(), c)
				return
			}
		}
		objectFailure(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.", c)
		return
	}
	h := w.Header()
	maps.Copy(h, o.metadata)
	h.Set("ETag", o.etag)
	h.Set("Content-Type", o.kind)
	h.Set("Last-Modified", o.at.Format(http.TimeFormat))
	h.Set("Content-Length", strconv.Itoa(len(o.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(o.body) // the caller may have gone
	}
}

// unchunk takes a body out of the chunks that SDKs put it in when they sign or sum it on the way: a size in hexadecimal
// with extensions, the bytes, and trailers after an empty chunk.
func unchunk(raw []byte) ([]byte, error) {
	var out []byte
	for {
		line, rest, ok := bytes.Cut(raw, []byte("\r\n"))
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		size, err := strconv.ParseUint(string(digits), 16, 31)
		if err != nil || int(size) > len(rest) {
			return nil, io.ErrUnexpectedEOF
		}
		if size == 0 {
			return out, nil
		}
		out = append(out, rest[:size]...)
		raw = bytes.TrimPrefix(rest[size:], []byte("\r\n"))
	}
}

// objectFailure answers with an error as S3 writes it, in XML; an answer to HEAD has no body.
func objectFailure(w http.ResponseWriter, status int, code, message string, c *call) {
	if c.operation == "HeadObject" {
		w.WriteHeader(status)
		return
	}
	raw, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string   `xml:"Code"`
		Message   string   `xml:"Message"`
		Resource  string   `xml:"Resource"`
		RequestID string   `xml:"RequestId"`
	}{Code: code, Message: message, Resource: "/" + c.bucket + "/" + c.object, RequestID: requestID(w)})
	if err != nil { // strings only
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), raw...)) // the caller may have gone
}
