package event

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// fromRawTells fails the test unless FromRaw is set exactly if Raw decodes to the event.
func fromRawTells(t failer, e Event) {
	t.Helper()
	again, err := Decode(e.Raw, Hints{ID: e.ID, Type: e.Type})
	again.FromRaw = e.FromRaw
	if same := err == nil && reflect.DeepEqual(again, e); same != e.FromRaw {
		t.Fatalf("FromRaw is %t, and Raw decodes to the same: %t (%v)\n%s\nfirst %+v\nagain %+v", e.FromRaw, same, err, e.Raw, e, again)
	}
}

// Decoding Raw again gives the event, unless the row around it named its chat or its
// envelope looks like a row.
func TestFromRawTellsWhetherRawHasAll(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		hints      Hints
		want       bool
	}{
		{"envelope", string(messageReceived), Hints{}, true},
		{"identity by header", `{"event":"ping","data":{"chat":{"id":"c1"}}}`, Hints{ID: "h"}, true},
		{"type by header", `{"from":"+1","text":"hi"}`, Hints{ID: "h", Type: "lead_reply"}, true},
		{"identity by hash", ` {"event": "ping"} `, Hints{}, true},
		{"row", rowOf(string(messageReceived)), Hints{}, true},
		{"identity and type by row", `{"id":"evt_1","type":"ping","payload":{"chat_id":"c1"}}`, Hints{}, true},
		{"chat by row", `{"id":"evt_1","type":"ping","lead_id":"l1","payload":{"event_id":"e"}}`, Hints{}, false},
		{"chat by row and envelope", `{"id":"evt_1","type":"ping","lead_id":"l1","payload":{"lead_id":"l1"}}`, Hints{}, true},
		{"malformed chat in a row", `{"id":"evt_1","type":"ping","lead_id":"l1","payload":{"data":{"chat":"c1"}}}`, Hints{}, true},
		{"a row within a row", `{"id":"evt_1","type":"ping","payload":{"payload":{"event":"pong"}}}`, Hints{}, false},
		{"a row's names within a row", `{"id":"evt_1","type":"ping","payload":{"id":1,"type":2}}`, Hints{}, false},
		{"an envelope with a row's names", `{"event":"ping","id":1,"type":2,"payload":{}}`, Hints{}, true},
	} {
		e, err := Decode([]byte(tt.body), tt.hints)
		if err != nil || e.FromRaw != tt.want {
			t.Errorf("%s: FromRaw is %t, %v", tt.name, e.FromRaw, err)
		}
		fromRawTells(t, e)
	}
}

func TestFromRawTellsForAnyRow(t *testing.T) {
	t.Parallel()
	seen := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		body := drawEnvelope(t)
		for range rapid.IntRange(0, 2).Draw(t, "rows") {
			fields := []string{`"payload": ` + body}
			for _, field := range [][]string{
				{`"id": "evt"`, `"id": null`}, {`"type": "message.received"`, `"type": "by.row"`}, {`"event_id": "row"`, `"event_id": ""`},
				{`"chat_id": "c"`, `"chat_id": 7`}, {`"lead_id": "l"`, `"lead_id": ""`},
			} {
				if i := rapid.IntRange(0, 3).Draw(t, field[0]); i < len(field) {
					fields = append(fields, field[i])
				}
			}
			body = "{" + strings.Join(rapid.Permutation(fields).Draw(t, "order"), ",") + "}"
		}
		e, err := Decode([]byte(body), Hints{ID: rapid.SampledFrom([]string{"", "header"}).Draw(t, "id hint"), Type: rapid.SampledFrom([]string{"", "by.header", "lead_reply"}).Draw(t, "type hint")})
		if err != nil {
			return // quarantined
		}
		seen[e.FromRaw]++
		fromRawTells(t, e)
	})
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("drawn were %v", seen)
	}
}
