package rules

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// Reaching limits.kv is an error that names what does not fit, what is used, the
// limit and the fix. Nothing is lost by it, and what is deleted, replaced by less
// or has expired makes room.
func TestDraftIsHeldToItsLimit(t *testing.T) {
	t.Parallel()
	value := func(n int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) }
	before := &remembered{entries: map[string]Entry{
		"p a": {Key: "a", Value: value(29)},                                 // 30 bytes
		"p b": {Key: "b", Value: value(29), Expires: noon.Add(time.Second)}, // 30 bytes
		"q a": {Key: "a", Value: value(500)},
	}}
	m := &packMemory{pack: "p", limit: 100, before: before}
	fits := func(d *draft, key string, n int, want bool) {
		t.Helper()
		err := d.Set(key, value(n), 0)
		var full *KVFullError
		if want && err != nil || !want && !errors.As(err, &full) {
			t.Errorf("set %s of %d bytes: %v", key, n, err)
		}
	}
	d := newDraft(m)
	fits(d, "c", 40, false)
	fits(d, "c", 39, true) // 100 bytes: it is full
	fits(d, "d", 2, false)
	fits(d, "a", 30, false)
	fits(d, "a", 29, true) // no more than before
	fits(d, "c", 9, true)
	fits(d, "d", 29, true)
	must(t, d.Delete("d"))
	fits(d, "e", 29, true)
	fits(d, "f", 2, false)

	var o Outcome
	d.keep(&o)
	next := newDraft(m)
	fits(next, "f", 2, false)
	must(t, next.Delete("a"))
	fits(next, "f", 29, true)
	late := newDraft(m) // what the handler before it wrote is not kept
	fits(late, "f", 29, false)
	late.now = noon.Add(time.Second) // b is over
	before.entries["p b"] = Entry{Key: "b"}
	fits(late, "f", 29, true)

	err := newDraft(m).Set("much", value(2000), 0)
	var full *KVFullError
	if !errors.As(err, &full) {
		t.Fatal(err)
	}
	if want := `"much" (2.0 KiB) does not fit: pack "p" keeps 70 bytes in kv and may keep 100 bytes (limits.kv)`; err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if want := "give entries a ttl, delete those that are not needed with kv.delete, or raise it: `limits: {kv: 1KiB}` in pack.yaml"; full.Hint() != want {
		t.Errorf("got  %s\nwant %s", full.Hint(), want)
	}
}

// A pack that keeps more than its limit, because that was lowered, can be cleared.
func TestDraftOverItsLimit(t *testing.T) {
	t.Parallel()
	d := newDraft(&packMemory{pack: "p", limit: 10, before: &remembered{entries: map[string]Entry{
		"p a": {Key: "a", Value: json.RawMessage(`"` + strings.Repeat("x", 50) + `"`)},
		"p b": {Key: "b", Value: json.RawMessage(`"` + strings.Repeat("x", 50) + `"`)},
	}}})
	if d.Set("c", json.RawMessage(`1`), 0) == nil {
		t.Error("there is no room, and it fits")
	}
	must(t, d.Set("a", json.RawMessage(`"smaller"`), 0))
	must(t, d.Delete("b"))
	must(t, d.Set("a", json.RawMessage(`1`), 0))
	must(t, d.Set("c", json.RawMessage(`1`), 0))
}

// The operator's limits are over those of pack.yaml, which are over the defaults,
// for packs that are one file as well.
func TestLimitsOfTheOperator(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"one.lua":       `chert.on("message.received", function(ev) chert.cancel_read(ev.chat.id) end)`,
		"two/a.lua":     `chert.on("message.received", function(ev) chert.cancel_read(ev.chat.id) end)`,
		"two/pack.yaml": "limits: {steps: 2000, memory: 2MiB, kv: 3MiB, reads: 4/1m}",
	}
	four := Limits{Steps: 3000, Memory: 4 << 20, KV: 5 << 20, Reads: Rate{6, time.Hour}}
	for _, tt := range []struct {
		set map[string]PackOptions
		one Limits
		two Limits
	}{
		{nil, Limits{0, 32 << 20, 64 << 20, Rate{}}, Limits{2000, 2 << 20, 3 << 20, Rate{4, time.Minute}}},
		{map[string]PackOptions{"one": {Limits: four}, "two": {Limits: four}}, four, four},
		{map[string]PackOptions{"one": {Limits: Limits{KV: 7}}, "two": {Limits: Limits{Reads: Rate{1, time.Hour}}}},
			Limits{0, 32 << 20, 7, Rate{}}, Limits{2000, 2 << 20, 3 << 20, Rate{1, time.Hour}}},
	} {
		s := mustLoad(t, Options{Packs: tt.set}, files)
		for name, want := range map[string]Limits{"one": tt.one, "two": tt.two} {
			p := s.Pack(name)
			got := Limits{p.config.Limits.Steps, p.config.Limits.Memory, p.Manifest.KV, p.Manifest.Reads}
			if got != want || p.config.Limits.Retained != want.Memory*3/4/usualShards {
				t.Errorf("%v: limits of %s are %+v, it may keep %d; want %+v", tt.set, name, got, p.config.Limits.Retained, want)
			}
		}
	}
}

// A memory that can't say how much is kept is an error, not room.
func TestDraftCantMeasure(t *testing.T) {
	t.Parallel()
	before := &remembered{entries: map[string]Entry{"p a": {Key: "a", Value: json.RawMessage(`1234567`)}}}
	for _, known := range []bool{false, true} {
		m := &packMemory{pack: "p", limit: 10, before: before}
		before.err = nil
		if known { // how much there is at most was asked before
			must(t, newDraft(m).Set("b", json.RawMessage(`1`), 0))
		}
		before.err = errors.New("disk on fire")
		if err := newDraft(m).Set("c", json.RawMessage(`123456`), 0); err == nil || err.Error() != "disk on fire" || !m.broken {
			t.Errorf("known %t: %v, broken %t", known, err, m.broken)
		}
	}
}

func TestSizesForPeople(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64][2]string{
		1: {"1 bytes", "1KiB"}, 1023: {"1023 bytes", "1KiB"}, 1024: {"1.0 KiB", "1KiB"}, 1025: {"1.0 KiB", "2KiB"}, 1 << 20: {"1.0 MiB", "1MiB"},
		1<<20 + 1: {"1.0 MiB", "2MiB"}, 1<<20 - 1: {"1024.0 KiB", "1024KiB"}, 64<<20 + 1<<19: {"64.5 MiB", "65MiB"}, 1 << 30: {"1.0 GiB", "1024MiB"}, 3 << 29: {"1.5 GiB", "1536MiB"},
	} {
		if got := [2]string{sizeText(n), sizeOption(n)}; got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
		if back, err := parseSize(sizeOption(n)); err != nil || back < n {
			t.Errorf("%d as an option is %d, %v", n, back, err)
		}
	}
}
