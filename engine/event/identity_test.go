package event

import "testing"

// A delivery that can't be decoded has the same identity in the webhook and in the events
// log.
func TestRefusedDeliveriesHaveOneIdentity(t *testing.T) {
	t.Parallel()
	const hashed = `{"event_type":"message.received","data":"x"}`
	for body, want := range map[string]struct {
		hint string
		id   string
	}{
		`{"event_type":"message.received","event_id":"e1","data":"x"}`:                                              {"", "e1"},
		`{"id":"row1","type":"message.received","event_id":"e1","payload":{"event_id":"e1","data":"x"}}`:            {"", "e1"},
		`{"id":"row1","type":"message.received","event_id":"e1","payload":{"event":"message.received","data":"x"}}`: {"", "e1"},
		`{"event_type":"message.received","data":"x"} `:                                                             {"e1", "e1"},
		hashed: {"", hashOf([]byte(hashed))},
		`{"id":"row1","type":"message.received","payload": {"event_type": "message.received","data": "x"} }`: {"", hashOf([]byte(hashed))},
		`{"event_type":"message.received","event_id":7,"data":"x"}`:                                          {"e1", "e1"},
		"{\"event_type\":\"message.received\",\"event_id\":\"e\\u0000\",\"data\":\"x\"}":                     {"e1", "e1"},
		`not JSON`: {"e1", "e1"},
		`nor this`: {"", ""},
		`["e1"]`:   {"", ""},
		`null`:     {"", ""},
	} {
		if _, err := Decode([]byte(body), Hints{ID: want.hint}); err == nil {
			t.Errorf("%s: is decoded", body)
		}
		if id := IdentityOf([]byte(body), Hints{ID: want.hint}); id != want.id {
			t.Errorf("%s: identity %q, want %q", body, id, want.id)
		}
	}
}
