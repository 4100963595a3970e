package event

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestQuickReadsTheDocumented: what Chert documents is read in one pass, and
// what it does not is left to encoding/json.
func TestQuickReadsTheDocumented(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		string(messageReceived): true,
		` {} `:                  true,
		`{"event": "x", "data": {"later": [1, {"a": null}, "\u00e9"]}}`: true,
		`{"event": "x", "text": "a\n\ud83d\ude00", "n": -1.5e3}`:        true,
		`{"event": "x", "text": "ä😀"}`:                                  true,
		`{"event": "x", "text": "` + "\xff" + `"}`:                      true,
		`{"data": {"chat": {"handles": []}, "message": {"parts": []}}}`: true,
		`{"event": "x", "event": "y"}`:                                  false,
		`{"event": "x", "Event": "y"}`:                                  false,
		`{"event": "x", "event_\u0069d": "y"}`:                          false,
		`{"event": null}`:                                               false,
		`{"event": "x", "payload": {}}`:                                 false,
		`{"event": 1}`:                                                  false,
		`{"event": "x", "n": 01}`:                                       false,
		`{"event": "x", "s": "\x"}`:                                     false,
		`{"event": "x"} x`:                                              false,
		`{"event": "x",}`:                                               false,
		`{"event": "x"`:                                                 false,
		`{"event": "a` + "\n" + `b"}`:                                   false,
		``:                                                              false,
	} {
		if _, ok := parseQuick([]byte(body)); ok != want {
			t.Errorf("%s: read %t, want %t", body, ok, want)
		}
		sameAsJSON(t, []byte(body))
	}
}

// FuzzQuick: whatever is read in one pass, encoding/json reads the same.
func FuzzQuick(f *testing.F) {
	f.Add(messageReceived)
	f.Add([]byte(`{"event": "x", "text": "a\n\ud83d\ude00\ud800", "n": [-1.5e3, true, {"b": {}}], "from": "` + "\xff" + `"}`))
	f.Fuzz(sameAsJSON)
}

func sameAsJSON(t *testing.T, body []byte) {
	if checkForm(body) != nil {
		return
	}
	got, ok := parseQuick(body)
	if !ok {
		return
	}
	var want envelope
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatalf("read, but encoding/json says %v\n%s", err, body)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("read otherwise than by encoding/json\n%s\n got %+v\nwant %+v", body, got, want)
	}
}
