package event

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// messageReceived is the envelope of the API's documentation.
//
//go:embed testdata/message_received.json
var messageReceived []byte

// rowOf is the row in which the events log has an envelope.
func rowOf(payload string) string {
	return `{"id":"evt_01H","type":"message.received","event_id":"chert:msg:row","lead_id":"ld_7","convo_id":"cv_9",
		"payload":` + payload + `,"delivery":{"status":"delivered"},"created_at":"2026-04-29T18:15:25Z"}`
}

func TestDecodeDocumentedEnvelope(t *testing.T) {
	t.Parallel()
	me := Handle{Handle: "+14152165723", Service: "imessage", IsMe: True}
	them := Handle{Handle: "+14155551234", Service: "imessage", IsMe: False}
	parts := []Part{
		{Type: "text", Value: "Sure, what time?"},
		{Type: "media", AttachmentID: "in_536f1a2b", MimeType: "image/jpeg"},
	}
	want := Event{
		ID:     "chert:msg:7b7f4a1cc9d54809a1e4f1b2",
		Type:   MessageReceived,
		At:     time.Date(2026, 5, 24, 1, 35, 34, 0, time.UTC),
		Tenant: "acme-7a3f",
		Text:   "Sure, what time?",
		From:   "+14155551234",
		Chat:   &Chat{ID: "17f6e9ed-1f0c-4f3e-9a77-0c1d2e3f4a5b", Line: "+14152165723", IsGroup: False, Handles: []Handle{me, them}},
		Message: &Message{
			ID: "0D36042D-5C3B-4E0B-8A61-9A3A7F0E2B11", Direction: "inbound", Text: "Sure, what time?",
			From: "+14155551234", Service: "imessage", Parts: parts,
			SentAt: time.Date(2026, 5, 24, 1, 35, 33, 0, time.UTC),
		},
		Raw: messageReceived, FromRaw: true,
	}
	for name, body := range map[string][]byte{
		"webhook": messageReceived,
		"row":     []byte(rowOf(strings.TrimSpace(string(messageReceived)))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := Decode(body, Hints{ID: "evt_hint", Type: "other"})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.TrimSpace(string(e.Raw)), strings.TrimSpace(string(want.Raw)); got != want {
				t.Errorf("Raw is not the envelope as it came:\n%s", got)
			}
			e.Raw = want.Raw
			if !reflect.DeepEqual(e, want) {
				t.Errorf("got  %+v\nchat %+v\nmsg  %+v\nwant %+v", e, e.Chat, e.Message, want)
			}
		})
	}
}

// summary is what the tables below say of an event; chat and message are ""
// where there is none, and "-" where there is one without an id.
func summary(e Event) string {
	chat, message := "none", "none"
	if e.Chat != nil {
		chat = fmt.Sprintf("%s/%s", e.Chat.ID, e.Chat.Line)
	}
	if e.Message != nil {
		message = fmt.Sprintf("%s/%s", e.Message.ID, e.Message.Direction)
	}
	return fmt.Sprintf("%s %s chat=%s message=%s from=%s text=%q", e.ID, e.Type, chat, message, e.From, e.Text)
}

func TestDecodeForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		body  string
		hints Hints
		want  string
	}{
		{"legacy fields alone, type by header",
			`{"from":"+1415","to":"+1628","text":"hi","message_guid":"G1","line_id":7}`, Hints{"evt_1", "lead_reply"},
			`evt_1 lead_reply chat=none message=G1/ from=+1415 text="hi"`},
		{"legacy fields added: the envelope's win",
			`{"event":"message.received","event_id":"e1","from":"+1","to":"+2","text":"old","message_guid":"G1",
			  "data":{"chat":{"id":"c1"},"message":{"id":"m1","direction":"inbound","sender_handle":{"handle":"+9"},"parts":[{"type":"text","value":"new"}]}}}`, Hints{},
			`e1 message.received chat=c1/+2 message=m1/inbound from=+9 text="new"`},
		{"legacy fields fill what the envelope lacks",
			`{"event":"message.received","event_id":"e1","from":"+1","to":"+2","text":"old","message_guid":"G1","data":{"chat":{"id":"c1"},"message":{}}}`, Hints{},
			`e1 message.received chat=c1/+2 message=G1/ from=+1 text="old"`},
		{"lead_reply whose data is of its own kind",
			`{"event_type":"lead_reply","event_id":"e1","text":"yes","from":"+1","data":{"message":"yes","chat":[]}}`, Hints{},
			`e1 lead_reply chat=none message=/ from=+1 text="yes"`},
		{"reaction with data beyond chat and message",
			`{"event":"reaction.added","event_id":"r1","data":{"reaction":{"kind":"love"},"chat":{"id":"c1","owner_handle":{"handle":"+2"}},"message":{"id":"m1"}}}`, Hints{},
			`r1 reaction.added chat=c1/+2 message=m1/ from= text=""`},
		{"unknown type with the usual data",
			`{"event":"line.moved","event_id":"x1","data":{"chat":{"id":"c1"}}}`, Hints{},
			`x1 line.moved chat=c1/ message=none from= text=""`},
		{"unknown type with data of another shape",
			`{"event":"line.moved","event_id":"x1","from":{"line":1},"text":"moved","data":{"chat":"c1","message":{"id":"m1"}}}`, Hints{},
			`x1 line.moved chat=none message=m1/ from= text="moved"`},
		{"unknown type whose data is not an object",
			`{"event":"line.moved","event_id":"x1","data":"moved"}`, Hints{},
			`x1 line.moved chat=none message=none from= text=""`},
		{"no data", `{"event":"ping","event_id":"p1"}`, Hints{}, `p1 ping chat=none message=none from= text=""`},
		{"null counts as absent",
			`{"event":"message.received","event_type":null,"event_id":null,"timestamp":null,"from":null,"data":{"chat":null,"message":null}}`, Hints{ID: "h1"},
			`h1 message.received chat=none message=none from= text=""`},
		{"null within a chat and a message",
			`{"event":"message.received","event_id":"e1","data":{"chat":{"id":"c1","is_group":null,"handles":null,"owner_handle":null},"message":{"id":null,"parts":null,"sender_handle":null}}}`, Hints{},
			`e1 message.received chat=c1/ message=/ from= text=""`},
		{"an empty chat id counts as no chat", `{"event":"message.received","event_id":"e1","data":{"chat":{"id":""}}}`, Hints{},
			`e1 message.received chat=none message=none from= text=""`},
		{"an empty event_id gives way to the header's", `{"event":"ping","event_id":""}`, Hints{ID: "h1"},
			`h1 ping chat=none message=none from= text=""`},
		{"event_type before event", `{"event":"a","event_type":"b","event_id":"e"}`, Hints{Type: "c"},
			`e b chat=none message=none from= text=""`},
		{"text parts joined, others left out",
			`{"event":"message.received","event_id":"e","data":{"message":{"parts":[{"type":"text","value":"a"},{"type":"link","value":{"url":"u"}},{"type":"text","value":"b"}]}}}`, Hints{},
			`e message.received chat=none message=/ from= text="a\nb"`},
		{"row: the payload's event_id first", rowOf(`{"event":"ping","event_id":"p1"}`), Hints{ID: "h"},
			`p1 ping chat=ld_7/ message=none from= text=""`},
		{"row: then the row's event_id", rowOf(`{"event":"ping"}`), Hints{ID: "h"},
			`chert:msg:row ping chat=ld_7/ message=none from= text=""`},
		{"row: then its id", `{"id":"evt_9","type":"ping","payload":{}}`, Hints{},
			`evt_9 ping chat=none message=none from= text=""`},
		{"row: its id as a number", `{"id":9007199254740993,"type":"ping","payload":{}}`, Hints{},
			`9007199254740993 ping chat=none message=none from= text=""`},
		{"row: an id and a type of other kinds count as missing", `{"id":["x"],"type":5,"event_id":"e","payload":{"event":"ping"}}`, Hints{},
			`e ping chat=none message=none from= text=""`},
		{"row around a legacy payload: lead_id is the chat",
			rowOf(`{"from":"+1","to":"+2","text":"hi"}`), Hints{},
			`chert:msg:row message.received chat=ld_7/+2 message=/ from=+1 text="hi"`},
		{"row: the payload's chat before lead_id",
			rowOf(`{"event":"message.received","data":{"chat":{"id":"c1"}}}`), Hints{},
			`chert:msg:row message.received chat=c1/ message=none from= text=""`},
		{"row: a chat that can't be read is not replaced by lead_id",
			rowOf(`{"event":"line.moved","data":{"chat":"c1"}}`), Hints{},
			`chert:msg:row line.moved chat=none message=none from= text=""`},
		{"an id does not make a row", `{"id":"x","text":"hi"}`, Hints{"e", "lead_reply"},
			`e lead_reply chat=none message=/ from= text="hi"`},
		{"a type does not make a row", `{"type":"x","text":"hi"}`, Hints{"e", "lead_reply"},
			`e lead_reply chat=none message=/ from= text="hi"`},
		{"row's names mean nothing in an envelope", `{"event":"ping","event_id":"e","id":5,"type":[],"lead_id":{},"payload":"x"}`, Hints{},
			`e ping chat=none message=none from= text=""`},
		{"a name in other letters is another name",
			`{"EVENT":"pong","event":"ping","Event_Id":"a","event_id":"b","eVENT_ID":"c","Data":{"chat":{"id":"c1"}}}`, Hints{},
			`b ping chat=none message=none from= text=""`},
		{"the last of a name that is there twice, whole",
			`{"event":"ping","event_id":"a","event_id":"b","data":{"chat":{"id":"c1"},"message":{"id":"m1"}},"data":{"chat":{"id":"c2","id":"c3"}}}`, Hints{},
			`b ping chat=c3/ message=none from= text=""`},
		{"a null behind takes the value back", `{"event":"ping","event_id":"a","data":{"chat":{"id":"c1"}},"data":null}`, Hints{},
			`a ping chat=none message=none from= text=""`},
		{"a name written with escapes is the same name", `{"event":"ping","event_\u0069d":"a","d\u0061ta":{"chat":{"\u0069d":"c1"}}}`, Hints{},
			`a ping chat=c1/ message=none from= text=""`},
		{"lead_id beside legacy fields is the chat", `{"event":"lead_reply","event_id":"e","lead_id":"ld_1","convo_id":"cv_1","from":"+1","text":"hi"}`, Hints{},
			`e lead_reply chat=ld_1/ message=/ from=+1 text="hi"`},
		{"lead_id in data of its own kind", `{"event":"lead_reply","event_id":"e","text":"hi","data":{"lead_id":"ld_1","message":"hi"}}`, Hints{},
			`e lead_reply chat=ld_1/ message=/ from= text="hi"`},
		{"lead_id beside a chat without an id", `{"event":"ping","event_id":"e","lead_id":"ld_1","data":{"chat":{"owner_handle":{"handle":"+2"}}}}`, Hints{},
			`e ping chat=ld_1/+2 message=none from= text=""`},
		{"chat_id before lead_id, the inner before the outer", `{"event":"ping","event_id":"e","chat_id":"c1","lead_id":"l1","data":{"lead_id":"l2","chat_id":"c2"}}`, Hints{},
			`e ping chat=c2/ message=none from= text=""`},
		{"the chat's own id first", `{"event":"ping","event_id":"e","chat_id":"c1","lead_id":"l1","data":{"chat":{"id":"c0"}}}`, Hints{},
			`e ping chat=c0/ message=none from= text=""`},
		{"lead_id in the chat", `{"event":"message.received","event_id":"e","lead_id":"l1","data":{"lead_id":"l2","chat":{"lead_id":"l0"},"message":{"id":"m1","lead_id":"l3"}}}`, Hints{},
			`e message.received chat=l0/ message=m1/ from= text=""`},
		{"lead_id in the message", `{"event":"message.received","event_id":"e","lead_id":"l1","data":{"lead_id":"l2","message":{"id":"m1","lead_id":"l0"}}}`, Hints{},
			`e message.received chat=l0/ message=m1/ from= text=""`},
		{"chat_id in the message, in a row", `{"id":"evt_1","type":"message.received","lead_id":"l1","payload":{"event_id":"e","data":{"message":{"id":"m1","chat_id":"c0","lead_id":"l0"}}}}`, Hints{},
			`e message.received chat=c0/ message=m1/ from= text=""`},
		{"an id that is not a string names no chat", `{"event":"ping","event_id":"e","lead_id":7,"data":{"chat_id":{"id":"c1"}}}`, Hints{},
			`e ping chat=none message=none from= text=""`},
		{"row: its chat_id", `{"id":"evt_1","type":"ping","chat_id":"c1","lead_id":"l1","payload":{}}`, Hints{},
			`evt_1 ping chat=c1/ message=none from= text=""`},
		{"line_id is the line where nothing else says it", `{"event":"lead_reply","event_id":"e","lead_id":"l1","line_id":"pl_1"}`, Hints{},
			`e lead_reply chat=l1/pl_1 message=none from= text=""`},
		{"to before line_id", `{"event":"lead_reply","event_id":"e","lead_id":"l1","to":"+2","line_id":"pl_1"}`, Hints{},
			`e lead_reply chat=l1/+2 message=none from= text=""`},
		{"brackets, quotes and escapes within strings end nothing",
			`{"x":"}],\"{[\\","event":"ping","y":{"z":"\\\"}"},"event_id":"e","data":{"w":["]}\\"],"chat":{"n":"{\"id\":\"no\"}","id":"c}1]"}}}`, Hints{},
			`e ping chat=c}1]/ message=none from= text=""`},
		{"identity by hash", `{"event":"ping"}`, Hints{},
			// printf '{"event":"ping"}' | sha256sum
			`sha256:2e7cda3ca871a2f6dadd2ace4a66385bdefba7d32c11f8846fb0b628f354f82c ping chat=none message=none from= text=""`},
		{"identity by hash, written otherwise", " {\r\n \"event\" :\t\"ping\" }\n", Hints{},
			`sha256:2e7cda3ca871a2f6dadd2ace4a66385bdefba7d32c11f8846fb0b628f354f82c ping chat=none message=none from= text=""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := Decode([]byte(tt.body), tt.hints)
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(e); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDecodeTimestamps(t *testing.T) {
	t.Parallel()
	tests := []struct{ stamp, want string }{
		{`"2026-05-24T01:35:34Z"`, "2026-05-24T01:35:34Z"},
		{`"2026-05-24T01:35:34.123456Z"`, "2026-05-24T01:35:34.123456Z"},
		{`"2026-05-24T01:35:34+02:00"`, "2026-05-23T23:35:34Z"},
		{`"yesterday"`, ""},
		{`"2026-05-24"`, ""},
		{`""`, ""},
		{`1716514534`, ""},
		{`{"at":1}`, ""},
		{`"0001-01-01T00:00:00Z"`, ""},
		{`"9999-01-01T00:00:00Z"`, ""},
		{`"1969-12-31T23:59:59Z"`, ""},
		{`"1970-01-01T00:00:00Z"`, "1970-01-01T00:00:00Z"},
		{`"2261-12-31T23:59:59Z"`, "2261-12-31T23:59:59Z"},
		{`"2262-01-01T00:00:00Z"`, ""},
	}
	for _, tt := range tests {
		e, err := Decode([]byte(`{"event":"message.received","timestamp":`+tt.stamp+`,"data":{"message":{"id":"m","sent_at":`+tt.stamp+`}}}`), Hints{})
		if err != nil {
			t.Errorf("%s: %v", tt.stamp, err)
			continue
		}
		for field, at := range map[string]time.Time{"At": e.At, "SentAt": e.Message.SentAt} {
			got := ""
			if !at.IsZero() {
				got = at.Format(time.RFC3339Nano)
			}
			if got != tt.want {
				t.Errorf("%s: %s is %q, want %q", tt.stamp, field, got, tt.want)
			}
		}
	}
}

func TestDecodeMalformed(t *testing.T) {
	t.Parallel()
	message := func(data string) string {
		return `{"event":"message.received","event_id":"e","data":` + data + `}`
	}
	tests := []struct {
		name, body string
		hints      Hints
		want       string
	}{
		{"empty", "", Hints{}, "the body is empty"},
		{"only space", " \n", Hints{}, "the body is empty"},
		{"not JSON", "hello", Hints{}, "not JSON: invalid character 'h' looking for beginning of value at byte 1"},
		{"cut short", `{"event":"message.rec`, Hints{}, "not JSON: unexpected end of JSON input at byte 21"},
		{"a wrong escape in a time stamp", `{"event":"a","timestamp":"\2026"}`, Hints{}, "not JSON: invalid character '2' in string escape code at byte 28"},
		{"two bodies", `{"event":"a"}{"event":"b"}`, Hints{}, "not JSON: invalid character '{' after top-level value at byte 14"},
		{"nullx", `nullx`, Hints{}, "not JSON: invalid character 'x' after top-level value at byte 5"},
		{"null", `null`, Hints{}, "want an object, got null"},
		{"array", `[]`, Hints{Type: "a"}, "want an object, got an array"},
		{"string", `"message.received"`, Hints{}, "want an object, got a string"},
		{"number", `17`, Hints{}, "want an object, got a number"},
		{"no type", `{"event_id":"e"}`, Hints{ID: "h"}, "event_type: missing: neither event_type nor event says what this is"},
		{"event", `{"event":5}`, Hints{}, "event: want a string, got a number"},
		{"event_id", `{"event":"x.unknown","event_id":{}}`, Hints{}, "event_id: want a string, got an object"},
		{"event_id behind loose data", `{"event":"x.unknown","data":1,"event_id":{}}`, Hints{}, "event_id: want a string, got an object"},
		{"partner_id", `{"event":"x.unknown","partner_id":true}`, Hints{}, "partner_id: want a string, got a boolean"},
		{"data", message(`[]`), Hints{}, "data: want an object, got an array"},
		{"chat", message(`{"chat":"c1"}`), Hints{}, "data.chat: want an object, got a string"},
		{"chat id", message(`{"chat":{"id":1}}`), Hints{}, "data.chat.id: want a string, got a number"},
		{"is_group", message(`{"chat":{"id":"c","is_group":"no"}}`), Hints{}, "data.chat.is_group: want a boolean, got a string"},
		{"handles", message(`{"chat":{"handles":{}}}`), Hints{}, "data.chat.handles: want an array, got an object"},
		{"is_me", message(`{"chat":{"handles":[{"is_me":1}]}}`), Hints{}, "data.chat.handles[0].is_me: want a boolean, got a number"},
		{"owner", message(`{"chat":{"owner_handle":"+1"}}`), Hints{}, "data.chat.owner_handle: want an object, got a string"},
		{"message", message(`{"message":[]}`), Hints{}, "data.message: want an object, got an array"},
		{"direction", message(`{"message":{"direction":0}}`), Hints{}, "data.message.direction: want a string, got a number"},
		{"parts", message(`{"message":{"parts":"hi"}}`), Hints{}, "data.message.parts: want an array, got a string"},
		{"part", message(`{"message":{"parts":["hi"]}}`), Hints{}, "data.message.parts[0]: want an object, got a string"},
		{"text part", message(`{"message":{"parts":[{"type":"text","value":"a"},{"type":"text","value":[1]}]}}`), Hints{}, "data.message.parts[1].value: want a string, got an array"},
		{"reaction's chat", `{"event":"reaction.added","data":{"chat":7}}`, Hints{}, "data.chat: want an object, got a number"},
		{"legacy text", `{"event":"lead_reply","text":5}`, Hints{}, "text: want a string, got a number"},
		{"legacy text behind loose data", `{"event":"lead_reply","data":"x","text":5}`, Hints{}, "text: want a string, got a number"},
		{"type by header is held to its shape", `{"text":5}`, Hints{Type: "lead_reply"}, "text: want a string, got a number"},
		{"row without payload", `{"id":"evt_1","type":"message.received","lead_id":"l","payload":null}`, Hints{}, "payload: missing: a row of the events log without its envelope"},
		{"row with a text payload", rowOf(`"{}"`), Hints{}, "payload: want an object, got a string"},
		{"row's payload", rowOf(`{"event":"message.received","data":{"chat":{"is_group":3}}}`), Hints{}, "payload.data.chat.is_group: want a boolean, got a number"},
		{"message_guid", `{"event":"lead_reply","message_guid":"\u0001","data":{"message":{"id":"m1"}}}`, Hints{}, "message_guid: has control characters"},
		{"long id", `{"event":"ping","event_id":"` + strings.Repeat("x", 513) + `"}`, Hints{}, "event_id: longer than 512 bytes"},
		{"control character in chat id", message(`{"chat":{"id":"c\u0000"}}`), Hints{}, "data.chat.id: has control characters"},
		{"line end in message id", message(`{"message":{"id":"m\n"}}`), Hints{}, "data.message.id: has control characters"},
		{"control character in header", `{"event":"ping"}`, Hints{ID: "a\tb"}, "event_id: has control characters"},
		{"broken encoding in id", "{\"event\":\"ping\",\"event_id\":\"a\xff\"}", Hints{}, "event_id: not valid UTF-8"},
		{"half a surrogate pair in id", `{"event":"ping","event_id":"a\ud800"}`, Hints{}, "event_id: not valid UTF-8"},
		{"nested too deep", `{"event":"ping","data":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, Hints{}, "nested more than 200 deep"},
		{"a megabyte of nesting", strings.Repeat("[", 1<<20), Hints{}, "nested more than 200 deep"},
		{"a megabyte of objects", strings.Repeat(`{"data":`, 1<<17), Hints{}, "nested more than 200 deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := Decode([]byte(tt.body), tt.hints)
			malformed, ok := errors.AsType[*MalformedError](err)
			if !ok {
				t.Fatalf("error %v (%T), want a *MalformedError; event %s", err, err, summary(e))
			}
			if malformed.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", malformed, tt.want)
			}
		})
	}
}

// Brackets in texts are not nesting, and width is not depth.
func TestDecodeManyBrackets(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"event":"ping","event_id":"e","text":"` + strings.Repeat(`[{\"`, 1000) + `"}`,
		`{"event":"ping","event_id":"e","data":{"x":[` + strings.Repeat(`[],`, 1000) + `[]]}}`,
	} {
		if _, err := Decode([]byte(body), Hints{}); err != nil {
			t.Errorf("%.60s…: %v", body, err)
		}
	}
}

// A record of what was refused goes to logs, where texts don't belong.
func TestMalformedErrorHoldsNoText(t *testing.T) {
	t.Parallel()
	_, err := Decode([]byte(`{"event":"message.received","data":{"chat":{"is_group":"the code is 424242"}}}`), Hints{})
	if err == nil || strings.Contains(err.Error(), "424242") {
		t.Errorf("error %v holds the delivery's text", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(messageReceived, "", "")
	f.Add([]byte(rowOf(string(messageReceived))), "evt_1", "message.received")
	for _, body := range []string{
		`{"from":"+1415","to":"+1628","text":"hi","message_guid":"G1"}`,
		`{"event":"reaction.added","event_id":"r1","data":{"chat":{"id":"c1"},"message":{"id":"m1"}}}`,
		`{"event":"line.moved","data":{"chat":"c1","message":3},"text":[]}`,
		`{"id":"evt_9","type":"ping","payload":{"event":"ping","payload":{}}}`,
		`{"id":"evt_9","type":"ping","payload":{"payload":{"event":"ping"}}}`, `{"type":"ping","lead_id":"c1","payload":{}}`,
		`{"event":"ping","event_id":"\ud800"}`, `null`, `[[[[`, "",
	} {
		f.Add([]byte(body), "", "lead_reply")
	}
	f.Fuzz(func(t *testing.T, body []byte, id, typ string) {
		e, err := Decode(body, Hints{ID: id, Type: typ})
		if err != nil {
			if _, ok := errors.AsType[*MalformedError](err); !ok {
				t.Fatalf("error %v (%T), want a *MalformedError", err, err)
			}
			return
		}
		if e.ID == "" || e.Type == "" || e.Chat != nil && e.Chat.ID == "" || len(e.Raw) == 0 {
			t.Fatalf("incomplete event %+v", e)
		}
		fromRawTells(t, e)
		if bytes.Equal(e.Raw, body) { // else a row was around it, which may name the chat
			agreesWithRaw(t, e)
		}
	})
}

// A delivery of the documented shape costs the parts of its event, and nothing else.
func TestDecodeAllocatesLittle(t *testing.T) {
	body := bytes.Clone(messageReceived)
	const most = 18
	if n := testing.AllocsPerRun(100, func() { Decode(body, Hints{}) }); n > most {
		t.Errorf("a delivery allocates %.0f objects, want at most %d", n, most)
	}
}

func BenchmarkDecode(b *testing.B) {
	var compact bytes.Buffer // as on the wire
	if err := json.Compact(&compact, messageReceived); err != nil {
		b.Fatal(err)
	}
	row := []byte(rowOf(compact.String()))
	for _, bm := range []struct {
		name string
		body []byte
	}{{"envelope", compact.Bytes()}, {"row", row}} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(bm.body, Hints{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
