package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a signal.
const (
	maxSignalName  = 200      // bytes
	maxSignalID    = 256      // bytes
	maxSignalData  = 32 << 10 // bytes of JSON
	maxSignalDepth = 50       // rules see ev.raw, one level more, up to 64
)

// SignalSpec describes a signal: what somebody outside says of a chat.
type SignalSpec struct {
	Name string          // of the type "signal:<name>"
	Chat string          // id
	ID   string          // of the occurrence; two signals with one ID are the same
	At   time.Time       // when it was sent
	Data json.RawMessage // any JSON value; nil or null: none
}

// wireSignal is a signal as JSON: the body of POST /api/v1/signals, with a time.
type wireSignal struct {
	Name  string          `json:"name"`
	Chat  string          `json:"chat"`
	ID    string          `json:"id,omitempty"`
	At    string          `json:"at,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
	Force bool            `json:"force,omitempty"` // says something to the daemon only
}

// signalFields are the names of the fields of a signal.
var signalFields = []string{"name", "chat", "id", "at", "data", "force"}

// NewSignal returns the event of a signal. Its ID is SignalPrefix and that of the signal:
// no event of Chert's has such an id. An error is a *MalformedError that names the field.
func NewSignal(s SignalSpec) (Event, error) {
	wire := wireSignal{Name: s.Name, Chat: s.Chat, ID: s.ID, Data: s.Data}
	if !s.At.IsZero() {
		wire.At = s.At.UTC().Format(time.RFC3339Nano)
	}
	if err := wire.check(); err != nil {
		return Event{}, err
	}
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(wire); err != nil {
		return Event{}, &MalformedError{Field: "data", Reason: err.Error()}
	}
	return DecodeSignal(bytes.TrimSuffix(raw.Bytes(), []byte("\n")))
}

// DecodeSignal decodes a signal: the body of POST /api/v1/signals, in which "at" may be its
// time. Raw is the body, and shares its memory. A signal without an id has a hash of the
// body instead. An error is always a *MalformedError.
func DecodeSignal(body []byte) (Event, error) {
	if err := checkForm(body); err != nil {
		return Event{}, err
	}
	var wire wireSignal
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(&wire)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.New("there is more after the object")
		}
	}
	if err != nil {
		return Event{}, malformedSignal(err)
	}
	if err := CheckFields(body, signalFields); err != nil {
		return Event{}, err
	}
	if err := wire.check(); err != nil {
		return Event{}, err
	}
	e := Event{
		ID: SignalPrefix + first(wire.ID, hashOf(body)), Type: SignalPrefix + wire.Name, Source: SourceSignal,
		Chat: &Chat{ID: wire.Chat}, Raw: body, FromRaw: true,
	}
	if string(wire.Data) != "null" {
		e.Data = wire.Data
	}
	if wire.At != "" {
		if e.At, err = time.Parse(time.RFC3339, wire.At); err != nil {
			return Event{}, &MalformedError{Field: "at", Reason: "want a time such as 2026-01-05T09:30:00Z"}
		}
		e.At = e.At.UTC()
	}
	return e, nil
}

// malformedSignal returns the error of JSON that is not a signal.
func malformedSignal(err error) *MalformedError {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field == "":
		return &MalformedError{Reason: "want an object, got " + kind.Value}
	case errors.As(err, &kind):
		return &MalformedError{Field: kind.Field, Reason: fmt.Sprintf("want a %s, got %s", kind.Type, kind.Value)}
	}
	return &MalformedError{Reason: strings.TrimPrefix(err.Error(), "json: ")}
}

// check returns what is wrong with a signal; nil: nothing.
func (s *wireSignal) check() error {
	for _, field := range []struct{ name, reason string }{
		{"name", CheckSignalName(s.Name)},
		{"chat", given(s.Chat)},
		{"id", tooLong(s.ID, maxSignalID)},
		{"id", checkID(s.ID)},
		{"data", checkSignalData(s.Data)},
	} {
		if field.reason != "" {
			return &MalformedError{Field: field.name, Reason: field.reason}
		}
	}
	return nil
}

// CheckSignalName returns what is wrong with the name of a signal, or "": rules subscribe
// to it by "signal:<name>".
func CheckSignalName(name string) string {
	switch {
	case name == "":
		return "missing"
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || r == '*' || r == unicode.ReplacementChar
	}):
		return "has a space, a * or a control character"
	case strings.HasPrefix(name, SignalPrefix):
		return fmt.Sprintf("want it without %q before it", SignalPrefix)
	}
	return tooLong(name, maxSignalName)
}

func given(chat string) string {
	if chat == "" {
		return "missing"
	}
	return checkID(chat)
}

func tooLong(s string, limit int) string {
	if len(s) > limit {
		return fmt.Sprintf("longer than %d bytes", limit)
	}
	return ""
}

// checkSignalData returns what is wrong with the data of a signal, or "".
func checkSignalData(data json.RawMessage) string {
	switch {
	case len(data) == 0:
		return ""
	case len(data) > maxSignalData:
		return fmt.Sprintf("larger than %d KiB: %d bytes of JSON", maxSignalData>>10, len(data))
	case !utf8.Valid(data):
		return "not valid UTF-8"
	case !json.Valid(data):
		return "not JSON"
	case deeperThan(data, maxSignalDepth):
		return fmt.Sprintf("nested more than %d deep", maxSignalDepth)
	}
	return tooLargeNumber(data)
}

// tooLargeNumber reports a number that is too large for Lua. Rules can't read data with one.
// "": there is none.
func tooLargeNumber(data json.RawMessage) string {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err != nil {
			return "" // the end: it is valid JSON
		}
		if n, ok := token.(json.Number); ok {
			if _, err := n.Float64(); err != nil {
				return fmt.Sprintf("the number %.40s is too large", n)
			}
		}
	}
}

// IsSignal reports whether JSON is a signal rather than a delivery of Chert's. It is for files
// that people write: what comes from Chert is never a signal.
func IsSignal(body []byte) bool {
	fields, ok := objectIn(body)
	if !ok || stringIn(fields["name"]) == "" && stringIn(fields["chat"]) == "" {
		return false
	}
	for _, name := range []string{"event_type", "event", "type", "payload", "event_id", "message_guid"} {
		if present(fields[name]) {
			return false
		}
	}
	return true
}

// Again decodes an event again from its stored envelope: Raw of an event whose FromRaw is
// set. The hints are its id and type.
func Again(raw []byte, h Hints, source string) (Event, error) {
	if source == SourceSignal {
		return DecodeSignal(raw)
	}
	e, err := Decode(raw, h)
	e.Source = source
	return e, err
}

// outside returns an id of Chert's as the identity of an event. One that begins like those of
// signals is hashed: neither can be taken for the other.
func outside(id string) string {
	if !strings.HasPrefix(id, SignalPrefix) {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256:" + hex.EncodeToString(sum[:])
}
