package storetest

import (
	"fmt"
	"testing"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

func concerned(t *testing.T, b *bench) {
	action := func(seq int64, chatID, hash string, status chat.Status) chat.Action {
		a := read(seq, 0, chatID, noon)
		a.Version, a.Status = hash, status
		return a
	}
	other := action(9, "c9", "aa", chat.Waiting)
	other.Pack = "vip"
	timer := func(chatID, pack, hash string) turn.Transition {
		tm := chat.Timer{Pack: pack, Name: "again", Version: hash, Due: noon, Seq: 20}
		return turn.Transition{Chat: &chat.Chat{ID: chatID}, Timers: []chat.TimerChange{{Timer: tm}}}
	}
	waiting := func(list ...chat.Action) turn.Transition {
		return turn.Transition{Chat: &chat.Chat{ID: list[0].Chat, Waiting: list}, Actions: list}
	}
	c2 := timer("c2", "codes", "bb")
	c2.Chat.Waiting = []chat.Action{action(1, "c2", "aa", chat.Waiting)}
	c2.Actions = c2.Chat.Waiting
	b.commit(turn.Transition{Actions: []chat.Action{
		action(4, "c4", "aa", chat.Done), action(5, "c5", "aa", chat.Dropped), action(6, "c6", "aa", chat.Blocked),
		action(7, "c7", "aa", chat.Dead), action(8, "c8", "aa", chat.Shadowed),
	}}, waiting(action(2, "c1", "aa", chat.Waiting), action(3, "c1", "bb", chat.Sent)), waiting(other), c2, timer("c3", "codes", "bb"), timer("c5", "vip", "bb"))
	check := func(when, pack, hash string, want ...string) {
		t.Helper()
		got, err := b.s.Concerned(t.Context(), pack, hash)
		b.must(err)
		b.equal(fmt.Sprintf("%s: chats of %s %s", when, pack, hash), got, want)
	}
	check("immediately", "codes", "", "c1", "c2", "c3", "c6")
	check("immediately", "codes", "aa", "c1", "c2", "c6")
	check("immediately", "codes", "bb", "c1", "c2", "c3")
	check("immediately", "codes", "cc")
	check("immediately", "vip", "", "c5", "c9")
	check("immediately", "nothing", "")
	postponed := func(id string, list ...chat.Postponement) turn.Transition {
		return turn.Transition{Chat: &chat.Chat{ID: id, Postponed: list}}
	}
	b.commit(
		postponed("p1", chat.Postponement{Pack: "night", Version: "aa", Until: noon}, chat.Postponement{Pack: "calm", Version: "bb", Until: noon}),
		postponed("p2", chat.Postponement{Pack: "night", Version: "bb", Until: noon}))
	check("postponed", "night", "", "p1", "p2")
	check("a version leaves what it has postponed", "night", "bb")
	check("postponed", "calm", "", "p1")
	b.commit(postponed("p2"))
	check("no longer postponed", "night", "", "p1")
	b.reopen()
	gone := timer("c3", "codes", "bb")
	gone.Timers[0].Removed = true
	done := timer("c2", "codes", "bb")
	done.Actions = []chat.Action{action(1, "c2", "aa", chat.Done)}
	b.commit(done, gone)
	check("later", "codes", "", "c1", "c2", "c6")
	check("later", "codes", "aa", "c1", "c6")
}

func pendingKept(t *testing.T, b *bench) {
	pack := func(name string) store.PackState {
		t.Helper()
		list, err := b.s.PackStates(t.Context())
		b.must(err)
		for _, p := range list {
			if p.Pack == name {
				return p
			}
		}
		return store.PackState{}
	}
	b.must(b.s.SetPendingKept(t.Context(), "codes", "", false))
	b.must(b.s.SetRulesDeleted(t.Context(), "codes", false))
	b.equal("a pack that is not known", pack("codes"), store.PackState{})
	b.must(b.s.SetPendingKept(t.Context(), "codes", "", true))
	b.equal("set before the pack is known", pack("codes"), store.PackState{Pack: "codes", PendingKept: true})

	b.save(version("aa", 0), version("bb", 1))
	b.must(b.s.SetPackState(t.Context(), store.PackState{Pack: "codes", Live: "aa", Mode: rules.Shadow, RulesDeleted: true}))
	b.must(b.s.SetRulesDeleted(t.Context(), "vip", true))
	b.must(b.s.SetPendingKept(t.Context(), "codes", "bb", true))
	b.must(b.s.SetPendingKept(t.Context(), "codes", "cc", true)) // not kept
	b.save(version("bb", 2))
	b.reopen()
	b.equal("the pack", pack("codes"), store.PackState{Pack: "codes", Live: "aa", Mode: rules.Shadow, PendingKept: true})
	b.equal("another pack", pack("vip"), store.PackState{Pack: "vip", RulesDeleted: true})
	b.equal("the version", b.version("codes", "bb").PendingKept, true)
	b.equal("the other version", b.version("codes", "aa").PendingKept, false)
	b.equal("a version that is not kept", b.version("codes", "cc"), store.Version{})

	b.must(b.s.SetPendingKept(t.Context(), "codes", "", false))
	b.must(b.s.SetRulesDeleted(t.Context(), "vip", false))
	b.must(b.s.SetPendingKept(t.Context(), "codes", "bb", false))
	b.equal("the pack, later", pack("codes"), store.PackState{Pack: "codes", Live: "aa", Mode: rules.Shadow})
	b.equal("another pack, later", pack("vip"), store.PackState{Pack: "vip"})
	b.equal("the version, later", b.version("codes", "bb").PendingKept, false)
	b.must(b.s.SetPendingKept(t.Context(), "codes", "", true))
	b.must(b.s.ForgetPack(t.Context(), "codes"))
	b.equal("forgotten", pack("codes"), store.PackState{})
}
