package rules

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chertd/engine/event"
)

// drawTwoRules loads two rules of one pack each; reads decides whether the second pack reads.
func drawTwoRules(t *testing.T, a, b string, reads bool) (*Rule, *Rule) {
	t.Helper()
	dir := t.TempDir()
	does := "chert.keep_unread(ev.chat.id)"
	if reads {
		does += " chert.mark_read(ev.chat.id)"
	}
	var files []string
	for name, text := range map[string]string{
		"a.lua": "chert.rule { name = 'r', " + a + ", run = function(ev) chert.mark_read(ev.chat.id) end }\n",
		"b.lua": "chert.rule { name = 'v', " + b + ", run = function(ev) " + does + " end }\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	set, diags := Load(files, Options{}).Set()
	if diags.Errors() {
		t.Fatalf("%s\n%s\n%v", a, b, diags)
	}
	return set.Pack("a").Rules[0], set.Pack("b").Rules[0]
}

func TestWithin(t *testing.T) {
	t.Parallel()
	const msg = `on = "message.received"`
	for _, test := range []struct {
		a, b  string
		reads bool // the other pack reads as well
		want  bool
	}{
		{msg, msg, false, true},
		{msg, `on = "*"`, false, true},
		{`on = "*"`, msg, false, false},
		{`on = { "message.received", "reaction.added" }`, msg, false, false},
		{msg, `on = { "reaction.added", "message.received" }`, false, true},
		{`on = "timer:x"`, `on = "timer:x"`, false, false}, // of another pack
		{msg + `, where = { is_group = false }`, msg, false, true},
		{msg, msg + `, where = { is_group = false }`, false, false},
		{msg + `, where = { is_group = false, text = "code" }`, msg + `, where = { is_group = false }`, false, true},
		{msg + `, where = { text = "login code" }`, msg + `, where = { text = { "code", "x" } }`, false, true},
		{msg + `, where = { text = "code" }`, msg + `, where = { words = "code" }`, false, false},
		{msg + `, where = { words = "code" }`, msg + `, where = { text = "cod" }`, false, true},
		{msg + `, where = { from = "a@b.co" }`, msg + `, where = { sender = "email" }`, false, true},
		{msg + `, where = { from = "a@b.co" }`, msg + `, where = { sender = "phone" }`, false, false},
		{msg + `, where = { chat = "c1" }`, msg + `, where = { chat = true }`, false, true},
		{msg + `, where = { matches = "^my code$" }`, msg + `, where = { words = "code" }`, false, true},
		{msg + `, where = { matches = "my code" }`, msg + `, where = { words = "code" }`, false, false},

		// Exceptions of the other rule.
		{msg, msg + `, where = { except = { is_group = true } }`, false, false},
		{msg + `, where = { is_group = false }`, msg + `, where = { except = { is_group = true } }`, true, true},
		{msg + `, where = { is_group = false }`, msg + `, where = { except = { is_group = true, text = "x" } }`, true, true},
		{msg + `, where = { is_group = true }`, msg + `, where = { except = { is_group = true, text = "x" } }`, false, false},
		{msg + `, where = { except = { text = "code" } }`, msg + `, where = { except = { text = "login code" } }`, true, true},
		{msg + `, where = { except = { text = "login code" } }`, msg + `, where = { except = { text = "code" } }`, false, false},
		{msg + `, where = { except = { from = "a@b.co", text = "x" } }`, msg + `, where = { except = { text = "x" } }`, false, false},
		{msg + `, where = { except = { text = "x" } }`, msg + `, where = { except = { from = "a@b.co", text = "x" } }`, true, true},
		// Of an event without a chat, chat = "c1" is unknown, and chat = true is not.
		{msg + `, where = { except = { chat = true } }`, msg + `, where = { except = { chat = "c1" } }`, true, false},
		{msg + `, where = { except = { chat = true } }`, msg + `, where = { except = { chat = "c1" } }`, false, true},

		// What may keep the other one from running.
		{msg, msg + `, cooldown = "10m"`, false, false},
		{msg, msg + `, during = "Mon-Fri"`, false, false},
		{msg, msg + `, outside = "Sun 01:00-02:00"`, false, false},
		{msg, msg + `, not_on = { "2026-12-25" }`, false, false},
		{msg, msg + `, sample = 0.99`, false, false},
		{msg, msg + `, max_age = "6h"`, false, false},
		{msg + `, cooldown = "10m", during = "Mon-Fri"`, msg, false, true},
	} {
		a, b := drawTwoRules(t, test.a, test.b, test.reads)
		if got := a.Within(b); got != test.want {
			t.Errorf("%s\nwithin (reads: %t)\n%s\nis %t, want %t", test.a, test.reads, test.b, got, test.want)
		}
	}
}

// drawnWhere draws a where of few values, so that many pairs have something in common.
func drawnWhere(r *rand.Rand, except bool) string {
	choices := map[string][]string{
		"is_group": {"true", "false"}, "has_media": {"true", "false"},
		"direction": {`"inbound"`, `"outbound"`, `{ "inbound", "outbound" }`},
		"chat":      {`"c1"`, `{ "c1", "c2" }`, "true", `chert.list("chats")`, `{ "c2", chert.list("chats") }`},
		"from":      {`"a@b.co"`, `{ "a@b.co", "22395" }`, `"+14155550100"`, `chert.list("vips")`, `{ chert.list("vips"), chert.list("codes") }`, `{ "a@b.co", chert.list("vips") }`},
		"sender":    {`"email"`, `{ "email", "phone" }`, `"short_code"`},
		"text":      {`"code"`, `"login code"`, `{ "code", "x" }`},
		"words":     {`"code"`, `{ "code", "stop" }`},
		"matches":   {`"^code$"`, `"code"`, `{ "^stop$", "^login code$" }`},
	}
	var parts []string
	for _, key := range []string{"is_group", "has_media", "direction", "chat", "from", "sender", "text", "words", "matches"} {
		if r.IntN(5) == 0 {
			values := choices[key]
			parts = append(parts, key+" = "+values[r.IntN(len(values))])
		}
	}
	if except && r.IntN(2) == 0 {
		var all []string
		for range 1 + r.IntN(2) {
			if x := drawnWhere(r, false); x != "{  }" {
				all = append(all, x)
			}
		}
		if len(all) > 0 {
			parts = append(parts, "except = { "+strings.Join(all, ", ")+" }")
		}
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

func drawnEvent(r *rand.Rand) *event.Event {
	of := func(values ...string) string { return values[r.IntN(len(values))] }
	truth := func() event.Truth { return []event.Truth{event.Unknown, event.True, event.False}[r.IntN(3)] }
	e := &event.Event{
		ID: "e", Type: event.MessageReceived, Source: of(event.SourceWebhook, event.SourceFile),
		From: of("", "a@b.co", "22395", "+14155550100", "someone"), Text: of("", "code", "login code", "a code x", "stop", "decode", "nothing"),
	}
	if r.IntN(4) > 0 {
		e.Chat = &event.Chat{ID: of("", "c1", "c2", "c3"), IsGroup: truth()}
	}
	if r.IntN(3) > 0 {
		e.Message = &event.Message{Direction: of("", "inbound", "outbound"), Text: e.Text, From: e.From}
		switch r.IntN(3) {
		case 0:
			e.Message.Parts = []event.Part{}
		case 1:
			e.Message.Parts = []event.Part{{Type: of("text", "media")}}
		}
	}
	return e
}

// TestWithinHoldsOnEveryEvent: whatever two rules are, if one is within the other, no event
// passes only the first; and no event passes a where that is said to hold for none.
func TestWithinHoldsOnEveryEvent(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 5))
	events := make([]*event.Event, 1000)
	for i := range events {
		events[i] = drawnEvent(r)
	}
	var lists *Lists
	for name, members := range map[string][]any{"vips": {"+14155550100", "someone@b.co"}, "codes": {"22395"}, "chats": {"c1", "c3"}} {
		l, err := ListOf(name, members, "", noon)
		if err != nil {
			t.Fatal(err)
		}
		lists = lists.With(l)
	}
	within, never, apart := 0, 0, 0
	for range 40 {
		// Several rules a pack: compiling costs more than comparing.
		var text [2]strings.Builder
		for side := range text {
			for i := range 20 {
				does := "chert.keep_unread(ev.chat.id)"
				if side == 0 || r.IntN(2) == 0 && i == 0 {
					does += " chert.mark_read(ev.chat.id)"
				}
				fmt.Fprintf(&text[side], "chert.rule { name = 'r%d', on = 'message.received', where = %s, run = function(ev) %s end }\n", i, drawnWhere(r, true), does)
			}
		}
		dir := t.TempDir()
		files := []string{filepath.Join(dir, "a.lua"), filepath.Join(dir, "b.lua")}
		for side, file := range files {
			if err := os.WriteFile(file, []byte(text[side].String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		set, diags := Load(files, Options{}).Set()
		if diags.Errors() {
			t.Fatalf("%v", diags)
		}
		holds := func(rule *Rule, e *event.Event) bool {
			p := &probe{ev: e}
			p.lists = &listReader{probe: p, lists: lists, now: noon, set: set}
			return rule.where.holds(p)
		}
		passed := map[*Rule][]bool{}
		for _, p := range set.Packs() {
			for _, rule := range p.Rules {
				for _, e := range events {
					passed[rule] = append(passed[rule], holds(rule, e))
				}
				if why := rule.where.contradicts(); why != "" {
					never++
					for i, ok := range passed[rule] {
						if ok {
							t.Fatalf("%s passes %+v, and it is said: %s\n%s%s", rule.Key, events[i], why, text[0].String(), text[1].String())
						}
					}
				}
			}
		}
		for _, a := range set.Pack("a").Rules {
			for _, b := range set.Pack("b").Rules {
				if !a.Within(b) {
					apart++
					continue
				}
				within++
				for i, ok := range passed[a] {
					if ok && !passed[b][i] {
						t.Fatalf("%s is within %s, and %+v passes only the first:\n%s%s", a.Key, b.Key, events[i], text[0].String(), text[1].String())
					}
				}
			}
		}
	}
	t.Logf("%d pairs are within, %d are not; %d never hold", within, apart, never)
	if within < 500 || apart < 500 || never < 50 {
		t.Errorf("%d pairs are within, %d are not, %d never hold: the test proves little", within, apart, never)
	}
}
