package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var lifeTests = map[string]func(*testing.T, *bench){
	"a closed store returns ErrClosed":   closed,
	"Close answers calls that wait":      closeAnswers,
	"an ended context keeps nothing new": endedContext,
	"sequences continue after a restart": sequencesContinue,
	"readers see what was acknowledged":  readersSee,
}

func closed(t *testing.T, b *bench) {
	b.append(arrival("e1", "c1"))
	b.must(b.s.Close())
	ctx := t.Context()
	calls := map[string]func() error{
		"Append":      func() error { _, err := b.s.Append(ctx, []turn.Arrival{arrival("e2", "c1")}); return err },
		"Quarantine":  func() error { return b.s.Quarantine(ctx, store.Quarantined{}) },
		"Pending":     func() error { _, err := b.s.Pending(ctx, store.Shard{Of: 1}, 0, 1); return err },
		"Unhandled":   func() error { _, err := b.s.Unhandled(ctx, "c1"); return err },
		"Commit":      func() error { return b.s.Commit(ctx, []turn.Transition{{}}) },
		"Chat":        func() error { _, err := one(b.s.Chats(ctx, []string{"c1"})); return err },
		"State":       func() error { _, err := b.s.State(ctx, "p", "c1"); return err },
		"KV":          func() error { _, err := b.s.KV(ctx, "p", "k", noon); return err },
		"KVList":      func() error { _, _, err := b.s.KVList(ctx, "p", "", "", noon, 1, 1); return err },
		"KVUsage":     func() error { _, err := b.s.KVUsage(ctx, "p", noon, nil); return err },
		"CallsDue":    func() error { _, err := b.s.CallsDue(ctx, "", store.Due{}, 1); return err },
		"CallLines":   func() error { _, err := b.s.CallLines(ctx, "", 1); return err },
		"TimersDue":   func() error { _, err := b.s.TimersDue(ctx, store.Due{}, 1); return err },
		"Stats":       func() error { _, err := b.s.Stats(ctx); return err },
		"Event":       func() error { _, _, err := b.s.Event(ctx, "e1"); return err },
		"Events":      func() error { _, err := b.s.Events(ctx, "", 0, 1); return err },
		"Actions":     func() error { _, err := b.s.Actions(ctx, store.ActionFilter{}); return err },
		"Quarantined": func() error { _, err := b.s.Quarantined(ctx, 1); return err },
		"QuarantAft":  func() error { _, err := b.s.QuarantinedAfter(ctx, 0, 1); return err },
		"DropQuarant": func() error { return b.s.DropQuarantined(ctx, []int64{1}) },
		"SaveVersion": func() error { return b.s.SaveVersion(ctx, version("aa", 0)) },
		"Version":     func() error { _, _, err := b.s.Version(ctx, "codes", "aa"); return err },
		"Versions":    func() error { _, err := b.s.Versions(ctx, "codes", 1); return err },
		"PackStates":  func() error { _, err := b.s.PackStates(ctx); return err },
		"SetPack":     func() error { return b.s.SetPackState(ctx, store.PackState{Pack: "codes"}) },
		"ForgetPack":  func() error { return b.s.ForgetPack(ctx, "codes") },
		"Comparison":  func() error { _, err := b.s.Comparison(ctx, "codes", "aa", "", 9); return err },
		"RuleTotals":  func() error { _, err := b.s.RuleTotals(ctx); return err },
		"Concerned":   func() error { _, err := b.s.Concerned(ctx, "codes", ""); return err },
		"SetPending":  func() error { return b.s.SetPendingKept(ctx, "codes", "", true) },
		"SetDeleted":  func() error { return b.s.SetRulesDeleted(ctx, "codes", true) },
		"IgnoreFile":  func() error { _, err := b.s.IgnoreFile(ctx); return err },
		"SetIgnore":   func() error { return b.s.SetIgnoreFile(ctx, nil) },
		"Paused":      func() error { _, err := b.s.Paused(ctx); return err },
		"SetPaused":   func() error { return b.s.SetPaused(ctx, true) },
		"Schedule":    func() error { _, err := b.s.ScheduleDone(ctx, rules.ScheduleID{}, noon); return err },
		"ReadCount":   func() error { _, err := b.s.ReadCount(ctx, "codes"); return err },
		"ClockOffset": func() error { _, err := b.s.ClockOffset(ctx); return err },
		"SetOffset":   func() error { return b.s.SetClockOffset(ctx, 0) },
		"CallPause":   func() error { _, err := b.s.CallPause(ctx, "c"); return err },
		"SetPause":    func() error { return b.s.SetCallPause(ctx, "c", store.CallPause{}) },
		"LineStops":   func() error { _, err := b.s.LineStops(ctx, "c"); return err },
		"SetLineStop": func() error { return b.s.SetLineStop(ctx, "c", store.LineStop{Line: "l", Since: noon}) },
		"LearnedRate": func() error { _, err := b.s.LearnedRate(ctx, "c"); return err },
		"SetLearned":  func() error { return b.s.SetLearnedRate(ctx, "c", store.LearnedRate{}) },
		"LogCursor":   func() error { _, err := b.s.LogCursor(ctx, "log"); return err },
		"SetCursor":   func() error { return b.s.SetLogCursor(ctx, "log", noon) },
		"AppendEarly": func() error { _, err := b.s.AppendEarly(ctx, []turn.Arrival{arrival("e2", "c1")}); return err },
		"Early":       func() error { _, err := b.s.Early(ctx, 0, 1); return err },
		"DropEarly":   func() error { return b.s.DropEarly(ctx, 1) },
		"MissedPacks": func() error { _, err := b.s.MissedPacks(ctx); return err },
		"Missed":      func() error { _, err := b.s.Missed(ctx, store.Shard{Of: 1}, []string{"codes"}, 0, noon, 1); return err },
		"Vetoes":      func() error { _, err := b.s.Vetoes(ctx, "c1"); return err },
		"BlockedRead": func() error { _, err := b.s.BlockedReads(ctx, "c1"); return err },
		"Backlog":     func() error { _, _, err := b.s.Backlog(ctx, "codes", noon); return err },
		"Holds":       func() error { _, _, err := b.s.Holds(ctx, noon, 1); return err },
		"Postponed":   func() error { _, _, err := b.s.Postponed(ctx, noon, 1); return err },
		"EventBySeq":  func() error { _, _, err := b.s.EventBySeq(ctx, 1); return err },
		"MessageEven": func() error { _, err := b.s.MessageEvents(ctx, "m1", 1); return err },
		"TracedEvent": func() error { _, err := b.s.TracedEvents(ctx, "a1b2", 1); return err },
		"EventsNamin": func() error { _, err := b.s.EventsNaming(ctx, "555", 1); return err },
		"Dead":        func() error { _, err := b.s.Dead(ctx, store.DeadFilter{}, 1); return err },
		"DeadAfter":   func() error { _, err := b.s.DeadAfter(ctx, store.DeadFilter{}, chat.ActionID{}, 1); return err },
		"DeadGroups":  func() error { _, err := b.s.DeadGroups(ctx, store.DeadFilter{}); return err },
		"ActionsByID": func() error { _, err := b.s.ActionsByID(ctx, []chat.ActionID{{Seq: 1}}); return err },
		"Attempts":    func() error { _, err := b.s.Attempts(ctx, []chat.ActionID{{Seq: 1}}); return err },
		"Records":     func() error { _, err := b.s.Records(ctx, []int64{1}); return err },
		"PruneEvents": func() error { _, err := b.s.PruneEvents(ctx, noon, "", 1); return err },
		"PruneTexts":  func() error { _, err := b.s.PruneTexts(ctx, noon, "", 1); return err },
		"PruneSeen":   func() error { _, err := b.s.PruneSeen(ctx, noon, "", 1); return err },
		"MarkDay":     func() error { return b.s.MarkDay(ctx, noon) },
		"Unsupported": func() error { _, err := b.s.UnsupportedLines(ctx); return err },
		"SetUnsupp":   func() error { return b.s.SetUnsupportedLine(ctx, store.UnsupportedLine{}) },
		"DropUnsupp":  func() error { return b.s.DropUnsupportedLine(ctx, "") },
		"EraseTexts":  func() error { _, err := b.s.EraseTexts(ctx, []int64{1}); return err },
		"StatePacks":  func() error { _, err := b.s.StatePacks(ctx, "c1"); return err },
		"KVPacks":     func() error { _, err := b.s.KVPacks(ctx); return err },
		"WaitLines":   func() error { _, err := b.s.WaitingLines(ctx, "", 1); return err },
		"WaitChats":   func() error { _, err := b.s.WaitingChats(ctx, "", "", 1); return err },
		"CountWait":   func() error { _, err := b.s.CountWaiting(ctx, nil); return err },
		"CountChats":  func() error { _, err := b.s.CountChats(ctx, chat.Selection{}); return err },
		"BlockedChat": func() error { _, err := b.s.BlockedChats(ctx, "", 1); return err },
		"NoticeChats": func() error { _, err := b.s.NoticeChats(ctx); return err },
		"SelectHolds": func() error { _, err := b.s.SelectionHolds(ctx); return err },
		"SetSelect":   func() error { return b.s.SetSelectionHold(ctx, chat.SelectionHold{ID: 1}) },
		"DropSelect":  func() error { return b.s.DropSelectionHold(ctx, 1) },
		"Scrub":       func() error { return b.s.Scrub(ctx) },
		"Lists":       func() error { _, err := b.s.Lists(ctx); return err },
		"ListMembers": func() error { _, err := b.s.ListMembers(ctx, store.MemberQuery{List: "a", Limit: 1}); return err },
		"ChangeList":  func() error { return b.s.ChangeList(ctx, store.ListChange{List: "a", Version: 1, By: "ana"}) },
		"ListHistory": func() error { _, err := b.s.ListHistory(ctx, "a", 1); return err },
		"PruneLists":  func() error { _, err := b.s.PruneListHistory(ctx, noon, 1); return err },
		"Mentions":    func() error { _, err := b.s.ListMentions(ctx, "c1"); return err },
		"EraseMember": func() error { _, err := b.s.EraseListMember(ctx, "c1", noon); return err },
		"Close":       b.s.Close,
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, store.ErrClosed) {
			t.Errorf("%s after Close: %v, want %v", name, err, store.ErrClosed)
		}
	}
	b.open()
	if _, ok, err := b.s.Event(ctx, "e1"); !ok || err != nil {
		t.Errorf("e1 after Close: %t, %v", ok, err)
	}
}

// closeAnswers closes in the midst of appends: each is answered, and what was
// answered without an error is there.
func closeAnswers(t *testing.T, b *bench) {
	var mu sync.Mutex
	kept := map[string]bool{}
	var wg sync.WaitGroup
	begun := make(chan struct{}, 64)
	for side := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("e%d.%d", side, i)
				_, err := b.s.Append(background, []turn.Arrival{arrival(id, "c1")})
				if err != nil {
					if !errors.Is(err, store.ErrClosed) {
						t.Errorf("append: %v", err)
					}
					return
				}
				mu.Lock()
				kept[id] = true
				mu.Unlock()
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 40 {
		<-begun
	}
	b.must(b.s.Close())
	wg.Wait()
	b.open()
	if got := len(b.pending(store.Shard{Of: 1})); got != len(kept) {
		t.Errorf("%d events are there, %d were answered", got, len(kept))
	}
	for id := range kept {
		b.record(id)
	}
}

func endedContext(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.s.Commit(ctx, []turn.Transition{{Writes: []turn.KV{write("k", `1`)}}}); err == nil {
		// It was faster than the context: then it is kept.
		b.equal("kv", b.kv("p", "k", noon).Version, int64(1))
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	} else {
		b.equal("kv", b.kv("p", "k", noon), turn.KV{Pack: "p", Key: "k"})
	}
	if _, err := one(b.s.Chats(ctx, []string{"c1"})); !errors.Is(err, context.Canceled) {
		t.Errorf("chat: %v", err)
	}
	b.append(arrival("e1", "c1"))
}

func sequencesContinue(t *testing.T, b *bench) {
	last := int64(0)
	for i := range 4 {
		for j := range 3 {
			seq := b.append(arrival(fmt.Sprintf("e%d.%d", i, j), "c1"))[0]
			if seq <= last {
				t.Fatalf("sequence %d after %d", seq, last)
			}
			last = seq
		}
		b.reopen()
		if got := b.s.LastSeq(); got != last {
			t.Errorf("last sequence %d after a restart, want %d", got, last)
		}
	}
}

// readersSee: what was answered is seen by any reader that comes after.
func readersSee(t *testing.T, b *bench) {
	var wg sync.WaitGroup
	for side := range 6 {
		wg.Go(func() {
			id := fmt.Sprint("c", side)
			for i := range int64(40) {
				want := chat.Chat{ID: id, LastEvent: i + 1}
				if err := b.s.Commit(background, []turn.Transition{{Chat: &want}}); err != nil {
					t.Errorf("commit: %v", err)
					return
				}
				if got, err := one(b.s.Chats(background, []string{id})); err != nil || got.LastEvent != want.LastEvent {
					t.Errorf("chat %s: %d, %v; want %d", id, got.LastEvent, err, want.LastEvent)
					return
				}
			}
		})
	}
	wg.Wait()
}
