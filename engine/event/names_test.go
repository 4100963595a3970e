package event

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// agreesWithRaw fails the test if what was understood of an event differs from
// what a reader of its raw envelope finds under the same names: a rule that
// looks at ev.raw.data.chat.id must see the chat that is marked read.
func agreesWithRaw(t failer, e Event) {
	t.Helper()
	var raw map[string]any
	if err := json.Unmarshal(e.Raw, &raw); err != nil {
		t.Fatalf("Raw is not an object: %v", err)
	}
	at := func(path string) string {
		var v any = raw
		for name := range strings.SplitSeq(path, ".") {
			object, _ := v.(map[string]any)
			v = object[name]
		}
		s, _ := v.(string)
		return s
	}
	// one: the value is the first of these that is a string, if strict; one of
	// them, or "", where the event's type leaves its shape open.
	strict := e.Type == MessageReceived
	one := func(what, got string, paths ...string) {
		t.Helper()
		var values []string
		for _, path := range paths {
			values = append(values, at(path))
		}
		if strict && got != first(values...) || !strict && got != "" && !slices.Contains(values, got) {
			t.Fatalf("%s is understood as %q, but %s are %q\n%s", what, got, paths, values, e.Raw)
		}
	}
	if typ := first(at("event_type"), at("event")); typ != "" && typ != e.Type {
		t.Fatalf("the type is %q, understood as %q\n%s", typ, e.Type, e.Raw)
	}
	if id := at("event_id"); id != "" && id != e.ID {
		t.Fatalf("event_id is %q, understood as %q\n%s", id, e.ID, e.Raw)
	}
	if e.Tenant != at("partner_id") {
		t.Fatalf("partner_id is %q, understood as %q\n%s", at("partner_id"), e.Tenant, e.Raw)
	}
	one("the chat", e.ChatID(), "data.chat.id", "data.chat.lead_id", "data.message.chat_id", "data.message.lead_id", "data.chat_id", "data.lead_id", "chat_id", "lead_id")
	one("the line", e.Line(), map[bool][]string{true: {"data.chat.owner_handle.handle", "to", "line_id"}, false: {"nothing"}}[e.Chat != nil]...)
	if e.Message != nil {
		one("the message", e.MessageID(), "data.message.id", "message_guid")
		one("the direction", e.Message.Direction, "data.message.direction")
		one("the sender", e.From, "data.message.sender_handle.handle", "from")
	}
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// TestNamesAreExact: whatever stands beside the fields of an event, in other
// letters, twice, with escapes or inside of strings, what is understood is what
// a reader of the raw envelope sees; and quick and slow agree.
func TestNamesAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := drawEnvelope(t)
		sameOutcome(t, body)
		e, err := Decode([]byte(body), Hints{ID: "header", Type: "by.header"})
		if err != nil {
			return // quarantined, whole
		}
		agreesWithRaw(t, e)
		row, err := Decode([]byte(`{"id": "evt", "type": "by.header", "event_id": "header", "Payload": {"event": "no"}, "payload": `+body+`}`), Hints{})
		if err != nil {
			t.Fatalf("in a row: %v\n%s", err, body)
		}
		row.Raw = e.Raw
		if !reflect.DeepEqual(row, e) {
			t.Fatalf("in a row it is another event\n%s\n row %+v\nbody %+v", body, row, e)
		}
	})
}

// sameOutcome fails the test if quick takes a body that slow reads otherwise.
func sameOutcome(t *rapid.T, body string) {
	got, ok := parseQuick([]byte(body))
	if !ok {
		return
	}
	want, err := parseSlow([]byte(body), MessageReceived)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("quick and slow differ (%v)\n%s\nquick %+v\n slow %+v", err, body, got, want)
	}
}

// drawEnvelope makes the text of an envelope whose objects have known fields,
// perhaps several times, and others that look like them.
func drawEnvelope(t *rapid.T) string {
	text := func() string {
		return rapid.SampledFrom([]string{`"a"`, `"b"`, `"c}"`, `"]d\"}"`, `"\\"`, `"\u0065"`, `""`, `"x{[,"`, `"f\\\"g"`}).Draw(t, "string")
	}
	odd := func() string {
		return rapid.SampledFrom([]string{`null`, `1`, `true`, `[]`, `{}`, `{"id": "z"}`, `["}"]`, `-1.5e3`}).Draw(t, "odd")
	}
	object := func(fields map[string]func() string) string {
		var known []string
		for name := range fields {
			known = append(known, name)
		}
		// In a fixed order, so that rapid can repeat a draw.
		for i := range known {
			for j := i + 1; j < len(known); j++ {
				if known[j] < known[i] {
					known[i], known[j] = known[j], known[i]
				}
			}
		}
		var parts []string
		for range rapid.IntRange(0, len(known)+2).Draw(t, "fields") {
			name := rapid.SampledFrom(known).Draw(t, "name")
			value := fields[name]
			switch rapid.IntRange(0, 11).Draw(t, "form") {
			case 0:
				name = strings.ToUpper(name)
			case 1:
				name = strings.ToUpper(name[:1]) + name[1:]
			case 2:
				name = fmt.Sprintf(`\u%04x%s`, name[0], name[1:])
			case 3:
				name += `_x\"}`
			case 4:
				value = odd
			}
			space := rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space")
			parts = append(parts, `"`+name+`"`+space+`:`+space+value())
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	truth := func() string { return rapid.SampledFrom([]string{"true", "false"}).Draw(t, "truth") }
	stamp := func() string {
		return rapid.SampledFrom([]string{`"2026-01-05T12:00:00Z"`, `"never"`}).Draw(t, "stamp")
	}
	handle := func() string {
		return object(map[string]func() string{"handle": text, "service": text, "is_me": truth})
	}
	list := func(element func() string) func() string {
		return func() string {
			var all []string
			for range rapid.IntRange(0, 2).Draw(t, "elements") {
				all = append(all, element())
			}
			return "[" + strings.Join(all, ", ") + "]"
		}
	}
	part := func() string {
		return object(map[string]func() string{"type": func() string { return `"text"` }, "value": text, "mime_type": text, "attachment_id": text})
	}
	chat := func() string {
		return object(map[string]func() string{"id": text, "is_group": truth, "handles": list(handle), "owner_handle": handle, "lead_id": text})
	}
	message := func() string {
		return object(map[string]func() string{"id": text, "direction": text, "sender_handle": handle, "parts": list(part), "sent_at": stamp, "chat_id": text, "lead_id": text})
	}
	data := func() string {
		return object(map[string]func() string{"chat": chat, "message": message, "chat_id": text, "lead_id": text})
	}
	typ := func() string {
		return rapid.SampledFrom([]string{`"message.received"`, `"lead_reply"`, `"line.moved"`}).Draw(t, "type")
	}
	return object(map[string]func() string{
		"event": typ, "event_type": typ, "event_id": text, "partner_id": text, "timestamp": stamp, "data": data,
		"from": text, "to": text, "text": text, "message_guid": text, "chat_id": text, "lead_id": text, "line_id": text,
	})
}

// TestSameMessage: the two forms in which one message comes are recognised, and
// two messages are not taken for one.
func TestSameMessage(t *testing.T) {
	t.Parallel()
	decode := func(body string) *Event {
		e, err := Decode([]byte(body), Hints{})
		if err != nil {
			t.Fatal(err)
		}
		return &e
	}
	message := `{"event":"message.received","event_id":"1","timestamp":"2026-01-05T12:00:01Z"%s,"data":{"chat":{"id":"c"},"message":{"id":"m1","parts":[{"type":"text","value":"hi"}],"sent_at":"2026-01-05T12:00:00Z"}}}`
	with := decode(fmt.Sprintf(message, `,"message_guid":"g1"`))
	if got := fmt.Sprint(with.MessageIDs()); got != "[m1 g1]" {
		t.Errorf("ids of a message with a guid: %s", got)
	}
	if got := decode(fmt.Sprintf(message, `,"message_guid":"m1"`)).MessageIDs(); len(got) != 1 || got[0] != "m1" {
		t.Errorf("a guid that is the id counts twice: %v", got)
	}
	reply := decode(`{"event":"lead_reply","event_id":"2","message_guid":"g1","text":"hi"}`)
	if got := fmt.Sprint(reply.MessageIDs()); got != "[g1]" || reply.MessageTexts() != nil {
		t.Errorf("a lead_reply with a guid has ids %s, texts %v", got, reply.MessageTexts())
	}
	for body, want := range map[string]bool{
		`{"event":"lead_reply","event_id":"2","timestamp":"2026-01-05T12:00:00.9Z","text":"hi"}`:      true,  // the message's second
		`{"event":"lead_reply","event_id":"2","timestamp":"2026-01-05T13:00:01.2+01:00","text":"hi"}`: true,  // the event's
		`{"event":"lead_reply","event_id":"2","timestamp":"2026-01-05T12:00:02Z","text":"hi"}`:        false, // a later one
		`{"event":"lead_reply","event_id":"2","timestamp":"2026-01-05T12:00:00Z","text":"Hi"}`:        false,
		`{"event":"lead_reply","event_id":"2","text":"hi"}`:                                           false,
		`{"event":"lead_reply","event_id":"2","timestamp":"2026-01-05T12:00:00Z","from":"+1"}`:        false,
	} {
		e := decode(body)
		shared := false
		for _, a := range with.MessageTexts() {
			for _, b := range e.MessageTexts() {
				shared = shared || a == b
			}
		}
		if shared != want || len(e.MessageIDs()) != 0 {
			t.Errorf("%s: shares a text %t, want %t; ids %v", body, shared, want, e.MessageIDs())
		}
	}
	if got := with.MessageTexts(); len(got) != 2 || strings.Contains(got[0], "hi") {
		t.Errorf("texts of a message: %v, want two keys without its text", got)
	}
}
