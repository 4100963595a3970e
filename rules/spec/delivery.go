package spec

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
)

// delivery is an event as a spec describes it. It is encoded as Chert would deliver it
// and decoded again, so that rules get the same fields, ev.raw and parts included.
type delivery struct {
	word   string // receive or fire
	typ    string
	number int // of the event, for its ids
	now    time.Time
	fields map[string]any
}

// Defaults of fields.
const (
	someone  = "+15550001111"
	ourLine  = "+15550009999"
	someMIME = "image/jpeg"
)

// deliveryFields are the fields that receive and fire take.
var deliveryFields = []string{
	"age", "at", "chat", "data", "direction", "from", "handles", "id", "is_group", "line", "media", "message_id", "parts", "sent_at", "service", "source", "text", "type",
}

// event returns the decoded event.
func (d *delivery) event() (event.Event, error) {
	if err := checkFields(d.fields, deliveryFields); err != nil {
		return event.Event{}, err
	}
	body, err := d.body()
	if err != nil {
		return event.Event{}, err
	}
	ev, err := event.Decode(body, event.Hints{})
	if err != nil {
		return event.Event{}, fmt.Errorf("such an event would be quarantined: %w", err)
	}
	source, err := field(d, "source", event.SourceWebhook)
	ev.Source = source
	if err == nil && !slices.Contains([]string{event.SourceWebhook, event.SourceStream, event.SourceCatchup, event.SourceFile}, source) {
		err = &fieldError{fmt.Sprintf("source must be webhook, stream, catchup or file, got %q", source), ""}
	}
	return ev, err
}

// body returns the event's envelope as JSON.
func (d *delivery) body() ([]byte, error) {
	at, err := d.happened()
	id, err2 := field(d, "id", fmt.Sprintf("spec:%d", d.number))
	data, err3 := d.data(at)
	if err := cmp.Or(err, err2, err3); err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"event": d.typ, "event_type": d.typ, "event_id": id, "timestamp": wireTime(at),
		"api_version": "v1", "webhook_version": "2026-05-04", "partner_id": "spec", "data": data,
	})
}

func (d *delivery) data(at time.Time) (map[string]any, error) {
	data := map[string]any{}
	switch given := d.fields["data"].(type) {
	case nil:
	case map[string]any:
		maps.Copy(data, given)
	default:
		return nil, &fieldError{"data must be a table of named values", ""}
	}
	from, err := field(d, "from", someone)
	line, err2 := field(d, "line", ourLine)
	service, err3 := field(d, "service", "imessage")
	if err := cmp.Or(err, err2, err3); err != nil {
		return nil, err
	}
	them := map[string]any{"handle": from, "service": service, "is_me": false}
	us := map[string]any{"handle": line, "service": "imessage", "is_me": true}
	if d.fields["chat"] != nil && d.fields["chat"] != false {
		id, err := field(d, "chat", "")
		group, err2 := field(d, "is_group", false)
		handles, err3 := d.handles(us, them)
		if err := cmp.Or(err, err2, err3); err != nil {
			return nil, err
		}
		if id == "" {
			return nil, &fieldError{"chat is the empty string", ""}
		}
		data["chat"] = map[string]any{"id": id, "is_group": group, "handles": handles, "owner_handle": us}
	}
	if !d.hasMessage() {
		return data, nil
	}
	id, err := field(d, "message_id", fmt.Sprintf("msg-%d", d.number))
	direction, err2 := field(d, "direction", "inbound")
	sent, err3 := d.time("sent_at", at)
	parts, err4 := d.parts()
	if err := cmp.Or(err, err2, err3, err4); err != nil {
		return nil, err
	}
	if direction != "inbound" && direction != "outbound" {
		return nil, &fieldError{fmt.Sprintf(`direction must be "inbound" or "outbound", got %q`, direction), ""}
	}
	sender := them
	if direction == "outbound" {
		sender = us
	}
	data["message"] = map[string]any{"id": id, "direction": direction, "sender_handle": sender, "parts": parts, "sent_at": wireTime(sent)}
	return data, nil
}

// bringsMessage reports whether the event's message is a new one by its type.
func (d *delivery) bringsMessage() bool {
	return d.typ == event.MessageReceived || d.typ == event.LeadReply
}

// hasMessage reports whether the event has a message: one that brings a message does,
// another if the spec gives a field of a message.
func (d *delivery) hasMessage() bool {
	if d.bringsMessage() {
		return true
	}
	return slices.ContainsFunc([]string{"text", "media", "parts", "message_id", "direction", "from", "sent_at"}, func(k string) bool { return d.fields[k] != nil })
}

func (d *delivery) handles(us, them any) ([]any, error) {
	switch given := d.fields["handles"].(type) {
	case nil:
		return []any{us, them}, nil
	case []any:
		list := []any{us}
		for _, h := range given {
			s, ok := h.(string)
			if !ok {
				return nil, &fieldError{"handles must be a list of numbers or addresses", `handles = { "+15551112222" }`}
			}
			list = append(list, map[string]any{"handle": s, "service": "imessage", "is_me": false})
		}
		return list, nil
	}
	return nil, &fieldError{"handles must be a list of numbers or addresses", `handles = { "+15551112222" }`}
}

// parts returns the text, then the media.
func (d *delivery) parts() ([]any, error) {
	if list, ok := d.fields["parts"].([]any); ok {
		return list, nil
	} else if d.fields["parts"] != nil {
		return nil, &fieldError{"parts must be a list of parts, as Chert writes them", `parts = { { type = "text", value = "hello" } }`}
	}
	parts := []any{}
	text, err := field(d, "text", "")
	if err != nil {
		return nil, err
	}
	if text != "" {
		parts = append(parts, map[string]any{"type": "text", "value": text})
	}
	var kinds []any
	switch m := d.fields["media"].(type) {
	case nil:
	case bool:
		if m {
			kinds = []any{someMIME}
		}
	case string:
		kinds = []any{m}
	case []any:
		kinds = m
	case float64:
		if !(m >= 0 && m <= 100) {
			return nil, &fieldError{"media must be a number from 0 to 100", ""}
		}
		for range int(m) {
			kinds = append(kinds, someMIME)
		}
	default:
		return nil, &fieldError{"media must be true, a number, or a MIME type or a list of them", `media = "image/png"`}
	}
	for i, k := range kinds {
		mime, ok := k.(string)
		if !ok || !strings.Contains(mime, "/") {
			return nil, &fieldError{"media must be true, a number, or a MIME type or a list of them", `media = "image/png"`}
		}
		parts = append(parts, map[string]any{"type": "media", "attachment_id": fmt.Sprintf("att-%d-%d", d.number, i+1), "mime_type": mime})
	}
	return parts, nil
}

// field returns a field of the type of its default.
func field[T string | bool](d *delivery, name string, def T) (T, error) {
	v, given := d.fields[name]
	if !given {
		return def, nil
	}
	if got, ok := v.(T); ok {
		return got, nil
	}
	want := "a string"
	if _, ok := any(def).(bool); ok {
		want = "true or false"
	}
	switch v := v.(type) {
	case string:
		return def, &fieldError{fmt.Sprintf("%s must be %s, got the string %q", name, want, v), fmt.Sprintf("write %s = true or %s = false, without quotes", name, name)}
	case float64:
		n := strconv.FormatFloat(v, 'f', -1, 64)
		return def, &fieldError{fmt.Sprintf("%s must be %s, got the number %s", name, want, n), ""}
	}
	return def, &fieldError{fmt.Sprintf("%s must be %s, got %v", name, want, v), ""}
}

// time returns a field in Unix seconds.
func (d *delivery) time(name string, def time.Time) (time.Time, error) {
	v, given := d.fields[name]
	if !given {
		return def, nil
	}
	n, ok := v.(float64)
	if !ok || !(n >= 0 && n <= 1<<36) {
		return def, &fieldError{name + " must be a time in Unix seconds", "now() is the virtual time"}
	}
	return time.UnixMilli(int64(n * 1000)).UTC(), nil
}

// happened returns when the event happened: at, or its age before now.
func (d *delivery) happened() (time.Time, error) {
	v, given := d.fields["age"]
	if !given {
		return d.time("at", d.now)
	}
	if d.fields["at"] != nil {
		return d.now, &fieldError{"age and at exclude each other", "keep one of them"}
	}
	age, ok, err := luabind.DurationOf(v)
	if !ok {
		err = errors.New("expected a duration")
	}
	if err != nil {
		return d.now, &fieldError{fmt.Sprintf("age: %v", err), `age = "2h"`}
	}
	return d.now.Add(-age), nil
}

// wireTime formats a time as Chert does.
func wireTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
