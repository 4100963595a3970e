package spec_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/spec"
	"chertd/rules/turn"
)

// echoPack is a pack with what rules can do to a chat, by the words of messages, and little
// that depends on other chats.
const echoPack = `
chert.rule({ name = "obey", on = "message.received", where = { direction = "inbound" }, run = function(ev)
  for word in ev.text:gmatch("%S+") do
    if word == "read" then chert.mark_read(ev.chat.id)
    elseif word == "later" then chert.mark_read(ev.chat.id, { after = "90s", reason = "it says " .. ev.text })
    elseif word == "veto" then chert.keep_unread(ev.chat.id)
    elseif word == "hold" then chert.hold(ev.chat.id, "10m")
    elseif word == "release" then chert.release(ev.chat.id)
    elseif word == "postpone" then chert.postpone(ev.chat.id, { after = "5m" })
    elseif word == "cancel" then chert.cancel_read(ev.chat.id)
    elseif word == "timer" then chert.set_timer("t", "130s")
    elseif word == "send" then chert.send(ev.chat.id, "hello")
    elseif word == "fail" then error("it fails") end
  end
end })
chert.rule({ name = "fires", on = "timer:t", run = function(ev) chert.mark_read(ev.chat.id) end })
chert.rule({ name = "rest", on = "message.received", where = { text = "rest" }, cooldown = "3m", run = function(ev)
  chert.mark_read(ev.chat.id)
end })
chert.rule({ name = "friend", on = "message.received", where = { from = "+14155550123" }, run = function(ev)
  chert.mark_read(ev.chat.id, { after = "10s" })
end })
`

// echoPacks loads the pack of that code.
func echoPacks(t testing.TB, code string) *rules.Pack {
	t.Helper()
	return write(t, map[string]string{"echo/echo.lua": code, "echo/pack.yaml": "permissions: [send]"})[0]
}

// recordingOf returns what a daemon would have recorded of a World's chat.
func recordingOf(w *spec.World, id string) *spec.Recording {
	r := &spec.Recording{Chat: id, Taken: w.Now()}
	if c, _ := w.Chat(id); !c.Hold.Until.IsZero() {
		r.Hold = &spec.RecordedHold{By: c.Hold.By, Until: c.Hold.Until}
	}
	var attempts []chat.Attempt
	for i, made := range w.Calls() {
		if f := made.Fault; f != nil {
			for _, a := range made.Call.Actions {
				attempts = append(attempts, chat.Attempt{Action: a.ID, At: made.At.Add(time.Duration(i) * time.Microsecond), CallOf: made.Call.Actions[0].ID, HTTP: f.HTTP, Code: f.Code})
			}
		}
	}
	for i := range w.Log() {
		h := &w.Log()[i]
		if h.Event == nil || h.Decision == nil || h.Event.ChatID() != id {
			continue
		}
		var actions []chat.Action
		for _, a := range w.Actions(id) {
			if a.ID.Seq == h.Seq {
				actions = append(actions, a)
			}
		}
		e := turn.Entry{Seq: h.Seq, Arrival: turn.Arrival{Event: *h.Event, Received: h.At}}
		if h.Event.Type == event.OperatorRead {
			e.Forward = &turn.Forward{Request: chat.Request{Kind: chat.RequestRead}}
		}
		if h.Event.Timer() != "" {
			fmt.Sscanf(h.Event.ID[strings.LastIndexByte(h.Event.ID, '/')+1:], "%d", &e.Cause)
		}
		r.Events = append(r.Events, spec.RecordedOf(&e, h.Decision, actions, attempts))
	}
	return r
}

// echo is an event of a story.
func echo(n int, text, from string, at time.Time) event.Event {
	id := fmt.Sprintf("e%d", n)
	ev := event.Event{
		ID: id, Type: event.MessageReceived, At: at, Source: event.SourceWebhook, Text: text, From: from, Raw: []byte("{}"),
		Chat: &event.Chat{ID: "7d1b2c9e-8b4e"}, Message: &event.Message{ID: "m" + id, Direction: "inbound", Text: text, From: from, Service: "imessage"},
	}
	if text != "" {
		ev.Message.Parts = []event.Part{{Type: "text", Value: text}}
	}
	return ev
}

// TestRecordedStoriesPass: a spec that is written from what happened to a chat passes on the
// pack that decided, has nothing marked, and says the same when it is written again.
func TestRecordedStoriesPass(t *testing.T) {
	t.Parallel()
	pack := echoPacks(t, echoPack)
	rapid.Check(t, func(rt *rapid.T) {
		w := tellStory(rt, pack)
		r := recordingOf(w, "7d1b2c9e-8b4e")
		if len(r.Events) == 0 {
			return
		}
		got := spec.Record(context.Background(), r, pack.Name, pack, true)
		if len(got.Notes) > 0 {
			rt.Fatalf("%v\n%s", got.Notes, got.Lua)
		}
		for _, marked := range []string{"does not hold", "decided otherwise", "by the pack alone"} {
			if strings.Contains(got.Lua, marked) {
				rt.Fatalf("%s", got.Lua)
			}
		}
		if !strings.Contains(got.Lua, "assert.is_") {
			rt.Fatalf("it asserts nothing:\n%s", got.Lua)
		}
		if again := spec.Record(context.Background(), r, pack.Name, pack, true); again.Lua != got.Lua {
			rt.Fatalf("written again it differs:\n%s\n%s", got.Lua, again.Lua)
		}
	})
}

// TestRecordedHoldsOfOperators: a hold that ended a read is in the spec. The records have no
// other holds, and no releases, so that some lines may be marked; the spec passes nevertheless.
func TestRecordedHoldsOfOperators(t *testing.T) {
	t.Parallel()
	pack := echoPacks(t, echoPack)
	rapid.Check(t, func(rt *rapid.T) {
		w := tellStory(rt, pack, 10, 11, 12)
		r := recordingOf(w, "7d1b2c9e-8b4e")
		if len(r.Events) == 0 {
			return
		}
		got := spec.Record(context.Background(), r, pack.Name, pack, true)
		for _, note := range got.Notes {
			if !strings.HasPrefix(note, "the pack decides otherwise than it did in the chat") {
				rt.Fatalf("%s\n%s", note, got.Lua)
			}
		}
		file := rules.File{Name: "spec/r_spec.lua", Path: "echo/spec/r_spec.lua", Kind: rules.SpecFile, Bytes: []byte(got.Lua)}
		if report := spec.Run(context.Background(), pack.WithFiles(append(slices.Clone(pack.Files), file)), spec.Options{Workers: 1}); !report.OK() || report.Count(spec.Passed) != 1 {
			rt.Fatalf("%v\n%s", report.Diagnostics(), got.Lua)
		}
	})
}

// tellStory lets messages come, calls fail and an operator read; with more, it takes those
// steps as well: 10 holds the chat for long, 11 for a minute, 12 releases it.
func tellStory(rt *rapid.T, pack *rules.Pack, more ...int) *spec.World {
	set, diags := pack.Solo(rules.Solo{})
	if set == nil {
		rt.Fatal(diags)
	}
	ctx := context.Background()
	w := spec.NewWorld(spec.WorldConfig{Set: set})
	words := rapid.SampledFrom([]string{"read", "later", "veto", "hold", "release", "postpone", "cancel", "timer", "send", "rest", "hello"})
	for n := range rapid.IntRange(1, 8).Draw(rt, "steps") {
		var err error
		switch step := rapid.SampledFrom(append([]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, more...)).Draw(rt, "step"); step {
		case 0:
			if _, ok := w.Chat("7d1b2c9e-8b4e"); ok {
				err = w.OperatorRead(ctx, "7d1b2c9e-8b4e")
			}
		case 1, 2, 3:
			err = w.Advance(ctx, time.Duration(rapid.SampledFrom([]int{1, 350, 9_000, 60_000, 91_000, 400_000}).Draw(rt, "ms"))*time.Millisecond)
		case 10, 11:
			until := w.Now().Add(map[int]time.Duration{10: 2 * time.Hour, 11: time.Minute}[step])
			err = w.Operate(ctx, "7d1b2c9e-8b4e", chat.Operate{Hold: chat.Hold{Until: until, By: "operator"}}, "")
		case 12:
			err = w.Operate(ctx, "7d1b2c9e-8b4e", chat.Operate{Release: true}, "")
		case 4:
			f, _ := spec.Documented(rapid.SampledFrom([]int{4001, 1007, 2002}).Draw(rt, "code"))
			w.FailNext(f, rapid.IntRange(1, 3).Draw(rt, "times"))
		default:
			text := strings.Join(rapid.SliceOfN(words, 0, 3).Draw(rt, "words"), " ")
			from := rapid.SampledFrom([]string{"+14155550123", "+14155550124", "someone@example.org"}).Draw(rt, "from")
			err = w.Receive(ctx, echo(n, text, from, w.Now()))
		}
		if err == nil {
			err = w.Advance(ctx, time.Duration(rapid.IntRange(0, 3).Draw(rt, "pause"))*1500*time.Millisecond)
		}
		if err != nil {
			rt.Fatal(err)
		}
	}
	if err := w.Advance(ctx, time.Hour); err != nil {
		rt.Fatal(err)
	}
	return w
}
