package rules

import (
	"fmt"
	"strings"
	"testing"

	"chertd/engine/event"
)

func TestParseShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want Share
		fail string // "": it is a share, and written as want is
	}{
		{"10%", 1000, ""},
		{" 0.5% ", 50, ""},
		{"33.33%", 3333, ""},
		{"7.10%", 710, ""},
		{"0.01%", 1, ""},
		{"99.99%", 9999, ""},
		{"100%", 0, ""},
		{"100.00%", 0, ""},
		{"0%", 0, "more than 0%"},
		{"0.00%", 0, "more than 0%"},
		{"100.01%", 0, "at most 100%"},
		{"101%", 0, "at most 100%"},
		{"0.001%", 0, "in percent"},
		{"10", 0, "in percent"},
		{"0.1", 0, "in percent"},
		{"-1%", 0, "in percent"},
		{"%", 0, "in percent"},
		{"", 0, "in percent"},
		{"ten%", 0, "in percent"},
	} {
		got, err := ParseShare(tt.text)
		if tt.fail == "" {
			if err != nil || got != tt.want {
				t.Errorf("ParseShare(%q) is %d, %v, want %d", tt.text, got, err, tt.want)
			}
			if again, err := ParseShare(got.String()); again != got || err != nil {
				t.Errorf("%q is written as %s, which is %d, %v", tt.text, got, again, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.fail) {
			t.Errorf("ParseShare(%q): %v, want an error with %q", tt.text, err, tt.fail)
		}
	}
}

// TestShareGrows: a chat stays in a pack's share when that grows, each pack has a share
// of its own, and it does not depend on the samples of rules.
func TestShareGrows(t *testing.T) {
	t.Parallel()
	const chats = 20_000
	shares := []Share{1, 100, 1000, 2500, 5000, 9999, 0}
	counts := make([]int, len(shares))
	both, sampled := 0, 0
	sample := &Rule{Name: "codes", Sample: 0.1}
	for i := range chats {
		id := fmt.Sprintf("chat-%d", i)
		was := false
		for n, share := range shares {
			in := share.Has("codes", id)
			if was && !in {
				t.Fatalf("%s is in a share of %s, and not in one of %s", id, shares[n-1], share)
			}
			if was = in; in {
				counts[n]++
			}
		}
		if Share(1000).Has("codes", id) {
			if Share(1000).Has("vip", id) {
				both++
			}
			if sample.sampled(message("x", func(ev *event.Event) { ev.Chat.ID = id })) {
				sampled++
			}
		}
	}
	for n, share := range shares {
		part := float64(share) / 10_000
		if share == 0 {
			part = 1
		}
		if got, want := float64(counts[n])/chats, part; got < want-0.01 || got > want+0.01 {
			t.Errorf("a share of %s has %.4f of the chats", share, got)
		}
	}
	for what, n := range map[string]int{"another pack's share": both, "a rule's sample": sampled} {
		if n < chats/200 || n > chats/50 {
			t.Errorf("%d of %d chats are in a tenth and in %s of a tenth, want about %d", n, chats, what, chats/100)
		}
	}
	if Share(9999).Has("codes", "") || !Share(0).Has("codes", "") {
		t.Error("events without a chat are in no share but that of all")
	}
	// These are fixed: another build must not draw other chats.
	var drawn []string
	for i := range 30 {
		if id := fmt.Sprintf("chat-%d", i); Share(1000).Has("codes", id) {
			drawn = append(drawn, id)
		}
	}
	if got, want := strings.Join(drawn, " "), "chat-3 chat-5 chat-9 chat-17 chat-26"; got != want {
		t.Errorf("drawn chats %q, want %q", got, want)
	}
}

// sharing is a set of packs that are live in half of the chats, with the ids of one that is
// in the share of pack p and of one that is not.
func sharing(t *testing.T, files map[string]string, packs ...string) (s *Set, in, out string) {
	t.Helper()
	loaded := mustLoad(t, Options{}, files)
	parts := SetParts{Packs: loaded.Packs(), Modes: map[string]Mode{}, Rollouts: map[string]Rollout{}}
	for _, p := range loaded.Packs() {
		parts.Modes[p.Name] = Live
	}
	for _, name := range packs {
		parts.Modes[name] = Live
		parts.Rollouts[name] = Rollout{Share: 5000}
	}
	for i := 0; in == "" || out == ""; i++ {
		if id := fmt.Sprintf("c%d", i); Share(5000).Has("p", id) {
			in = id
		} else {
			out = id
		}
	}
	return NewSet(parts, Options{}), in, out
}

func ofChat(chat string) func(*event.Event) { return func(ev *event.Event) { ev.Chat.ID = chat } }

func TestPackRunsInShadowOutsideItsShare(t *testing.T) {
	t.Parallel()
	s, inside, outside := sharing(t, map[string]string{
		"p.lua": `chert.on("message.received", function(ev)
			if ev.text == "bad" then error("oh") end
			kv.incr("seen")
			chert.keep_unread(ev.chat.id)
		end)`,
		"q.lua": `chert.on("message.received", function(ev) chert.mark_read(ev.chat.id) end)`,
	}, "p")
	for _, tt := range []struct{ what, chat, text, want string }{
		{"in the share", inside, "good", "p/p#1: keep_unread seen=1\nq/q#1: mark_read"},
		{"outside, it vetoes nothing", outside, "good", "p/p#1: keep_unread [shadow] seen=1\nq/q#1: mark_read"},
		{"a failure in the share blocks reads", inside, "bad", "p/p#1: error: oh\nq/q#1: mark_read\nblock"},
		{"one outside blocks none", outside, "bad", "p/p#1: error: oh\nq/q#1: mark_read"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			got := said(s.Run(0, Input{Event: message(tt.text, ofChat(tt.chat)), Now: noon}))
			if got = strings.ReplaceAll(got, " chat "+tt.chat, ""); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
	for chat, want := range map[string]string{inside: "p", outside: "p (shadow)"} {
		o := s.Run(0, Input{Event: message("good", ofChat(chat)), Now: noon}).Outcomes[0]
		if o.MemoryPack() != want || len(o.Writes) != 1 || o.Saw() != (chat == inside) {
			t.Errorf("in %s it remembers as %q, saw it: %t", chat, o.MemoryPack(), o.Saw())
		}
	}
	if s.ModeIn("p", inside) != Live || s.ModeIn("p", outside) != Shadow || s.ModeIn("p", "") != Shadow || s.ModeIn("q", outside) != Live || s.Mode("p") != Live {
		t.Error("modes differ from what ran")
	}
	if shadow := s.Shadowed("p"); shadow.ModeIn("p", inside) != Shadow {
		t.Error("a pack at its limit is live in its share")
	}
}

// TestRequestForAnotherChatOutsideTheShare: a request is carried out if both chats are in
// the pack's share.
func TestRequestForAnotherChatOutsideTheShare(t *testing.T) {
	t.Parallel()
	s, inside, outside := sharing(t, map[string]string{"p.lua": `chert.on("message.received", function(ev)
		chert.mark_read(ev.text)
		chert.hold(ev.text, "1h")
	end)`}, "p")
	for _, tt := range []struct {
		event, chat string
		shadow      bool
	}{
		{inside, inside, false}, {inside, outside, true}, {outside, inside, true}, {outside, outside, true},
	} {
		for _, w := range s.Run(0, Input{Event: message(tt.chat, ofChat(tt.event)), Now: noon}).Outcomes[0].Requests {
			if w.Shadow != tt.shadow || w.Chat != tt.chat {
				t.Errorf("%s for %s on an event of %s is in shadow: %t, want %t", w.Kind, w.Chat, tt.event, w.Shadow, tt.shadow)
			}
		}
	}
}

// TestUnloadedPackBlocksInItsShareOnly: where no version of a pack is live, its share still
// counts.
func TestUnloadedPackBlocksInItsShareOnly(t *testing.T) {
	t.Parallel()
	_, inside, outside := sharing(t, map[string]string{"p.lua": version("p")}, "p")
	s := NewSet(SetParts{
		Unloaded: []Unloaded{{Pack: "p", Path: "p.lua", Why: "it does not load", CanVeto: true}},
		Modes:    map[string]Mode{"p": Live}, Rollouts: map[string]Rollout{"p": {Share: 5000}},
	}, Options{})
	for chat, blocks := range map[string]bool{inside: true, outside: false} {
		r := s.Run(0, Input{Event: message("x", ofChat(chat)), Now: noon})
		if r.Block != blocks || len(r.Missed) > 0 != blocks {
			t.Errorf("in %s it blocks: %t, missed %v", chat, r.Block, r.Missed)
		}
	}
}

func TestWithdrawnOutsideTheShare(t *testing.T) {
	t.Parallel()
	s, inside, outside := sharing(t, map[string]string{"p.lua": version("p")}, "p")
	if s.Withdrawn("p", "v", inside) || !s.Withdrawn("p", "v", outside) {
		t.Error("requests are withdrawn in the chats outside the share, and in no other")
	}
	kept := NewSet(SetParts{Packs: s.Packs(), Modes: map[string]Mode{"p": Live}, Rollouts: map[string]Rollout{"p": {Share: 5000, KeepsPending: true}}}, Options{})
	if kept.Withdrawn("p", "v", outside) {
		t.Error("what was to stay pending is withdrawn")
	}
	if s.SameAs(kept) || !s.SameAs(s) {
		t.Error("sets with other rollouts are the same")
	}
}
