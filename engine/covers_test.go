package engine

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/rules/chat"
)

// coverDays is how many random days the engine lives through; more with
// -covers.days. rules/spec lives through many more, without a store.
var coverDays = flag.Int("covers.days", 6, "random days of TestCallCoversOnlyHandledMessages")

// talk does what the words of a message say. PACK, ODD and EDIT are replaced.
const talk = `
local on = { "message.received", "lead_reply" }
local function rule(name, run)
  chert.rule({ name = name, on = on, where = { words = "PACK" .. name }, run = run })
end
rule("now", function(ev) chert.mark_read(ev.chat.id) end)
rule("later", function(ev) chert.mark_read(ev.chat.id, { after = "30s" }) end)
rule("long", function(ev) chert.mark_read(ev.chat.id, { after = "5m" }) end)
rule("sure", function(ev) chert.mark_read(ev.chat.id, { after = "40s", even_if_newer = true }) end)
rule("cancel", function(ev) chert.cancel_read(ev.chat.id) end)
rule("veto", function(ev) chert.keep_unread(ev.chat.id) end)
rule("hold", function(ev) chert.hold(ev.chat.id, "1m") end)
rule("timer", function(ev) chert.set_timer("t", "25s") end)
rule("boom", function(ev) error("oops") end)
rule("sees", function(ev) end)
rule("away", function(ev) chert.mark_read(ev.chat.id == "c1" and "c2" or "c1", { after = 5 }) end)
chert.on("timer:t", function(ev) chert.mark_read(ev.chat.id, { reason = "timer" }) end)
chert.rule({ name = "odd", on = "ODD", run = function(ev) chert.mark_read(ev.chat.id, { after = "10s" }) end })
chert.on("action.failed", function(ev) chert.mark_read(ev.chat.id, { after = "15s" }) end)
EDIT
`

// No call covers an inbound message that the packs which requested the read have not
// handled, unless it has even_if_newer: from events to calls, with two packs
// and two chats, over edits, broken edits, modes, failing rules, holds and
// crashes.
func TestCallCoversOnlyHandledMessages(t *testing.T) {
	t.Parallel()
	calls, unread, superseded := 0, 0, 0
	for seed := range *coverDays {
		c, u, s := liveThrough(t, uint64(seed))
		calls, unread, superseded = calls+c, unread+u, superseded+s
	}
	if calls == 0 || unread == 0 || superseded == 0 {
		t.Errorf("%d calls, %d of them with something unread, %d reads superseded: the days prove nothing", calls, unread, superseded)
	}
}

func liveThrough(t *testing.T, seed uint64) (calls, unread, superseded int) {
	random := rand.New(rand.NewPCG(13, seed))
	pick := func(list ...string) string { return list[random.IntN(len(list))] }
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), shards: 2}}
	began := time.Now()
	c.now = func() time.Time { return began.Add(time.Duration(c.ahead.Load())) }
	c.changed.L = &c.mu
	write := func(pack, edit string) {
		c.write(pack+".lua", strings.NewReplacer("PACK", pack, "ODD", map[string]string{"a": "reaction.added", "b": "odd.type"}[pack], "EDIT", edit).Replace(talk))
	}
	write("a", "")
	write("b", "")
	c.answer = func(call chat.Call) error {
		// Called at any time, and from other goroutines: it must not draw.
		switch (call.SentSeq + int64(call.Attempt)) % 7 {
		case 0:
			return &chert.Error{Code: 2002, Status: 404, Message: "gone"}
		case 1:
			return &chert.Error{Unknown: true, Retryable: true, RetryAfter: time.Second, Message: "timeout"}
		}
		return nil
	}
	c.start()
	rest := func() {
		c.drained()
		// What is due is called now: the calls wait for a clock that stands still.
		for _, id := range []string{"c1", "c2"} {
			if err := c.eng.Apply(context.Background(), id, chat.Wake{}); err != nil {
				t.Fatal(err)
			}
		}
		c.drained()
		c.allCalled("c1", "c2")
	}
	for n := range 45 {
		id := pick("c1", "c2")
		switch random.IntN(14) {
		case 0:
			c.give(fmt.Sprintf(`{"event":%q,"event_id":"r%d","data":{"chat":{"id":%q}}}`, pick("reaction.added", "odd.type"), n, id))
		case 1:
			in := chat.Operate{Release: random.IntN(2) == 0, Hold: chat.Hold{Until: c.now().Add(time.Minute)}}
			if err := c.eng.Apply(context.Background(), id, in); err != nil {
				t.Fatal(err)
			}
		case 2:
			write(pick("a", "b"), fmt.Sprintf("-- edit %d", n))
			c.reload()
		case 3:
			write(pick("a", "b"), "this is not Lua")
			c.reload()
		case 4:
			if _, err := c.m.SetMode(context.Background(), pick("a", "b"), control.ModeRequest{Mode: pick("live", "live", "shadow", "off")}); err != nil {
				t.Fatal(err)
			}
		case 5:
			c.stop()
			c.start()
		case 6, 7, 8:
			c.ahead.Add(int64(time.Duration(1+random.IntN(50)) * time.Second))
		default:
			var text []string
			for range random.IntN(3) {
				text = append(text, pick("a", "b")+pick("now", "later", "long", "sure", "cancel", "veto", "hold", "timer", "boom", "sees", "away"))
			}
			message := n
			if random.IntN(5) == 0 {
				message = max(0, n-random.IntN(6)) // an earlier message: it comes late, or again
			}
			sent := began.Add(time.Duration(message)*time.Second - time.Hour).UTC().Format(time.RFC3339)
			c.give(fmt.Sprintf(`{"event":%q,"event_id":"e%d","data":{"chat":{"id":%q,"is_group":false},"message":{"id":"m%d","sent_at":%q,"parts":[{"type":"text","value":%q}]}}}`,
				pick("message.received", "message.received", "lead_reply"), n, id, message, sent, strings.Join(text, " ")))
		}
		rest()
	}
	c.stop() // answers of calls are in
	defer c.lock()()
	return c.covered()
}

// allCalled waits until no call of the chats is due. It gives up after a while: one of
// a failing store, say, stays due.
func (c *crew) allCalled(chats ...string) {
	c.t.Helper()
	due := func(id string) bool {
		found, err := oneChat(c.st.Chats(ctx, []string{id}))
		if err != nil {
			c.t.Fatal(err)
		}
		next := found.NextCall()
		return !next.IsZero() && !next.After(c.now()) && !found.PostponedUntil().After(c.now())
	}
	for range 200 {
		if !slices.ContainsFunc(chats, due) {
			return
		}
		if err := c.eng.waitDurable(ctx); err != nil {
			c.t.Fatal(err)
		}
	}
}

// covered checks the calls against what was handled, and knows nothing of how the
// machine decides.
func (c *crew) covered() (calls, unread, superseded int) {
	type made struct {
		seq, received int64 // the first event that brought it, and the first message.received
		chat          string
		sent          time.Time
		saw           map[string]int64 // pack → since when
	}
	messages := map[string]*made{}
	brought := map[int64]*made{}     // by event
	replaced := map[string][]int64{} // chat and rule → events of its reads that it replaced
	var order []*made
	var handled []*Handled
	read := map[string]int64{}
	var attempts []Observation
	for _, h := range c.seen {
		switch {
		case h.Handled != nil:
			handled = append(handled, h.Handled)
			for _, a := range h.Handled.Actions {
				switch a.Why {
				case chat.WhySuperseded:
					superseded++
				case chat.WhyReplaced:
					replaced[a.Chat+"/"+a.RuleKey()] = append(replaced[a.Chat+"/"+a.RuleKey()], a.ID.Seq)
				}
			}
		case h.Rerun != nil:
			handled = append(handled, h.Rerun)
		case h.Attempt != nil:
			attempts = append(attempts, h)
		}
	}
	slices.SortStableFunc(handled, func(a, b *Handled) int { return int(a.Entry.Seq - b.Entry.Seq) })
	for _, h := range handled {
		ev, seq := &h.Entry.Event, h.Entry.Seq
		if ev.Type != event.MessageReceived && ev.Type != event.LeadReply {
			continue
		}
		key := ev.ChatID() + "/" + ev.MessageID()
		m := messages[key]
		if m == nil {
			m = &made{seq: seq, chat: ev.ChatID(), sent: ev.Message.SentAt, saw: map[string]int64{}}
			messages[key] = m
		}
		brought[seq] = m
		if ev.Type == event.MessageReceived && !slices.Contains(order, m) {
			m.received = seq
			order = append(order, m)
		}
		for _, said := range h.Decision.Rules {
			if said.Skipped == "" && said.Error == "" && said.Rule != "" {
				if _, there := m.saw[said.Pack]; !there {
					m.saw[said.Pack] = seq
				}
			}
		}
	}
	for _, h := range attempts {
		call := &h.Attempt.Call
		if call.Kind != chat.Read {
			continue
		}
		calls++
		var newest *made
		for _, m := range order {
			if m.chat == call.Chat && m.received <= call.SentSeq && (newest == nil || m.seq > newest.seq && !m.sent.Before(newest.sent)) {
				newest = m
			}
		}
		if newest != nil && newest.seq > read[call.Chat] {
			unread++
			a := &call.Actions[0] // it brings the call about
			if _, saw := newest.saw[a.Pack]; !a.EvenIfNewer && !saw {
				c.t.Errorf("a call covers the message of event %d in %s, which no rule of its pack saw: %+v", newest.seq, call.Chat, call.Actions)
			}
			late := func(event int64) bool {
				m := brought[event]
				return m != nil && m.chat == call.Chat && (m.seq < newest.seq || m.sent.Before(newest.sent))
			}
			// A late read replaces one of the newest message, and then covers that, too.
			if !slices.ContainsFunc(call.Actions, func(a chat.Action) bool {
				return a.EvenIfNewer || !late(a.ID.Seq) || slices.ContainsFunc(replaced[a.Chat+"/"+a.RuleKey()], func(b int64) bool { return b < a.ID.Seq && !late(b) })
			}) {
				c.t.Errorf("a call reads the message of event %d in %s, and is for older ones alone: %+v", newest.seq, call.Chat, call.Actions)
			}
		}
		if h.Attempt.Err == nil {
			read[call.Chat] = max(read[call.Chat], call.SentSeq)
		}
	}
	return calls, unread, superseded
}
