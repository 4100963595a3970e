package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chertd/engine/event"
)

// unknowns are all keys of where: values of which an event has one, and what
// takes the field from it.
var unknowns = []struct {
	key    string
	values []any
	lack   func(*event.Event)
}{
	{"chat", []any{"c1", "c2"}, func(ev *event.Event) { ev.Chat = nil }},
	{"is_group", []any{true, false}, func(ev *event.Event) { ev.Chat.IsGroup = event.Unknown }},
	{"is_group", []any{true, false}, func(ev *event.Event) { ev.Chat = nil }},
	{"line", []any{"+14152165723", "+14150000000"}, func(ev *event.Event) { ev.Chat.Line = "" }},
	{"line", []any{"+14152165723", "+14150000000"}, func(ev *event.Event) { ev.Chat = nil }},
	{"from", []any{"+14155551234", "a@b.example"}, func(ev *event.Event) { ev.From = "" }},
	{"sender", []any{"phone", "email"}, func(ev *event.Event) { ev.From = "" }},
	{"direction", []any{"inbound", "outbound"}, func(ev *event.Event) { ev.Type, ev.Message.Direction = "reaction.added", "" }},
	{"direction", []any{"inbound", "outbound"}, func(ev *event.Event) { ev.Type, ev.Message = "reaction.added", nil }},
	{"service", []any{"imessage", "sms"}, func(ev *event.Event) { ev.Message.Service = "" }},
	{"service", []any{"imessage", "sms"}, func(ev *event.Event) { ev.Message = nil }},
	{"source", []any{"webhook", "catchup"}, func(ev *event.Event) { ev.Source = "" }},
	{"has_media", []any{true, false}, func(ev *event.Event) { ev.Message.Parts = nil }},
	{"has_media", []any{true, false}, func(ev *event.Event) { ev.Message = nil }},
	{"text", []any{"hello", "code"}, textless},
	{"words", []any{"hello", "code"}, textless},
	{"matches", []any{"^$", "hello", ".*", "[^h]"}, textless},
}

func textless(ev *event.Event) { ev.Text, ev.Message = "", nil }

func TestUnknownsCoverEveryWhereKey(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	for _, u := range unknowns {
		tried[u.key] = true
	}
	for _, k := range whereKeys("") {
		if !tried[k.key] {
			t.Errorf("no event lacks the field of where.%s: add it to unknowns", k.key)
		}
	}
}

// An event that lacks a field meets neither a condition on it nor the opposite,
// whatever else the rule requires, and an exception that can't be decided neither
// permits a read nor prevents a veto.
func TestUnknownMeetsNoCondition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.SampledFrom(unknowns).Draw(t, "field")
		ev := message("hello there")
		u.lack(ev)
		p := &probe{}
		p.reset(ev)
		holds := func(where map[string]any, onlyVetoes bool) bool {
			c, problems := compileWhere(where, "")
			if len(problems) > 0 {
				t.Fatalf("where %v: %s", where, problemText(problems))
			}
			c.onlyVetoes = onlyVetoes
			got := c.holds(p)
			if why := c.refusals(p); (len(why) == 0) != got {
				t.Fatalf("where %v holds: %t, and is refused for %q", where, got, why)
			} else if !got && !strings.Contains(strings.Join(why, ";"), "lacks") {
				t.Fatalf("where %v is refused for %q, which does not say that it is unknown", where, why)
			}
			return got
		}
		onlyVetoes := rapid.Bool().Draw(t, "a pack that only vetoes")
		for _, v := range u.values {
			if holds(map[string]any{u.key: v}, onlyVetoes) {
				t.Fatalf("%s = %v holds for an event that does not say", u.key, v)
			}
			if _, yesNo := v.(bool); !yesNo && holds(map[string]any{u.key: u.values}, onlyVetoes) {
				t.Fatalf("%s = %v holds for an event that does not say", u.key, u.values)
			}
			except := map[string]any{"except": map[string]any{u.key: v}}
			if holds(except, onlyVetoes) != onlyVetoes {
				t.Fatalf("except %s = %v of an event that does not say, in a pack that only vetoes %t: it passes %t", u.key, v, onlyVetoes, !onlyVetoes)
			}
		}
	})
}

// What is known decides, whatever else is unknown: an exception with one
// condition that does not hold does not hold.
func TestKnownDecidesBesideUnknown(t *testing.T) {
	t.Parallel()
	ev := message("hello", func(ev *event.Event) { ev.Chat.IsGroup = event.Unknown })
	p := &probe{}
	p.reset(ev)
	type m = map[string]any
	for _, tt := range []struct {
		where m
		want  bool
	}{
		{m{"except": m{"is_group": true, "text": "code"}}, true},
		{m{"except": m{"is_group": true, "text": "hello"}}, false},
		{m{"except": []any{m{"is_group": true}, m{"text": "code"}}}, false},
		{m{"except": []any{m{"text": "code"}, m{"words": "bye"}}}, true},
		{m{"text": "hello", "except": m{"text": "code"}}, true},
		{m{"text": "hello", "is_group": false}, false},
	} {
		c, _ := compileWhere(tt.where, "")
		if got := c.holds(p); got != tt.want {
			t.Errorf("where %v: %t, want %t; %v", tt.where, got, tt.want, c.refusals(p))
		}
	}
}

// A message of pictures alone says that it has no text.
func TestPictureHasKnownEmptyText(t *testing.T) {
	t.Parallel()
	p := &probe{}
	p.reset(message("", func(ev *event.Event) { ev.Message.Parts = []event.Part{{Type: "media"}} }))
	for where, want := range map[string]bool{"text": true, "words": true, "matches": true} {
		c, _ := compileWhere(map[string]any{"except": map[string]any{where: "code"}}, "")
		if got := c.holds(p); got != want {
			t.Errorf("except %s: a picture passes: %t, want %t", where, got, want)
		}
	}
}

func TestPackThatOnlyVetoesIsRecognized(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"chert.keep_unread(ev.chat.id)":                                               true,
		"chert.hold(ev.chat.id, '1d')":                                                true,
		"chert.keep_unread(ev.chat.id) chert.mark_read('c2')":                         false,
		"chert.keep_unread(ev.chat.id) chert['mark_read']('c2')":                      false,
		"local c = chert chert.keep_unread(ev.chat.id) c['mark' .. '_read']('c2')":    false,
		"chert.hold(ev.chat.id, '1d') _G['chert']['mark_' .. 'read'](ev.chat.id)":     false,
		"chert.hold(ev.chat.id, '1d') local f = chert[ev.text] if f then f('c2') end": false,
		"chert.mark_read(ev.chat.id)":                                                 false,
		"log.info('x')":                                                               false,
	} {
		path := filepath.Join(t.TempDir(), "r.lua")
		text := "chert.on('message.received', { except = { from = '+14155551234' } }, function(ev) " + code + " end)\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		set, diags := Load([]string{path}, Options{}).Set()
		if diags.Errors() {
			t.Fatalf("%s: %v", code, diags)
		}
		if got := set.Packs()[0].Rules[0].where.onlyVetoes; got != want {
			t.Errorf("%s: only vetoes: %t, want %t", code, got, want)
		}
	}
}

// What is refused because it is unknown names all that is.
func TestRefusalNamesWhatIsUnknown(t *testing.T) {
	t.Parallel()
	p := &probe{}
	p.reset(&event.Event{Type: "odd", Chat: &event.Chat{ID: "c1"}})
	for want, except := range map[string]map[string]any{
		"the event lacks is_group":                {"is_group": true},
		"the event lacks is_group or from":        {"is_group": true, "from": "+14155551234"},
		"the event lacks is_group, from or text":  {"is_group": true, "from": "+14155551234", "text": "x", "words": "y"},
		"the event lacks direction, line or text": {"direction": "inbound", "line": "+14155551234", "matches": "x", "chat": "c1"},
	} {
		c, problems := compileWhere(map[string]any{"except": except}, "")
		if len(problems) > 0 {
			t.Fatal(problemText(problems))
		}
		if got := strings.Join(c.refusals(p), "; "); got != "except: it may match, because "+want {
			t.Errorf("except %v: %q, want %q", except, got, want)
		}
	}
}
