package event

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSignalIsAnEventOfItsChat(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	e, err := NewSignal(SignalSpec{Name: "human_replied", Chat: "c1", ID: "4711", At: at, Data: json.RawMessage(`{"agent": "<Ann>", "n": [1, 2]}`)})
	if err != nil {
		t.Fatal(err)
	}
	if e.ID != "signal:4711" || e.Type != "signal:human_replied" || e.Signal() != "human_replied" || e.ChatID() != "c1" || e.Source != SourceSignal || !e.At.Equal(at) || e.Message != nil {
		t.Errorf("got %+v", e)
	}
	if got := string(e.Data); got != `{"agent":"<Ann>","n":[1,2]}` {
		t.Errorf("got the data %s", got)
	}
	if e.Inbound() || e.InboundMessage() || e.New() || e.LegacyReply() || e.Direction() != "" {
		t.Error("a signal is not a message, and can't be unread")
	}
	again, err := Again(e.Raw, Hints{ID: e.ID, Type: e.Type}, e.Source)
	if err != nil || !reflect.DeepEqual(again, e) {
		t.Errorf("decoded again %+v, %v\nwant %+v", again, err, e)
	}
}

func TestSignalDataIsAnyValue(t *testing.T) {
	t.Parallel()
	for _, data := range []string{`"text"`, `7`, `true`, `false`, `[]`, `{}`, `[null]`} {
		e, err := NewSignal(SignalSpec{Name: "n", Chat: "c", ID: "1", Data: json.RawMessage(data)})
		if err != nil || string(e.Data) != data {
			t.Errorf("%s: got %s, %v", data, e.Data, err)
		}
	}
	for _, none := range []json.RawMessage{nil, json.RawMessage(`null`)} {
		if e, err := NewSignal(SignalSpec{Name: "n", Chat: "c", Data: none}); err != nil || e.Data != nil {
			t.Errorf("%s: got %s, %v", none, e.Data, err)
		}
	}
}

// An id of Chert's never equals that of a signal, in whatever place it comes.
func TestSignalsHaveIdsOfTheirOwn(t *testing.T) {
	t.Parallel()
	signal, err := NewSignal(SignalSpec{Name: "n", Chat: "c1", ID: "4711"})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{signal.ID: true}
	for _, tt := range []struct {
		body string
		h    Hints
	}{
		{`{"event":"message.received","event_id":"signal:4711","data":{"chat":{"id":"c1"}}}`, Hints{}},
		{`{"event":"message.received","event_id":"signal:4712","data":{"chat":{"id":"c1"}}}`, Hints{}},
		{`{"event":"signal:n","data":{"chat":{"id":"c1"}}}`, Hints{ID: "signal:4713"}},
		{`{"id":"signal:4714","type":"message.received","payload":{"event":"message.received","data":{"chat":{"id":"c1"}}}}`, Hints{}},
	} {
		e, err := Decode([]byte(tt.body), tt.h)
		if err != nil {
			t.Fatal(err)
		}
		if ids[e.ID] || strings.HasPrefix(e.ID, SignalPrefix) || e.Signal() != "" {
			t.Errorf("%s: its id is %q, and it is the signal %q", tt.body, e.ID, e.Signal())
		}
		ids[e.ID] = true
		if again, err := Decode(e.Raw, Hints{ID: e.ID, Type: e.Type}); err != nil || again.ID != e.ID {
			t.Errorf("%s: decoded again its id is %q, was %q (%v)", tt.body, again.ID, e.ID, err)
		}
		if id := IdentityOf([]byte(tt.body), tt.h); tt.h.ID == "" && strings.Contains(tt.body, "event_id") && id != e.ID {
			t.Errorf("%s: in quarantine its identity is %q, want %q", tt.body, id, e.ID)
		}
	}
}

func TestMalformedSignalNamesTheField(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 40_000)
	for _, tt := range []struct{ body, want string }{
		{`{"chat":"c1"}`, "name: missing"},
		{`{"name":"human replied","chat":"c1"}`, "name: has a space"},
		{`{"name":"a*","chat":"c1"}`, "name: has a space, a *"},
		{`{"name":"signal:x","chat":"c1"}`, `name: want it without "signal:"`},
		{`{"name":"` + long[:201] + `","chat":"c1"}`, "name: longer than 200 bytes"},
		{`{"name":7,"chat":"c1"}`, "name: want a string, got number"},
		{`{"name":"n"}`, "chat: missing"},
		{`{"name":"n","chat":"a\u0000b"}`, "chat: has control characters"},
		{`{"name":"n","chat":"c1","id":"` + long[:257] + `"}`, "id: longer than 256 bytes"},
		{`{"name":"n","chat":"c1","id":"a\nb"}`, "id: has control characters"},
		{`{"name":"n","chat":"c1","id":"a\u0007b"}`, "id: has control characters"},
		{`{"name":"n","chat":"c1","data":"` + long + `"}`, "data: larger than 32 KiB: 40002 bytes"},
		{`{"name":"n","chat":"c1","data":` + strings.Repeat("[", 51) + strings.Repeat("]", 51) + `}`, "data: nested more than 50 deep"},
		{`{"name":"n","chat":"c1","data":"` + "\xff" + `"}`, "data: not valid UTF-8"},
		{`{"name":"n","chat":"c1","at":"yesterday"}`, "at: want a time"},
		{`{"name":"n","chat":"c1","text":"x"}`, `unknown field "text"`},
		{`{"name":"n","chat":"c1","Chat":"c2"}`, `unknown field "Chat"`},
		{`{"name":"n","chat":"c1","chat":"c2"}`, "chat: it is there twice"},
		{`{"name":"n","chat":"c1","data":{"a":1},"d\u0061ta":2}`, "data: it is there twice"},
		{`{"name":"n","chat":"c1"} {}`, "there is more"},
		{`[]`, "want an object, got array"},
		{`null`, "want an object, got null"},
		{``, "the body is empty"},
	} {
		_, err := DecodeSignal([]byte(tt.body))
		if malformed := (*MalformedError)(nil); !errors.As(err, &malformed) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.80s: got %v, want %s", tt.body, err, tt.want)
		}
	}
}

func TestIsSignalTellsFilesApart(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`{"name":"n","chat":"c1"}`: true,
		`{"name":"n"}`:             true, // its error is that of a signal
		`{"event":"message.received","name":"n","chat":"c1"}`:       false,
		`{"id":"1","type":"message.received","payload":{}}`:         false,
		`{"name":"n","chat":"c1","payload":{"event":"x"},"id":"4"}`: false,
		`{}`: false, `7`: false, `nonsense`: false,
	} {
		if got := IsSignal([]byte(body)); got != want {
			t.Errorf("%s: got %t", body, got)
		}
	}
}

func FuzzDecodeSignal(f *testing.F) {
	f.Add([]byte(`{"name":"human_replied","chat":"c1","id":"4711","at":"2026-01-05T12:00:00Z","data":{"agent":"Ann"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := DecodeSignal(body)
		if err != nil {
			return
		}
		if !strings.HasPrefix(e.ID, SignalPrefix) || e.Signal() == "" || e.ChatID() == "" || len(e.Data) > 0 && !json.Valid(e.Data) {
			t.Fatalf("%s: got %+v", body, e)
		}
		if again, err := Again(e.Raw, Hints{ID: e.ID, Type: e.Type}, e.Source); err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%s: decoded again %+v, %v", body, again, err)
		}
	})
}
