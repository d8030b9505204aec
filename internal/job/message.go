package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MessageVersion is the only version of the message that this code accepts.
const MessageVersion = 1

// Message is the body of an SQS message: which job, and which send of it.
// Everything else is in the row, so that a message can never be out of date.
type Message struct {
	Version    int    `json:"v"`
	Job        string `json:"job"`
	Generation int    `json:"gen"`
	Ticket     int    `json:"tk"`
}

// Encode returns the body that DecodeMessage reads.
func (m Message) Encode() string {
	return fmt.Sprintf(`{"v":%d,"job":%q,"gen":%d,"tk":%d}`, m.Version, m.Job, m.Generation, m.Ticket)
}

// DecodeMessage reads a message body. A body that is not exactly one message of
// a known version is an error with code Poison: it can never be run, and only a
// person can say what it was meant to be.
func DecodeMessage(body string) (Message, error) {
	var m Message
	dec := json.NewDecoder(bytes.NewReader([]byte(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Message{}, Errorf(Poison, "message is not JSON of the expected shape: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Message{}, Errorf(Poison, "message has data after its JSON object")
	}
	if m.Version != MessageVersion {
		return Message{}, Errorf(Poison, "message version %d is not %d", m.Version, MessageVersion)
	}
	if !ValidID(m.Job) {
		return Message{}, Errorf(Poison, "message names no job id")
	}
	if m.Generation < 0 || m.Ticket < 1 {
		return Message{}, Errorf(Poison, "message has generation %d and ticket %d", m.Generation, m.Ticket)
	}
	return m, nil
}
