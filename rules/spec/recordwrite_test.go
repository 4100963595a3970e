package spec_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules/spec"
)

// clockAt is a time of recordings.
func clockAt(seconds float64) time.Time {
	return spec.Epoch.Add(time.Duration(seconds * float64(time.Second)))
}

// came is a message of a recording.
func came(seq int64, seconds float64, text string) spec.RecordedEvent {
	return spec.RecordedEvent{
		Seq: seq, ID: "e" + text, Type: event.MessageReceived, Source: event.SourceWebhook, At: clockAt(seconds), Received: clockAt(seconds), Handled: clockAt(seconds),
		Direction: "inbound", From: "+14155550199", Text: text, Parts: []event.Part{{Type: "text", Value: text}},
	}
}

// requested adds what a rule requested on an event.
func requested(e spec.RecordedEvent, pack, rule string, requests ...string) spec.RecordedEvent {
	e.Rules = append(e.Rules, spec.RecordedRule{Pack: pack, Version: "0123456789abcdef", Rule: rule, Asked: requests})
	return e
}

// acted adds an action to an event.
func acted(e spec.RecordedEvent, a spec.RecordedAction) spec.RecordedEvent {
	a.Requested = e.Handled
	if a.Kind == "" {
		a.Kind = "read"
	}
	if a.Due.IsZero() {
		a.Due = e.Handled
	}
	e.Actions = append(e.Actions, a)
	return e
}

// TestRecordedSpecs has what a recording is written as. None is tried on a pack.
func TestRecordedSpecs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		r     spec.Recording
		wants []string // lines, in this order
		lacks []string
		notes []string
	}{
		"a veto of another pack": {
			r: spec.Recording{Events: []spec.RecordedEvent{acted(
				requested(requested(came(1, 0, "hi"), "echo", "obey", "mark_read"), "night", "rest", "keep_unread"),
				spec.RecordedAction{Pack: "echo", Rule: "obey", Status: "dropped", Why: "vetoed", EndedBy: "night/rest", EndedSeq: 1, Ended: clockAt(0)})}},
			wants: []string{`-- the read that obey requested was vetoed by night/rest: not part of this spec`, `receive({`, `-- night/rest requested keep_unread: not part of this spec`},
		},
		"a text that is no longer kept is never guessed": {
			r: spec.Recording{Events: []spec.RecordedEvent{func() spec.RecordedEvent {
				e := came(1, 0, "")
				e.NoText, e.Parts, e.From = true, nil, ""
				return e
			}()}},
			wants: []string{`-- the text of this event is no longer kept (store.raw)`, `receive({ chat = chat })`},
			lacks: []string{"text ="},
			notes: []string{"the texts of some events are no longer kept"},
		},
		"older events are said": {
			r:     spec.Recording{Earlier: true, Events: []spec.RecordedEvent{came(1, 0, "hi")}},
			wants: []string{`-- The chat has older events`},
		},
		"a hold of an operator that dropped a waiting read": {
			r: spec.Recording{
				Hold: &spec.RecordedHold{By: "operator", Until: clockAt(3610)}, Taken: clockAt(100),
				Events: []spec.RecordedEvent{acted(requested(came(1, 0, "hi"), "echo", "obey", "mark_read after 30s"),
					spec.RecordedAction{Pack: "echo", Rule: "obey", Status: "dropped", Why: "vetoed", EndedBy: "operator", Ended: clockAt(10), Due: clockAt(30)})},
			},
			wants: []string{`assert.is_unread(chat)`, `advance("10s")`, `operator.hold(chat, "1h")`, `advance("20s")`},
		},
		"a hold of which the records have no beginning": {
			r:     spec.Recording{Hold: &spec.RecordedHold{By: "operator", Until: clockAt(3600)}, Events: []spec.RecordedEvent{came(1, 0, "hi")}},
			wants: []string{`-- an operator held the chat until 2026-01-05T13:00:00Z; the records do not have since when`},
		},
		"a timer that was set before": {
			r: spec.Recording{Events: []spec.RecordedEvent{came(7, 0, "hi"), {Seq: 9, ID: "timer:echo/t/3.0", Type: "timer:t", Source: event.SourceEngine,
				Received: clockAt(60), Handled: clockAt(60), Cause: 3, Pack: "echo", Payload: `{"text":"Ann, 7","n":2}`}}},
			wants: []string{`advance("1m")`, `-- this timer was set before the recording began`, `fire("timer:t", { chat = chat, payload = { n = 2, text = "Xxx, 0" } })`},
		},
		"calls that failed": {
			r: spec.Recording{Events: []spec.RecordedEvent{acted(requested(came(1, 0, "hi"), "echo", "obey", "mark_read"),
				spec.RecordedAction{Pack: "echo", Rule: "obey", Status: "done", Why: "read", Called: clockAt(1.6), Failed: []spec.RecordedAttempt{
					{At: clockAt(0.1), HTTP: 502, Code: 4001}, {At: clockAt(0.7), HTTP: 502, Code: 4001}, {At: clockAt(1.5)}, {At: clockAt(1.5), HTTP: 502},
				}})}},
			wants: []string{`fail_next(4001, 2)`, `fail_next("timeout")`, `-- the answer was HTTP 502 with code 0`, `fail_next(3002)`, `receive({`, `assert.is_unread(chat)`, `advance("15s")`, `assert.is_read(chat)`},
		},
		"shadow mode": {
			r: spec.Recording{Events: []spec.RecordedEvent{func() spec.RecordedEvent {
				e := requested(came(1, 0, "hi"), "echo", "obey", "mark_read")
				e.Rules[0].Shadow = true
				return e
			}()}},
			wants: []string{`-- echo/obey was in shadow mode: in a spec it is live`},
			lacks: []string{`-- echo was in shadow mode`},
		},
		"a single rule in shadow mode": {
			r: spec.Recording{Events: []spec.RecordedEvent{func() spec.RecordedEvent {
				e := requested(requested(came(1, 0, "hi"), "night", "rest", "keep_unread"), "echo", "obey", "mark_read")
				e = requested(e, "echo", "friend", "mark_read")
				e.Rules[2].Shadow = true
				return e
			}(), func() spec.RecordedEvent {
				e := requested(came(2, 9, "hi"), "echo", "friend", "mark_read")
				e.Rules[0].Shadow = true
				return e
			}()}},
			wants: []string{`-- echo/friend was in shadow mode: in a spec it is live`, `receive(`},
			lacks: []string{`echo/obey was in`, `echo was in`, `live
    assert.is_unread(chat)
    advance("9s")
    receive({ chat = chat, from = "+15550100001", text = "xx" })
    -- echo/friend`},
		},
		"one that was late, from a group, with media": {
			r: spec.Recording{Events: []spec.RecordedEvent{func() spec.RecordedEvent {
				e := came(1, 0, "hi")
				e.At, e.IsGroup, e.Parts = clockAt(-7200), true, append(e.Parts, event.Part{Type: "media", MimeType: "image/png"})
				return e
			}()}},
			wants: []string{`receive({ chat = chat, is_group = true, from = "+15550100001", age = "2h", text = "xx", media = "image/png" })`},
		},
		"a reaction to a message": {
			r: spec.Recording{Events: []spec.RecordedEvent{
				func() spec.RecordedEvent { e := came(1, 0, "hi"); e.Message = "0D36042D"; return e }(),
				{Seq: 2, ID: "r", Type: event.ReactionAdded, Source: event.SourceWebhook, At: clockAt(5), Received: clockAt(5), Handled: clockAt(5), Message: "0D36042D"},
			}},
			wants: []string{`message_id = "m1"`, `fire("reaction.added", { chat = chat, message_id = "m1" })`},
		},
		"what would break out of a comment or a string": {
			r:     spec.Recording{Events: []spec.RecordedEvent{requested(came(1, 0, "]]\"\n\\\x1b"), "n\nos.exit()", "x", "keep_unread")}},
			wants: []string{`text = "]]\"\n\\\027"`, `-- n\nos.exit()/x requested keep_unread`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.r.Chat = "7d1b2c9e-8b4e-4f6a"
			got := spec.Record(t.Context(), &test.r, "echo", nil, false)
			rest := got.Lua
			for _, want := range test.wants {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Fatalf("it lacks %s, or has it elsewhere:\n%s", want, got.Lua)
				}
				rest = after
			}
			for _, lack := range append(test.lacks, "+14155550199", "8b4e") {
				if strings.Contains(got.Lua, lack) {
					t.Errorf("it has %s:\n%s", lack, got.Lua)
				}
			}
			notes := strings.Join(got.Notes, "\n")
			for _, want := range append(test.notes, `the spec was not tried: pack "echo" is not there`) {
				if !strings.Contains(notes, want) {
					t.Errorf("the notes lack %q: %s", want, notes)
				}
			}
			// Whatever it holds, it loads as a spec of a pack.
			pack := write(t, map[string]string{
				"echo/echo.lua":        `chert.on("*", function(ev) end) chert.on("timer:t", function(ev) end)`,
				"echo/spec/r_spec.lua": got.Lua,
			})[0]
			if report := spec.Run(t.Context(), pack, spec.Options{}); len(report.Results) != 1 || len(report.Broken) > 0 {
				t.Errorf("%v\n%s", report.Broken, got.Lua)
			}
		})
	}
}

// TestRecordedSpecNamesWhatItLacks: an assertion about the chat that a pack alone does not
// keep is never said to be the pack's other decision, nor one that was so in the chat.
func TestRecordedSpecNamesWhatItLacks(t *testing.T) {
	t.Parallel()
	pack := echoPacks(t, echoPack)
	const alone, read, unread = "    -- by the pack alone; in the chat it was the opposite:\n    assert.is_read(chat)\n", "assert.is_read(chat)", "assert.is_unread(chat)"
	message := func() spec.RecordedEvent {
		e := requested(came(1, 0, "read"), "echo", "obey", "mark_read")
		e.From = ""
		return e
	}
	for name, test := range map[string]struct {
		e           spec.RecordedEvent
		text        bool
		wants       []string // in this order
		lacks, says []string
	}{
		"a veto of another pack, masked": {
			e: acted(requested(message(), "night", "rest", "keep_unread"),
				spec.RecordedAction{Pack: "echo", Rule: "obey", Status: "dropped", Why: "vetoed", EndedBy: "night/rest", EndedSeq: 1, Ended: clockAt(0)}),
			wants: []string{"-- with the texts, by the pack alone, the opposite holds: " + read + "\n    " + unread + "\n"},
			lacks: []string{"does not hold", alone},
			says:  []string{"the rules look at the text or the sender, which are masked: run again with --text, or edit the marked lines (2)"},
		},
		"a limit that other chats reached": {
			e:     acted(message(), spec.RecordedAction{Pack: "echo", Rule: "obey", Status: "dropped", Why: "limit_reached", Ended: clockAt(0)}),
			text:  true,
			wants: []string{"-- the read that obey requested ended as limit_reached: the pack's reads of other chats count, and are not part of this spec", alone},
			lacks: []string{"does not hold"},
		},
		"a postponement of another pack": {
			e: acted(requested(message(), "night", "rest", "postpone for 4s"),
				spec.RecordedAction{Pack: "echo", Rule: "obey", Status: "done", Why: "read", Called: clockAt(4), Ended: clockAt(4)}),
			text:  true,
			wants: []string{"-- night/rest requested postpone for 4s: not part of this spec", alone, `advance("4s")`, read},
			lacks: []string{"does not hold"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := spec.Record(t.Context(), &spec.Recording{Chat: "c1", Taken: clockAt(100), Events: []spec.RecordedEvent{test.e}}, "echo", pack, test.text)
			rest := got.Lua
			for _, want := range test.wants {
				_, after, ok := strings.Cut(rest, want)
				if !ok {
					t.Fatalf("it lacks %s, or has it elsewhere:\n%s", want, got.Lua)
				}
				rest = after
			}
			for _, lack := range test.lacks {
				if strings.Contains(got.Lua, lack) {
					t.Errorf("it has %s:\n%s", lack, got.Lua)
				}
			}
			if !slices.Equal(got.Notes, test.says) {
				t.Errorf("notes %q, want %q\n%s", got.Notes, test.says, got.Lua)
			}
		})
	}
}

// TestMaskedTextKeepsItsShape: a masked text has the length and the punctuation of the text.
func TestMaskedTextKeepsItsShape(t *testing.T) {
	t.Parallel()
	r := (&spec.Recording{Events: []spec.RecordedEvent{
		came(1, 0, "Hi Ann! Your code: 12-34 ☎️ ñandú"),
		{From: "+14155550199"}, {From: "someone@example.org"}, {From: "24555"}, {From: "+14155550199"},
	}}).Masked()
	if got, want := r.Events[0].Text, "Xx Xxx! Xxxx xxxx: 00-00 ☎️ xxxxx"; got != want || r.Events[0].Parts[0].Value != want {
		t.Errorf("masked: %q, want %q", got, want)
	}
	var from []string
	for _, e := range r.Events[1:] {
		from = append(from, e.From)
	}
	if got, want := strings.Join(from, " "), "+15550100001 person2@example.com 20003 +15550100001"; got != want {
		t.Errorf("senders: %s, want %s", got, want)
	}
}

// TestRecordedSpecFailsForAnotherVersion: a spec that passes on the version that decided
// fails on one that decides otherwise, and says that it was recorded from another one.
func TestRecordedSpecFailsForAnotherVersion(t *testing.T) {
	t.Parallel()
	pack := echoPacks(t, echoPack)
	other := echoPacks(t, `chert.on("message.received", function(ev) end)`)
	r := spec.Recording{Chat: "c1", Events: []spec.RecordedEvent{acted(requested(came(1, 0, "read"), "echo", "obey", "mark_read"),
		spec.RecordedAction{Pack: "echo", Rule: "obey", Status: "done", Why: "read", Called: clockAt(0.01)})}}
	r.Events[0].From = ""
	if got := spec.Record(t.Context(), &r, "echo", pack, true); len(got.Notes) > 0 || !strings.Contains(got.Lua, "assert.is_read(chat)") {
		t.Errorf("%v\n%s", got.Notes, got.Lua)
	}
	got := spec.Record(t.Context(), &r, "echo", other, true)
	for _, want := range []string{"-- Tried on version ", "-- does not hold: assert.is_read(chat): expected chat c1 to be read", "-- decided otherwise in the chat: obey: mark_read; here echo#1: nothing"} {
		if !strings.Contains(got.Lua, want) {
			t.Errorf("it lacks %q:\n%s", want, got.Lua)
		}
	}
	if want := "the pack decides otherwise than it did in the chat: see the marked lines (2)"; strings.Join(got.Notes, "\n") != want {
		t.Errorf("notes %q, want %q", got.Notes, want)
	}
	masked := spec.Record(t.Context(), &r, "echo", pack, false)
	if want := "the rules look at the text or the sender, which are masked: run again with --text, or edit the marked lines (2)"; strings.Join(masked.Notes, "\n") != want {
		t.Errorf("notes %q, want %q\n%s", masked.Notes, want, masked.Lua)
	}
}
