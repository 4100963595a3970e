package event

import (
	"encoding/json"
	"testing"
)

// A flag that Chert leaves out, or sends as null, is unknown, on every path by
// which an envelope is read.
func TestMissingFlagIsUnknown(t *testing.T) {
	t.Parallel()
	for chat, want := range map[string]Truth{
		`{"id":"c1"}`:                                      Unknown,
		`{"id":"c1","is_group":null}`:                      Unknown,
		`{"id":"c1","is_group":false}`:                     False,
		`{"id":"c1","is_group":true}`:                      True,
		`{"id":"c1","is_group":true,"extra":{"X":[null]}}`: True, // not read by quick
	} {
		body := `{"event":"reaction.added","event_id":"e","data":{"chat":` + chat + `}}`
		row := `{"id":"evt","type":"lead_reply","lead_id":"c1","payload":{"event":"lead_reply","text":"x"}}`
		e, err := Decode([]byte(body), Hints{})
		if err != nil || e.Chat.IsGroup != want {
			t.Errorf("%s is a group: %d, %v; want %d", chat, e.Chat.IsGroup, err, want)
		}
		if e, err = Decode([]byte(row), Hints{}); err != nil || e.Chat.IsGroup != Unknown || e.Chat.Handles != nil {
			t.Errorf("the chat of a legacy row: %+v, %v; want nothing known but its id", e.Chat, err)
		}
	}
}

func TestHandlesAndPartsUnknownIsNotNone(t *testing.T) {
	t.Parallel()
	for data, known := range map[string]bool{
		`{"chat":{"id":"c"},"message":{"id":"m"}}`:                               false,
		`{"chat":{"id":"c","handles":null},"message":{"id":"m","parts":null}}`:   false,
		`{"chat":{"id":"c","handles":[]},"message":{"id":"m","parts":[]}}`:       true,
		`{"chat":{"id":"c","handles":[{}]},"message":{"id":"m","parts":[{}]}}`:   true,
		`{"chat":{"id":"c","handles":[],"A":1},"message":{"id":"m","parts":[]}}`: true,
	} {
		e, err := Decode([]byte(`{"event":"message.received","event_id":"e","data":`+data+`}`), Hints{})
		if err != nil {
			t.Fatal(err)
		}
		_, hasMedia := e.HasMedia().Known()
		if (e.Chat.Handles != nil) != known || (e.Message.Parts != nil) != known || hasMedia != known || e.TextKnown() != known {
			t.Errorf("%s: handles %#v, parts %#v, media known %t, text known %t; want all known: %t", data, e.Chat.Handles, e.Message.Parts, hasMedia, e.TextKnown(), known)
		}
	}
}

func TestTruthSurvivesJSON(t *testing.T) {
	t.Parallel()
	for _, want := range []Truth{Unknown, False, True} {
		b, err := json.Marshal(want)
		got := True
		if err != nil || json.Unmarshal(b, &got) != nil || got != want {
			t.Errorf("%d is written %s and read %d, %v", want, b, got, err)
		}
	}
	for _, wrong := range []string{`"true"`, `1`, `{}`, `[]`} {
		var v Truth
		if json.Unmarshal([]byte(wrong), &v) == nil {
			t.Errorf("%s was read as %d", wrong, v)
		}
	}
}
