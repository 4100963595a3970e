package storetest

import (
	"fmt"
	"testing"
	"time"

	"chertd/engine/event"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var waitingTests = map[string]func(*testing.T, *bench){
	"what waits is listed and counted by line": waitingByLine,
	"holds of selections are kept":             selectionHolds,
	"chats of notifications are listed":        noticeChats,
}

// noticeChats: they are listed whether something waits for them or not, and no others are.
func noticeChats(t *testing.T, b *bench) {
	ids := []string{"c1", "notify", "notify;", chat.NotifyChat("a"), chat.NotifyChat("b"), "notifyx"}
	for i, id := range ids {
		b.append(arrival(fmt.Sprint("e", i), id))
		b.commit(turn.Transition{Decision: &turn.Decision{Seq: int64(i + 1), At: noon}, Chat: &chat.Chat{ID: id}})
	}
	got, err := b.s.NoticeChats(t.Context())
	b.must(err)
	b.equal("of targets", got, []string{chat.NotifyChat("a"), chat.NotifyChat("b")})
}

// waitingByLine: a chat is listed under its line while any of its actions waits, and only then.
func waitingByLine(t *testing.T, b *bench) {
	var batch []turn.Transition
	for i := range 12 {
		c := chat.Chat{ID: fmt.Sprintf("c%02d", i), Line: []string{"", "+1", "+2"}[i%3], IsGroup: event.Truth(i % 2)}
		b.append(arrival(fmt.Sprint("e", i), c.ID))
		seq := int64(i + 1)
		a := chat.Action{ID: chat.ActionID{Seq: seq}, Kind: chat.Read, Chat: c.ID, Pack: "p", Version: "v", Status: chat.Waiting, Requested: noon, Due: noon}
		if i >= 9 {
			a.Status = chat.Blocked
		} else {
			c.Waiting = []chat.Action{a}
		}
		batch = append(batch, turn.Transition{Decision: &turn.Decision{Seq: seq, At: noon}, Chat: &c, Actions: []chat.Action{a}})
	}
	b.commit(batch...)
	count := func(what string, n int64, err error, want int64) {
		t.Helper()
		b.must(err)
		b.equal(what, n, want)
	}
	listed := func(what string, got []string, err error, want ...string) {
		t.Helper()
		b.must(err)
		b.equal(what, got, want)
	}
	check := func() {
		t.Helper()
		ctx := t.Context()
		lines, err := b.s.WaitingLines(ctx, "", 9)
		listed("lines", lines, err, "", "+1", "+2")
		lines, err = b.s.WaitingLines(ctx, "+1", 1)
		listed("a page of lines", lines, err, "+1")
		chats, err := b.s.WaitingChats(ctx, "+1", "", 2)
		listed("a page of chats", chats, err, "c01", "c04")
		chats, err = b.s.WaitingChats(ctx, "+1", "c04", 2)
		listed("the next page", chats, err, "c07")
		blocked, err := b.s.BlockedChats(ctx, "c09", 9)
		listed("blocked chats", blocked, err, "c10", "c11")
		n, err := b.s.CountWaiting(ctx, nil)
		count("all that wait", n, err, 9)
		line := "+2"
		n, err = b.s.CountWaiting(ctx, &line)
		count("those of a line", n, err, 3)
		for of, want := range map[chat.Selection]int64{{}: 12, {Line: "+1"}: 4, {IsGroup: event.False}: 6, {Line: "+1", IsGroup: event.False}: 2, {Line: "+9"}: 0, {IsGroup: event.True}: 0} {
			n, err := b.s.CountChats(ctx, of)
			count("chats of "+of.String(), n, err, want)
		}
	}
	check()
	b.reopen()
	check()
	b.commit(turn.Transition{Chat: &chat.Chat{ID: "c01", Line: "+1"}, Actions: []chat.Action{{ID: chat.ActionID{Seq: 2}, Kind: chat.Read, Chat: "c01", Pack: "p", Version: "v", Status: chat.Dropped, Requested: noon, Due: noon, Ended: noon}}})
	chats, err := b.s.WaitingChats(t.Context(), "+1", "", 9)
	listed("once one has ended", chats, err, "c04", "c07")
}

func selectionHolds(t *testing.T, b *bench) {
	check := func(want ...chat.SelectionHold) {
		t.Helper()
		got, err := b.s.SelectionHolds(t.Context())
		b.must(err)
		b.equal("holds", got, want)
	}
	check()
	for i := range 9 { // holds begin and end within the journal
		b.append(arrival(fmt.Sprint("e", i), "c1"))
	}
	line := chat.SelectionHold{ID: 1, Of: chat.Selection{Line: "+1"}, By: "alice", Reason: "moving", Began: noon, Until: noon.Add(time.Hour), Seq: 7}
	groups := chat.SelectionHold{ID: 2, Of: chat.Selection{IsGroup: event.False}, By: "bob", Began: noon, Until: noon.Add(time.Minute), Swept: true}
	b.must(b.s.SetSelectionHold(t.Context(), groups))
	b.must(b.s.SetSelectionHold(t.Context(), line))
	b.reopen()
	check(line, groups)
	line.Through, line.EndedBy, line.Until, line.Swept, line.Settled = 9, "bob", noon.Add(time.Minute), true, true
	b.must(b.s.SetSelectionHold(t.Context(), line))
	for range 2 {
		b.must(b.s.DropSelectionHold(t.Context(), groups.ID))
	}
	b.reopen()
	check(line)
}
