package spec

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
)

// coverRuns is how many random days are lived through; more with -covers.runs.
var coverRuns = flag.Int("covers.runs", 60, "random days of TestNoReadCoversWhatNobodySaw")

// talk is a pack whose rules do what the words of a message say, in whatever
// combination: "a-now" reads, "a-timer" reads later by a timer, and so on. PACK
// and OTHER are replaced.
const talk = `
local on = { "message.received", "lead_reply" }
local function rule(name, run)
  chert.rule({ name = name, on = on, where = { words = "PACK" .. name }, run = run })
end
rule("now", function(ev) chert.mark_read(ev.chat.id) end)
rule("later", function(ev) chert.mark_read(ev.chat.id, { after = "30s" }) end)
rule("long", function(ev) chert.mark_read(ev.chat.id, { after = "5m" }) end)
rule("sure", function(ev) chert.mark_read(ev.chat.id, { after = "40s", even_if_newer = true }) end)
rule("both", function(ev)
  chert.mark_read(ev.chat.id, { after = "20s" })
  chert.mark_read(ev.chat.id, { after = "10s" })
end)
rule("cancel", function(ev) chert.cancel_read(ev.chat.id) end)
rule("veto", function(ev) chert.keep_unread(ev.chat.id) end)
rule("hold", function(ev) chert.hold(ev.chat.id, "1m") end)
rule("release", function(ev) chert.release(ev.chat.id) end)
rule("timer", function(ev) chert.set_timer("t", "25s") end)
rule("boom", function(ev) chert.mark_read(ev.chat.id) error("oops") end)
rule("sees", function(ev) end)
rule("away", function(ev) chert.mark_read(ev.chat.id == "c1" and "c2" or "c1", { after = 5 }) end)
chert.on("timer:t", function(ev) chert.mark_read(ev.chat.id, { reason = "timer" }) end)
chert.rule({ name = "odd", on = "ODD", run = function(ev) chert.mark_read(ev.chat.id, { after = "10s" }) end })
chert.every("2m", { name = "schedule" }, function(ev)
  chert.mark_read("c1")
  chert.mark_read("c2", { after = 3 })
end)
chert.on("action.failed", function(ev) chert.mark_read(ev.chat.id, { after = "15s" }) end)
`

var talkWords = []string{"now", "later", "long", "sure", "both", "cancel", "veto", "hold", "release", "timer", "boom", "sees", "away"}

func talkSet(t testing.TB) *rules.Set {
	t.Helper()
	dir := t.TempDir()
	for pack, odd := range map[string]string{"a": "reaction.added", "b": "odd.type"} {
		text := strings.NewReplacer("PACK", pack, "ODD", odd).Replace(talk)
		if err := os.WriteFile(filepath.Join(dir, pack+".lua"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set, diags := rules.Load([]string{dir}, rules.Options{}).Set()
	if set == nil || diags.Errors() {
		t.Fatal(diags)
	}
	return set
}

// No read goes out that covers an inbound message which no rule of the packs
// that ask for it saw, unless even_if_newer: over messages, reactions, timers,
// schedules, answers, failing rules, holds and releases by operators, packs that
// go off, and crashes, with two packs and two chats.
func TestNoReadCoversWhatNobodySaw(t *testing.T) {
	t.Parallel()
	set := talkSet(t)
	calls, superseded, protected := 0, 0, 0
	for seed := range *coverRuns {
		random := rand.New(rand.NewPCG(7, uint64(seed)))
		w := NewWorld(WorldConfig{Set: set, Latency: time.Duration(random.IntN(3)) * time.Second, Happenings: 1 << 20, Steps: 1 << 40})
		began, dated := w.Now().Add(-time.Hour), seed%2 == 0
		ctx := context.Background()
		must := func(err error) {
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		pick := func(list ...string) string { return list[random.IntN(len(list))] }
		for n := range 80 {
			id := pick("c1", "c2")
			switch random.IntN(16) {
			case 0:
				must(w.Receive(ctx, event.Event{ID: fmt.Sprint("r", n), Type: pick("reaction.added", "reaction.removed", "odd.type"), Source: event.SourceWebhook, Chat: &event.Chat{ID: id}}))
			case 1:
				w.FailNext(Fault{Code: 2002, HTTP: 404, Message: "gone"}, 1)
			case 2:
				w.FailNext(noAnswer(), 1)
			case 3:
				must(w.Tell(ctx, id, chat.Operate{Release: random.IntN(2) == 0, Hold: chat.Hold{Until: w.Now().Add(time.Minute)}}))
			case 4:
				must(w.Tell(ctx, id, chat.Cancel{Pack: pick("a", "b")}))
			case 5:
				w.crash()
				must(w.Advance(ctx, 0))
			case 6, 7, 8:
				must(w.Advance(ctx, time.Duration(1+random.IntN(40))*time.Second))
			default:
				var text []string
				for range random.IntN(3) {
					text = append(text, pick("a", "b")+pick(talkWords...))
				}
				of := n
				if random.IntN(5) == 0 {
					of = max(0, n-random.IntN(6)) // an earlier message: it comes late, or again
				}
				message, sent := fmt.Sprint("m", of), time.Time{}
				if dated {
					sent = began.Add(time.Duration(of) * time.Second)
				}
				said := strings.Join(text, " ")
				must(w.Receive(ctx, event.Event{
					ID: fmt.Sprint("e", n), Type: pick("message.received", "message.received", "message.received", "lead_reply"), Source: event.SourceWebhook, Text: said,
					Chat: &event.Chat{ID: id, IsGroup: event.False}, Message: &event.Message{ID: message, SentAt: sent, Text: said, Parts: []event.Part{{Type: "text", Value: said}}},
				}))
			}
		}
		must(w.Advance(ctx, time.Hour))
		c, p, err := covered(w)
		if err != "" {
			t.Fatalf("seed %d: %s", seed, err)
		}
		calls, protected = calls+c, protected+p
		for _, a := range w.Actions("") {
			if a.Why == chat.WhySuperseded {
				superseded++
			}
			// A call that failed just now waits for its next attempt.
			if c, _ := w.Chat(a.Chat); a.Status == chat.Waiting && a.Due.Before(w.Now()) && !c.NextCall().After(w.Now()) && c.Flight == nil {
				t.Fatalf("seed %d: %+v waits for ever", seed, a)
			}
		}
	}
	// Each day has some of each, or the days prove nothing.
	if calls < *coverRuns || superseded < *coverRuns/2 || protected < *coverRuns {
		t.Errorf("%d calls, %d reads superseded, %d calls for messages that were seen: too few", calls, superseded, protected)
	}
}

// covered checks the calls that were made against what was handled, and knows
// nothing of how the machine decides. It counts the read calls, and those that
// were made while a message was unread.
func covered(w *World) (calls, unread int, wrong string) {
	type made struct {
		seq, received int64 // the first event that brought it, and the first message.received
		chat          string
		sent          time.Time // zero: unknown
	}
	messages := map[string]*made{} // by chat and id of the message
	brought := map[int64]*made{}   // by event
	var order []*made
	handled := slices.Clone(w.Log())
	slices.SortStableFunc(handled, func(a, b Happening) int { return int(a.Seq - b.Seq) })
	type seen struct {
		seq  int64
		pack string
		m    *made
	}
	var sights []seen
	for _, h := range handled {
		if h.Event == nil || h.Seq == 0 {
			continue
		}
		ev := h.Event
		if ev.Type != event.MessageReceived && ev.Type != event.LeadReply {
			continue
		}
		key := ev.ChatID() + "/" + ev.MessageID()
		m := messages[key]
		if m == nil {
			m = &made{seq: h.Seq, chat: ev.ChatID(), sent: ev.Message.SentAt}
			messages[key] = m
		}
		brought[h.Seq] = m
		if ev.Type == event.MessageReceived && !slices.Contains(order, m) {
			m.received = h.Seq
			order = append(order, m)
		}
		for _, said := range h.Rules {
			if said.Skipped == "" && said.Failure == nil {
				sights = append(sights, seen{h.Seq, said.Pack, m})
			}
		}
	}
	all := w.Calls()
	slices.SortStableFunc(all, func(a, b CallMade) int { return int(a.Call.SentSeq - b.Call.SentSeq) })
	read := map[string]int64{}
	for _, c := range all {
		if c.Call.Kind != chat.Read {
			continue
		}
		calls++
		var newest *made
		for _, m := range order {
			if m.chat == c.Call.Chat && m.received <= c.Call.SentSeq && (newest == nil || m.seq > newest.seq && !m.sent.Before(newest.sent)) {
				newest = m
			}
		}
		if newest != nil && newest.seq > read[c.Call.Chat] {
			unread++
			a := &c.Call.Actions[0] // it brings the call about
			saw := slices.ContainsFunc(sights, func(s seen) bool { return s.m == newest && s.pack == a.Pack && s.seq <= c.Call.SentSeq })
			if !a.EvenIfNewer && !saw {
				return calls, unread, fmt.Sprintf("the call of %s for %+v covers the message of event %d, which no rule of its pack saw", c.At, c.Call, newest.seq)
			}
			// A late read replaces one of the newest message, and then covers that, too.
			late := func(a chat.Action) bool {
				m := brought[a.ID.Seq]
				return !a.EvenIfNewer && m != nil && (m.seq < newest.seq || m.sent.Before(newest.sent))
			}
			if !slices.ContainsFunc(c.Call.Actions, func(a chat.Action) bool {
				return !late(a) || slices.ContainsFunc(w.Actions(a.Chat), func(b chat.Action) bool {
					return b.Why == chat.WhyReplaced && b.RuleKey() == a.RuleKey() && b.ID.Seq < a.ID.Seq && !late(b)
				})
			}) {
				return calls, unread, fmt.Sprintf("the call of %s for %+v reads the message of event %d, and is for older ones alone", c.At, c.Call, newest.seq)
			}
		}
		if c.Fault == nil {
			read[c.Call.Chat] = max(read[c.Call.Chat], c.Call.SentSeq)
		}
	}
	return calls, unread, ""
}

// crash ends the process that holds the world, and starts another: calls on the
// wire are forgotten, and chats are as they were stored.
func (w *World) crash() {
	for id := range w.flying {
		delete(w.flying, id)
		w.agenda.set(key{takeAnswer, id}, time.Time{})
		w.limits.Ended(id, w.now, true)
	}
	for id, c := range w.chats {
		text, err := json.Marshal(c)
		if err != nil {
			panic(err)
		}
		var back chat.Chat
		if err := json.Unmarshal(text, &back); err != nil {
			panic(err)
		}
		w.chats[id] = &back
		w.agenda.set(key{makeCall, id}, back.NextCall())
	}
}
