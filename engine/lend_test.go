package engine

import (
	"errors"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// lendRig is a readyRig whose next commit waits until release is called, and then returns
// fail.
func lendRig(t *testing.T, fail error, files ...string) (r *rig, commits <-chan struct{}, release func()) {
	t.Helper()
	r, f := readyRig(t, files...)
	began, gate := make(chan struct{}), make(chan struct{})
	f.mu.Lock()
	f.commit, f.fail = func() { close(began); <-gate }, fail
	f.mu.Unlock()
	return r, began, func() { close(gate) }
}

// handedOut waits until a chat hands out its call from memory.
func (r *rig) handedOut(id string) *chat.Call {
	r.t.Helper()
	var call *chat.Call
	r.wait("the call of "+id, func() bool {
		call, _ = r.eng.Ready(id)
		return call != nil
	})
	return call
}

// A read goes out before its event's decision is durable, and its result is stored with the
// decision: one transition, with the read done.
func TestReadGoesOutBeforeItsCommit(t *testing.T) {
	t.Parallel()
	r, commits, release := lendRig(t, nil, "p.lua", words)
	r.message("c1", "e1", "read")
	call := r.handedOut("c1")
	select {
	case <-commits:
		t.Log("the batch is being committed already")
	default:
	}
	durable := make(chan struct{})
	r.eng.Answer(chat.Answer{Call: *call, OK: true}, func() { close(durable) })
	if r.handled("e1") != nil {
		t.Error("the event is reported as handled before its commit")
	}
	<-commits
	release()
	<-durable
	r.handledAll("e1")
	r.wait("the end of the read", func() bool { return r.ended(chat.WhyRead) == 1 })
}

// If the commit fails after a read has gone out, the batch runs again with the call in
// flight: the read is made once, whether its answer came before the failure or after it, and
// a veto that came after the call does not undo it.
func TestVoidBatchKeepsItsCallInFlight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text     string
		before, vetoed bool
	}{
		{"the answer comes before the failure", "read", true, false},
		{"the answer comes after it", "read", false, false},
		{"a veto comes between call and answer", "read", false, true},
		{"the read waited until it was due", "soon", true, false}, // as it does not when the batch runs again
	} {
		r, commits, release := lendRig(t, errors.New("disk I/O error"), "p.lua", words)
		r.message("c1", "e1", c.text)
		call := r.handedOut("c1")
		durable := make(chan struct{})
		answer := func() { r.eng.Answer(chat.Answer{Call: *call, OK: true}, func() { close(durable) }) }
		if c.vetoed {
			r.message("c1", "e2", "veto")
		}
		if c.before {
			answer()
		}
		<-commits
		if !c.before {
			answer()
		}
		release()
		<-durable
		r.wait(c.name+": the end of the read", func() bool {
			// The veto may come too late for this batch, and then for the answer as well.
			return r.ended(chat.WhyRead)+r.ended(chat.WhyTooLate) == 1
		})
		if err := r.eng.waitDurable(ctx); err != nil {
			t.Fatal(err)
		}
		if again, ask := r.eng.Ready("c1"); again != nil || ask {
			t.Errorf("%s: the read is made again: %+v, ask: %t", c.name, again, ask)
		}
		stored, err := r.st.Actions(ctx, store.ActionFilter{Chat: "c1"})
		if err != nil || len(stored) != 1 || stored[0].Attempts != 1 || stored[0].Status != chat.Done {
			t.Errorf("%s: the store has %+v, %v; want one read, done with one attempt", c.name, stored, err)
		}
	}
}

// A batch that may be void for another reason, or that does more than reads, lends nothing.
func TestWhatMustBeDurableFirstIsNotLent(t *testing.T) {
	t.Parallel()
	for name, pack := range map[string]string{
		"kv":     counted,
		"a send": words + `chert.on("message.received", function(ev) chert.send("c2", "hello") end)`,
	} {
		r, commits, release := lendRig(t, nil, "p/init.lua", pack, "p/pack.yaml", "permissions: [send]\n")
		r.message("c1", "e1", "read")
		<-commits
		if call, _ := r.eng.Ready("c1"); call != nil {
			t.Errorf("%s: a read goes out before its batch is durable", name)
		}
		release()
		r.handedOut("c1")
	}
}

// Transitions that are merged store the same as the same ones apart: the newest state of
// each action and of each chat.
func TestMergedTransitionsStoreTheSame(t *testing.T) {
	t.Parallel()
	action := func(seq int64, n int, status chat.Status, attempts int) chat.Action {
		return chat.Action{ID: chat.ActionID{Seq: seq, N: n}, Kind: chat.Read, Status: status, Attempts: attempts}
	}
	b := &batch{s: &shard{sinceKV: kvBatches}, chats: map[string]*chat.Chat{}}
	newest := map[string]*chat.Chat{}
	rows := map[chat.ActionID]chat.Action{}
	add := func(id string, decision int64, actions ...chat.Action) {
		d := turn.Done{Transition: turn.Transition{Chat: &chat.Chat{ID: id}, Actions: actions}}
		if decision != 0 {
			d.Decision = &turn.Decision{Seq: decision}
		}
		newest[id] = d.Chat
		for _, a := range actions {
			rows[a.ID] = a
		}
		b.add(&d)
	}
	add("a", 1, action(1, 1, chat.Waiting, 0))
	add("b", 2, action(2, 1, chat.Waiting, 0))
	add("a", 3, action(1, 1, chat.Waiting, 0), action(3, 1, chat.Waiting, 0)) // 1.1 is later now
	add("a", 0, action(1, 1, chat.Done, 1), action(3, 1, chat.Done, 1))       // merged
	add("b", 0, action(2, 1, chat.Waiting, 1))                                // merged
	add("b", 0, action(2, 1, chat.Done, 2), action(9, 1, chat.Done, 1))       // not: 9.1 is older than the batch
	add("b", 0)                                                               // merged: the chat alone
	add("c", 0, action(8, 1, chat.Done, 1))                                   // not
	if len(b.log) != 5 {
		t.Errorf("the batch has %d transitions, want 5", len(b.log))
	}
	gotNewest, gotRows := map[string]*chat.Chat{}, map[chat.ActionID]chat.Action{}
	for i := range b.log {
		gotNewest[b.log[i].Chat.ID] = b.log[i].Chat
		for _, a := range b.log[i].Actions {
			gotRows[a.ID] = a
		}
	}
	for id, c := range newest {
		if gotNewest[id] != c {
			t.Errorf("chat %s is not stored as it is", id)
		}
	}
	for id, a := range rows {
		if got := gotRows[id]; got.Status != a.Status || got.Attempts != a.Attempts {
			t.Errorf("action %s is stored as %s after %d attempts, want %s after %d", id, got.Status, got.Attempts, a.Status, a.Attempts)
		}
	}
}

// A chat that is lent stays in the cache, whatever its limit: the store does not have it yet.
func TestLentChatsStayInTheCache(t *testing.T) {
	c := newChatCache(2, 2)
	var now time.Time
	c.put("lent", &chat.Chat{ID: "lent"}, now)
	c.pinned["lent"] = true
	for _, id := range []string{"x", "y", "z"} {
		c.put(id, &chat.Chat{ID: id}, now)
	}
	if c.peek("lent") == nil {
		t.Error("the cache has dropped a chat that is not durable")
	}
	clear(c.pinned)
	c.put("v", &chat.Chat{ID: "v"}, now)
	if c.peek("lent") != nil {
		t.Error("the chat stays once it is durable")
	}
}
