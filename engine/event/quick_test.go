package event

import (
	"reflect"
	"testing"
)

// TestQuickReadsTheDocumented: what Chert documents is read in one pass, and
// what it does not is left to slow.
func TestQuickReadsTheDocumented(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		string(messageReceived): true,
		` {} `:                  true,
		`{"event": "x", "data": {"later": [1, {"a": null}, "\u00e9"]}}`:                                true,
		`{"event": "x", "text": "a\n\ud83d\ude00", "n": -1.5e3}`:                                       true,
		`{"event": "x", "text": "ä😀"}`:                                                                 true,
		`{"event": "x", "text": "` + "\xff" + `"}`:                                                     true,
		`{"data": {"chat": {"handles": []}, "message": {"parts": []}}}`:                                true,
		`{"event": "x", "event": "y"}`:                                                                 false,
		`{"event": "x", "Event": "y"}`:                                                                 true,
		`{"event": "x", "y": 1, "y": 2}`:                                                               true,
		`{"event": "x", "t": "}{][\"\\", "text": "{[\\"}`:                                              true,
		`{"event": "x", "t": "\\", "text": "\"}"}`:                                                     true,
		`{"event": "x", "payload": {}}`:                                                                true,
		`{"lead_id": "l", "chat_id": 1, "line_id": {}, "id": [], "type": "a{", "payload": {"b": "}"}}`: true,
		`{"event_type": "x", "event": "x", "event_id": "e", "partner_id": "p", "timestamp": "", "data": {}, "from": "f", "to": "t", "text": "x", "message_guid": "g", "chat_id": "c", "lead_id": "l", "line_id": "n", "id": 1, "type": 2, "payload": 3}`: true,
		`{"lead_id": "l", "lead_id": "l"}`:                  false,
		`{"data": {"lead_id": "l", "chat_id": []}}`:         true,
		`{"data": {"lead_id": "l", "lead_id": "m"}}`:        false,
		`{"data": {"chat": {"id": "a", "id": "b"}}}`:        false,
		`{"data": {"message": {"parts": [{"value": {}}]}}}`: false,
		`{"payload": {}`:                       false,
		`{"payload": tru}`:                     false,
		`{"event": "x", "event_\u0069d": "y"}`: false,
		`{"event": null}`:                      false,
		`{"event": 1}`:                         false,
		`{"event": "x", "n": 01}`:              false,
		`{"event": "x", "s": "\x"}`:            false,
		`{"event": "x"} x`:                     false,
		`{"event": "x",}`:                      false,
		`{"event": "x"`:                        false,
		`{"event": "a` + "\n" + `b"}`:          false,
		``:                                     false,
	} {
		if _, ok := parseQuick([]byte(body)); ok != want {
			t.Errorf("%s: read %t, want %t", body, ok, want)
		}
		sameAsSlow(t, []byte(body))
	}
}

// FuzzQuick: whatever is read in one pass, slow reads the same.
func FuzzQuick(f *testing.F) {
	f.Add(messageReceived)
	f.Add([]byte(rowOf(string(messageReceived))))
	f.Add([]byte(`{"event": "x", "text": "a\n\ud83d\ude00\ud800", "n": [-1.5e3, true, {"b": {}}], "from": "` + "\xff" + `"}`))
	f.Add([]byte(`{"Event": "x", "t": "}{][\"\\", "text": "{[\\", "data": {"Chat": {"id": "no"}, "chat": {"ID": "no"}}}`))
	f.Fuzz(sameAsSlow)
}

func sameAsSlow(t *testing.T, body []byte) {
	if checkForm(body) != nil {
		return
	}
	got, ok := parseQuick(body)
	if !ok {
		return
	}
	want, err := parseSlow(body, MessageReceived) // the strictest
	if err != nil {
		t.Fatalf("read, but slow says %v\n%s", err, body)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("read otherwise than by slow\n%s\n got %+v\nwant %+v", body, got, want)
	}
}

// TestQuickTakesNothingDamaged damages an envelope that has every kind of value, at
// each of its bytes and in each way that JSON may be damaged: what is read in one
// pass all the same, slow reads the same.
func TestQuickTakesNothingDamaged(t *testing.T) {
	t.Parallel()
	const whole = `{"event":"x", "from":"a\n\"", "text":"é" , "n":[-1.5e3,true,{"b":null},[]],"chat_id":7,
"data":{"chat":{"id":"c","is_group":false,"handles":[{"handle":"+1","is_me":true},{}]},"message":{"parts":[{"type":"text","value":"v"}],"sent_at":"2026-01-05T12:00:00Z"}},"payload":{"k":0}}`
	if _, ok := parseQuick([]byte(whole)); !ok {
		t.Fatal("it is not read whole")
	}
	for at := range len(whole) {
		sameAsSlow(t, []byte(whole[:at]))              // cut
		sameAsSlow(t, []byte(whole[:at]+whole[at+1:])) // a byte lost
		for _, c := range "{}[\":,\\\n0" {
			sameAsSlow(t, []byte(whole[:at]+string(c)+whole[at:]))   // put in
			sameAsSlow(t, []byte(whole[:at]+string(c)+whole[at+1:])) // in the place of another
		}
		sameAsSlow(t, []byte(whole[:at]+"\xff"+whole[at:]))
	}
	// A value that is missing where nothing follows.
	for _, cut := range []string{`{"x":`, `{"x": `, `{"x":[`, `{:1}`, `{"x":1,:2}`, `{"event":"x",:1}`} {
		if _, ok := parseQuick([]byte(cut)); ok {
			t.Errorf("%s is read", cut)
		}
	}
}
