package engine

import (
	"strings"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/rules/chat"
)

const onlyIf = `chert.rule({ name = "answered", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { only_if = "answered" }) end })
chert.rule({ name = "unanswered", on = "message.received", run = function(ev) chert.mark_read(ev.chat.id, { only_if = "unanswered" }) end })`

// kinds returns the calls of a chat, by their kinds.
func (r *rig) kinds(id string) string {
	defer r.lock()()
	var all []string
	for _, c := range r.calls {
		if c.Chat == id {
			all = append(all, string(c.Kind))
		}
	}
	return strings.Join(all, " ")
}

// One question of Chert decides all reads of a chat that have a condition.
func TestConditionsAreAskedOfChert(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "asks.lua", onlyIf)
	c.newest = chat.NewestOutbound
	c.handle("c1", "e1", "x")
	c.endedAs("c1", "read dropped (answered), read done (read)")
	c.mu.Lock()
	c.newest = chat.NewestInbound
	c.mu.Unlock()
	c.handle("c2", "e2", "x")
	c.endedAs("c2", "read done (read), read dropped (not_answered)")
	c.mu.Lock()
	c.newest, c.unclear = chat.NewestUnknown, "Chert lists no messages of the chat"
	c.mu.Unlock()
	c.handle("c3", "e3", "x")
	c.endedAs("c3", "read dropped (answer_unknown), read dropped (answer_unknown)")
	for id, want := range map[string]string{"c1": "question read", "c2": "question read", "c3": "question"} {
		if got := c.kinds(id); got != want {
			t.Errorf("calls of %s: %q, want %q", id, got, want)
		}
	}
	c.expectOutcome(c.explainOne("e3"), control.OutcomeNotRead, "answer_unknown, Chert lists no messages of the chat")
}

// A question that fails is asked again, also after a restart; one that Chert refuses leaves the
// chat unread with its answer.
func TestFailedQuestionsAreAskedAgain(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "asks.lua", onlyIf)
	c.newest = chat.NewestOutbound
	c.answer = func(call chat.Call) error {
		if call.Kind == chat.Question && call.Attempt == 1 {
			return &chert.Error{Status: 503, Code: 3002, Message: "delivery unavailable", Retryable: true, RetryAfter: time.Hour}
		}
		if call.Chat == "c2" {
			return &chert.Error{Status: 404, Code: 2002, Message: "chat not found"}
		}
		return nil
	}
	c.handle("c1", "e1", "x")
	c.wait("the failed question", func() bool { return c.chatOf("c1").Retry.Attempts == 1 })
	c.handle("c2", "e2", "x")
	c.wait("the other failed question", func() bool { return c.chatOf("c2").Retry.Attempts == 1 })
	c.expectActions("after a failed question", "c1", "read waiting, read waiting")
	c.stop()
	c.ahead.Store(int64(2 * time.Hour))
	c.start()
	c.endedAs("c1", "read dropped (answered), read done (read)")
	c.endedAs("c2", "read dropped (answer_unknown), read dropped (answer_unknown)")
	if got := c.kinds("c1"); got != "question question read" {
		t.Errorf("calls: %q", got)
	}
}
