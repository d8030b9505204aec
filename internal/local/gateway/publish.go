package gateway

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of SNS.
const (
	maxPublish = 256 << 10 // bytes of a message, and of a batch
	maxSubject = 100       // characters
	maxEntries = 10
)

// namespace is that of SNS's answers.
const namespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// topic is the ARN that a call names; a publication may name its target in two ways.
func (c *call) topic() string {
	if arn := c.form.Get("TopicArn"); arn != "" {
		return arn
	}
	return c.form.Get("TargetArn")
}

// publish answers Publish and PublishBatch.
func (g *Gateway) publish(w http.ResponseWriter, c *call) {
	box, ok := g.topics[c.topic()]
	switch {
	case c.operation != "Publish" && c.operation != "PublishBatch":
		xmlFailure(w, http.StatusBadRequest, "InvalidAction", "only Publish and PublishBatch are part of the local stack")
	case c.form.Get("PhoneNumber") != "":
		xmlFailure(w, http.StatusBadRequest, "InvalidParameter", "Invalid parameter: PhoneNumber Reason: no text messages from the local stack")
	case !ok:
		xmlFailure(w, http.StatusNotFound, "NotFound", "Topic does not exist")
	case c.operation == "PublishBatch":
		g.publishBatch(w, c, box)
	default:
		g.publishOne(w, c, box)
	}
}

// publishOne takes one message.
func (g *Gateway) publishOne(w http.ResponseWriter, c *call, box *mailbox) {
	p, fault := c.message("")
	if fault != "" {
		xmlFailure(w, http.StatusBadRequest, "InvalidParameter", "Invalid parameter: "+fault)
		return
	}
	p.MessageID = g.ids.next()
	box.add(p)
	xmlReply(w, http.StatusOK, struct {
		XMLName   xml.Name `xml:"PublishResponse"`
		Space     string   `xml:"xmlns,attr"`
		MessageID string   `xml:"PublishResult>MessageId"`
		RequestID string   `xml:"ResponseMetadata>RequestId"`
	}{Space: namespace, MessageID: p.MessageID, RequestID: requestID(w)})
}

// accepted and rejected are the two ends of an entry of a batch.
type (
	accepted struct {
		ID        string `xml:"Id"`
		MessageID string `xml:"MessageId"`
	}
	rejected struct {
		ID          string `xml:"Id"`
		Code        string `xml:"Code"`
		Message     string `xml:"Message"`
		SenderFault bool   `xml:"SenderFault"`
	}
)

// publishBatch takes up to ten messages, each on its own: some may be refused and others not.
func (g *Gateway) publishBatch(w http.ResponseWriter, c *call, box *mailbox) {
	ids := c.entryIDs()
	if code, why := c.badBatch(ids); code != "" {
		xmlFailure(w, http.StatusBadRequest, code, why)
		return
	}
	var good []accepted
	var bad []rejected
	for i, id := range ids {
		p, fault := c.message(entry(i))
		if fault != "" {
			bad = append(bad, rejected{id, "InvalidParameter", "Invalid parameter: " + fault, true})
			continue
		}
		p.MessageID = g.ids.next()
		box.add(p)
		good = append(good, accepted{id, p.MessageID})
	}
	xmlReply(w, http.StatusOK, struct {
		XMLName    xml.Name   `xml:"PublishBatchResponse"`
		Space      string     `xml:"xmlns,attr"`
		Successful []accepted `xml:"PublishBatchResult>Successful>member"`
		Failed     []rejected `xml:"PublishBatchResult>Failed>member"`
		RequestID  string     `xml:"ResponseMetadata>RequestId"`
	}{Space: namespace, Successful: good, Failed: bad, RequestID: requestID(w)})
}

// entry is the prefix of the fields of an entry; the protocol counts from 1.
func entry(i int) string { return fmt.Sprintf("PublishBatchRequestEntries.member.%d.", i+1) }

// entryIDs lists the entries of a batch.
func (c *call) entryIDs() (ids []string) {
	for i := 0; c.form.Has(entry(i)+"Id") || c.form.Has(entry(i)+"Message"); i++ {
		ids = append(ids, c.form.Get(entry(i)+"Id"))
	}
	return ids
}

// entryID is what an entry may be called.
var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// badBatch says why a whole batch is refused, if it is.
func (c *call) badBatch(ids []string) (code, why string) {
	seen, size := map[string]bool{}, 0
	for i, id := range ids {
		if !entryID.MatchString(id) {
			return "InvalidBatchEntryId", "The Id of a batch entry in a batch request doesn't abide by the specification."
		}
		if seen[id] {
			return "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."
		}
		seen[id] = true
		size += len(c.form.Get(entry(i) + "Message"))
	}
	switch {
	case len(ids) == 0:
		return "EmptyBatchRequest", "The batch request doesn't contain any entries."
	case len(ids) > maxEntries:
		return "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible."
	case size > maxPublish:
		return "BatchRequestTooLong", "The length of all the batch messages put together is more than the limit."
	}
	return "", ""
}

// message reads one message; fault says what SNS would not take.
func (c *call) message(prefix string) (p Published, fault string) {
	p = Published{Subject: c.form.Get(prefix + "Subject"), Message: c.form.Get(prefix + "Message"), Attributes: map[string]string{}, At: time.Now().UTC()}
	switch {
	case p.Message == "":
		return p, "Empty message"
	case len(p.Message) > maxPublish:
		return p, "Message too long"
	case c.form.Has(prefix+"Subject") && !fitsSubject(p.Subject):
		return p, "Subject"
	}
	for i := 1; ; i++ {
		at := fmt.Sprintf("%sMessageAttributes.entry.%d.", prefix, i)
		name := c.form.Get(at + "Name")
		if name == "" {
			return p, ""
		}
		value := c.form.Get(at+"Value.StringValue") + c.form.Get(at+"Value.BinaryValue")
		if c.form.Get(at+"Value.DataType") == "" || value == "" {
			return p, "The message attribute '" + name + "' must contain non-empty message attribute value and type."
		}
		p.Attributes[name] = value
	}
}

// fitsSubject checks what SNS says of subjects, because they become those of mails: printable ASCII on one line.
func fitsSubject(s string) bool {
	odd := func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }
	return s != "" && s[0] != ' ' && utf8.RuneCountInString(s) <= maxSubject && strings.IndexFunc(s, odd) < 0
}

// requestID is the id that the answer has got already.
func requestID(w http.ResponseWriter) string { return w.Header().Get("X-Amzn-Requestid") }

// xmlReply answers in the query protocol.
func xmlReply(w http.ResponseWriter, status int, v any) {
	raw, err := xml.Marshal(v)
	if err != nil {
		status, raw = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the caller may have gone
}

// xmlFailure answers with an error of the query protocol.
func xmlFailure(w http.ResponseWriter, status int, code, message string) {
	xmlReply(w, status, struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Space     string   `xml:"xmlns,attr"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Space: namespace, Type: "Sender", Code: code, Message: message, RequestID: requestID(w)})
}
