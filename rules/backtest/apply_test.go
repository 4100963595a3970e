package backtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/rules"
)

// applied runs Apply on events, counted from noon, until a day later.
func applied(t testing.TB, set *rules.Set, events []Event) *Applied {
	t.Helper()
	a, err := Apply(context.Background(), ApplyConfig{Set: set, From: noon, Until: noon.Add(24 * time.Hour)}, list(slices.Clone(events)))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// words describes reads: "c1 e2", with what is special about them.
func words(a *Applied) string {
	var all []string
	for i := range a.Reads {
		r := &a.Reads[i]
		text := r.Chat + " " + r.Event
		if r.OnlyIf != "" {
			text += " if " + string(r.OnlyIf)
		}
		if !r.Due.IsZero() {
			text += " in " + r.Due.Sub(noon).String()
		}
		if r.Left != "" {
			text += " left: " + r.Left
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

const applyPack = `
chert.rule { name = "codes", on = "message.received", where = { text = "code" }, run = function(ev) chert.mark_read(ev.chat.id, { reason = "a code" }) end }
chert.rule { name = "later", on = "message.received", where = { text = "later" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "2d" }) end }
chert.rule { name = "soon", on = "message.received", where = { text = "soon" }, run = function(ev) chert.mark_read(ev.chat.id, { after = "1h" }) end }
chert.rule { name = "mine", on = "message.received", where = { text = "thanks" }, run = function(ev) chert.mark_read(ev.chat.id, { only_if = "answered" }) end }
chert.rule { name = "open", on = "message.received", where = { text = "question" }, run = function(ev) chert.mark_read(ev.chat.id, { only_if = "unanswered" }) end }
chert.rule { name = "no", on = "message.received", where = { text = "lawyer" }, run = function(ev) chert.hold(ev.chat.id, "2d") end }
chert.rule { name = "timer", on = "message.received", where = { text = "remind" }, run = function(ev) chert.set_timer("t", "10m") end }
chert.on("timer:t", function(ev) chert.mark_read(ev.chat.id) end)
chert.rule { name = "hush", on = "message.received", where = { text = "hush" }, run = function(ev) chert.mark_read(ev.chat.id) chert.set_timer("h", "10m") end }
chert.on("timer:h", function(ev) chert.keep_unread(ev.chat.id) end)
chert.rule { name = "other", on = "message.received", where = { text = "elsewhere" }, run = function(ev) chert.mark_read("c9") end }
`

func TestApplyFindsTheReadsThatAreLeftToMake(t *testing.T) {
	set := load(t, map[string]string{"a": applyPack})
	at := func(texts ...string) []Event { // messages of c1, a minute apart
		var all []Event
		for i, text := range texts {
			all = append(all, said(t, i+1, "c1", text, time.Duration(i)*time.Minute))
		}
		return all
	}
	for _, test := range []struct {
		name   string
		events []Event
		want   string
	}{
		{"one", at("a code"), "c1 e1"},
		{"the newest counts", at("a code", "a code"), "c1 e2"},
		{"a newer message that no rule reads", at("a code", "hello"), "c1 e1 left: superseded"},
		{"a message after one that no rule reads", at("hello", "a code"), "c1 e2"},
		{"due before the end", at("soon"), "c1 e1"},
		{"due after the end", at("later"), "c1 e1 in 48h0m0s"},
		{"due now and later", at("later", "a code"), "c1 e2"},
		{"a read that went out, and a later one of a newer message", at("a code", "later"), "c1 e2 in 48h1m0s"},
		{"by a timer", at("remind me"), "c1 e1"},
		{"a timer does not cover what came since", at("remind me", "hello"), ""},
		{"a condition is left to Chert", at("thanks"), "c1 e1 if answered"},
		{"two conditions", at("thanks, a question"), "c1 e1 if answered; c1 e1 if unanswered"},
		{"what needs no condition goes first", at("thanks for the code"), "c1 e1"},
		{"held", at("the lawyer has the code"), ""},
		{"a hold outlasts the next message", at("lawyer", "a code"), ""},
		{"vetoed since, without a message", at("hush"), "c1 e1 left: kept_unread"},
		{"a message of the warm-up", []Event{said(t, 1, "c1", "a code", -time.Minute)}, ""},
		{"a read after the warm-up of a message in it", []Event{said(t, 1, "c1", "soon", -time.Minute)}, "c1 e1 left: older"},
		{"a chat without a message", at("elsewhere"), "c9  left: no_message"},
		{"twice the same event", []Event{said(t, 1, "c1", "a code", 0), said(t, 1, "c1", "a code", time.Minute)}, "c1 e1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := words(applied(t, set, test.events)); got != test.want {
				t.Errorf("reads %q, want %q", got, test.want)
			}
		})
	}
	if n := applied(t, load(t, map[string]string{"a": `chert.rule { name = "r", on = "message.received", run = function(ev) chert.set_timer("t", "2d") end } chert.on("timer:t", function(ev) end)`}), at("hi")).Timers; n != 1 {
		t.Errorf("%d timers are left", n)
	}
	read := applied(t, set, at("a code")).Reads[0]
	if read.Read.Rule != "a/codes" || !strings.HasSuffix(read.Read.Place, "a.lua:2") || read.Read.Reason != "a code" || read.Version == "" || !read.Received.Equal(noon) || read.Seq != 1 {
		t.Errorf("the read is %+v", read)
	}
}

// What a message said is gone: rules can't know that they would have left it unread.
func TestApplyLeavesOutMessagesWithoutText(t *testing.T) {
	set := load(t, map[string]string{"all": `chert.on("message.received", function(ev) if not ev.text:find("urgent", 1, true) then chert.mark_read(ev.chat.id) end end)`})
	gone := said(t, 1, "c1", "", 0)
	gone.NoText = true
	a := applied(t, set, []Event{gone, said(t, 2, "c2", "fine", 0)})
	if got := words(a); got != "c1 e1 left: text_removed; c2 e2" || a.Result.NoText != 1 {
		t.Errorf("reads %q, %d events without a text", got, a.Result.NoText)
	}
}

// The reads that Apply leaves to be made are those that the same rules make when they are live, as
// Run compares it: the newest message of a chat is read on the candidate's side just if Apply has its
// read, and the rules do not keep the chat unread since.
func TestApplyAgreesWithRun(t *testing.T) {
	texts := []string{"code", "hello", "soon", "lawyer", "remind", "hush", "soon code"}
	packs := map[string]string{"a": applyPack}
	none := load(t, map[string]string{"none": `chert.on("nothing", function(ev) end)`})
	live, again := load(t, packs), load(t, packs)
	rapid.Check(t, func(rt *rapid.T) {
		var events []Event
		at := time.Duration(0)
		last := map[string]string{} // chat → its newest event
		for i := range rapid.IntRange(1, 12).Draw(rt, "messages") {
			chat := fmt.Sprintf("c%d", rapid.IntRange(1, 3).Draw(rt, "chat"))
			at += time.Duration(rapid.IntRange(1, 40).Draw(rt, "minutes")) * time.Minute
			events = append(events, said(t, i+1, chat, rapid.SampledFrom(texts).Draw(rt, "text"), at))
			last[chat] = fmt.Sprintf("e%d", i+1)
		}
		read := map[string]bool{}
		for _, d := range mustRun(t, Config{Live: none, Candidate: live}, events).Differences {
			if d.Kind == Added && d.Event == last[d.Chat] && !d.Candidate.Read.Waits {
				read[d.Chat] = true
			}
		}
		reads := applied(t, again, events).Reads
		for i := range reads {
			r := &reads[i]
			if r.Left == LeftNewer && r.Event != last[r.Chat] {
				continue
			}
			if r.OnlyIf != "" || r.Event != last[r.Chat] || r.Left != "" && r.Left != LeftKept {
				rt.Errorf("a read of %s covers %s, and its newest message is %s: %+v", r.Chat, r.Event, last[r.Chat], r)
			}
			if !read[r.Chat] {
				rt.Errorf("Apply has a read of %s, and Run none", r.Chat)
			}
			delete(read, r.Chat)
		}
		if len(read) > 0 {
			rt.Errorf("Run reads %v, and Apply has %+v", read, reads)
		}
	})
}

func TestApplyOfNothing(t *testing.T) {
	a := applied(t, load(t, map[string]string{"a": applyPack}), nil)
	if len(a.Reads) > 0 || a.Reads == nil || a.Result.Events > 0 {
		t.Errorf("it is %+v", a)
	}
}
