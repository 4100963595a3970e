package rules

import (
	"encoding/json"
	"testing"
	"time"

	"chertd/luabind"
)

// kv.incr counts within the time its first count began: writing with KeepTTL
// leaves the expiry as it stands, wherever the entry stands.
func TestDraftKeepsExpiry(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) time.Time { return noon.Add(d) }
	m := &packMemory{
		pack: "p",
		before: &remembered{entries: map[string]Entry{
			"p stored":  {Key: "stored", Value: json.RawMessage(`1`), Expires: in(time.Hour)},
			"p forever": {Key: "forever", Value: json.RawMessage(`1`)},
			"p expired": {Key: "expired", Value: json.RawMessage(`1`), Expires: in(-time.Second)},
		}},
	}
	m.written.Set(Entry{Key: "earlier", Value: json.RawMessage(`1`), Expires: in(time.Minute)})
	d := newDraft(m)
	if err := d.Set("own", json.RawMessage(`1`), time.Second); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]time.Time{
		"stored": in(time.Hour), "earlier": in(time.Minute), "own": in(time.Second), "forever": {}, "expired": {}, "new": {},
	} {
		if err := d.Set(key, json.RawMessage(`2`), luabind.KeepTTL); err != nil {
			t.Fatal(err)
		}
		if e, _ := d.writes.Get(key); !e.Expires.Equal(want) {
			t.Errorf("%s expires at %v, want %v", key, e.Expires, want)
		}
	}
}
