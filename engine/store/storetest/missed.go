package storetest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var missedTests = map[string]func(*testing.T, *bench){
	"a missed event is kept with its decision, or neither":   missedWithDecision,
	"any missed event is read back":                          missedReadBack,
	"missed events are paged in order, by shard":             missedInOrder,
	"blocked reads are listed by chat":                       blockedReads,
	"a read is blocked by a later event of its chat as well": blockedBy,
	"a backlog is split by age":                              backlogByAge,
	"records are read by sequence":                           recordsBySeq,
}

func missed(pack string, seq int64, key string) turn.Missed {
	return turn.Missed{Pack: pack, Seq: seq, Key: key, At: noon, Version: "v1", Why: rules.MissedNotLoaded, CanVeto: true}
}

// allMissed returns every row, of the packs named.
func (b *bench) allMissed(packs ...string) []turn.Missed {
	b.Helper()
	list, err := b.s.Missed(b.Context(), store.Shard{Of: 1}, packs, math.MinInt64, noon.AddDate(-100, 0, 0), 1<<20)
	b.must(err)
	return list
}

func missedWithDecision(t *testing.T, b *bench) {
	seqs := b.append(arrival("e1", "c1"), arrival("e2", ""))
	one, two := missed("vip", seqs[0], "c1"), missed("vip", seqs[1], "e2")
	two.Chats = []string{"c8", "c9"}
	b.commit(
		turn.Transition{Decision: &turn.Decision{Seq: seqs[0], At: noon}, Missed: []turn.Missed{one}},
		turn.Transition{Decision: &turn.Decision{Seq: seqs[1], At: noon}, Missed: []turn.Missed{two, missed("codes", seqs[1], "e2")}},
	)
	b.reopen()
	b.equal("rows", b.allMissed("vip", "codes", "other"), []turn.Missed{one, missed("codes", seqs[1], "e2"), two})

	refused := turn.Transition{
		Reads:  []turn.KV{{Pack: "p", Key: "k", Version: 7}},
		Missed: []turn.Missed{missed("codes", seqs[0], "c1")}, Made: []turn.MissedID{one.ID()},
	}
	if err := b.s.Commit(t.Context(), []turn.Transition{refused}); err != store.ErrConflict {
		t.Fatalf("a conflict: %v", err)
	}
	b.equal("rows after a conflict", b.allMissed("vip", "codes"), []turn.Missed{one, missed("codes", seqs[1], "e2"), two})

	failed := one
	failed.Version, failed.Why, failed.CanVeto = "v2", rules.MissedFailed, false
	b.commit(turn.Transition{Missed: []turn.Missed{failed}, Made: []turn.MissedID{two.ID(), {Pack: "nobody", Seq: 1}}})
	b.equal("rows after all", b.allMissed("vip", "codes"), []turn.Missed{failed, missed("codes", seqs[1], "e2")})
	packs, err := b.s.MissedPacks(t.Context())
	b.must(err)
	b.equal("packs", packs, []store.MissedPack{{Pack: "codes", Version: "v1", Events: 1, First: noon, Last: noon}, {Pack: "vip", Version: "v2", Events: 1, First: noon, Last: noon}})
}

func missedReadBack(t *testing.T, b *bench) {
	seq := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		seq++
		var want turn.Missed
		for range 2 { // the second replaces the first
			want = draw[turn.Missed](rt, "missed")
			want.Pack, want.Seq, want.At = "p", seq, cmp.Or(want.At, noon)
			if err := b.s.Commit(background, []turn.Transition{{Missed: []turn.Missed{want}}}); err != nil {
				rt.Fatal(err)
			}
		}
		list, err := b.s.Missed(background, store.Shard{Of: 1}, []string{"p"}, seq-1, noon.AddDate(-100, 0, 0), 10)
		if err != nil {
			rt.Fatal(err)
		}
		same(rt, "missed", list, []turn.Missed{want})
		vetoes, err := b.s.Vetoes(background, want.Key)
		if err != nil {
			rt.Fatal(err)
		}
		is := func(m turn.Missed) bool { return m.Seq == seq }
		if found := slices.ContainsFunc(vetoes, is); found != want.CanVeto {
			rt.Fatalf("among those that block reads: %t, want %t", found, want.CanVeto)
		}
		if want.CanVeto {
			same(rt, "that blocks reads", vetoes[slices.IndexFunc(vetoes, is)], want)
		}
	})
}

// missedInOrder reads what two packs have missed page by page, and compares
// with a plain filter.
func missedInOrder(t *testing.T, b *bench) {
	var all []turn.Missed
	for seq := int64(1); seq <= 60; seq++ {
		for i, pack := range []string{"a", "b", "c"} {
			if int(seq)%(i+2) == 0 {
				m := missed(pack, seq, fmt.Sprint("c", seq%7))
				m.At = noon.Add(time.Duration(seq/10) * time.Minute)
				all = append(all, m)
			}
		}
	}
	elsewhere := missed("a", 99, "c0")
	elsewhere.Why, elsewhere.Cause = turn.MissedElsewhere, 2
	b.commit(turn.Transition{Missed: append(all, elsewhere)})
	counts, err := b.s.MissedPacks(t.Context())
	b.must(err)
	if len(counts) != 3 || counts[0].Events != 30 || !counts[0].First.Equal(noon) || !counts[0].Last.Equal(noon.Add(6*time.Minute)) {
		t.Errorf("the packs have missed %s", show(counts))
	}
	for _, packs := range [][]string{{"a"}, {"b", "a"}, {"c", "a", "b"}, {"nobody"}, nil} {
		for _, limit := range []int{1, 2, 7, 1000} {
			for index := range 2 {
				shard := store.Shard{Index: index, Of: 2}
				since := noon.Add(2 * time.Minute)
				var want, got []turn.Missed
				for _, m := range all {
					if slices.Contains(packs, m.Pack) && shard.Holds(m.Key) && !m.At.Before(since) {
						want = append(want, m)
					}
				}
				for after := int64(0); ; after = got[len(got)-1].Seq {
					page, err := b.s.Missed(t.Context(), shard, packs, after, since, limit)
					b.must(err)
					if len(page) == 0 {
						break
					}
					events := map[int64]bool{}
					for _, m := range page {
						events[m.Seq] = true
					}
					if len(events) > limit {
						t.Errorf("%d events on a page of %d", len(events), limit)
					}
					if len(got) > 0 && page[0].Seq <= got[len(got)-1].Seq {
						t.Fatalf("event %d is on two pages", page[0].Seq)
					}
					got = append(got, page...)
				}
				b.equal(fmt.Sprint("of ", packs, ", ", limit, " at a time"), got, want)
			}
		}
	}
}

func blockedReads(t *testing.T, b *bench) {
	var all, want []chat.Action
	for i, status := range []chat.Status{chat.Blocked, chat.Dead, chat.Waiting, chat.Blocked, chat.Done, chat.Blocked} {
		a := read(int64(9-i), 1, "c1", noon)
		a.Status = status
		other := read(int64(9-i), 0, "c2", noon)
		other.Status = status
		all = append(all, a, other)
		if status == chat.Blocked {
			want = append(want, a)
		}
	}
	b.commit(turn.Transition{Actions: all})
	slices.Reverse(want)
	got, err := b.s.BlockedReads(t.Context(), "c1")
	b.must(err)
	b.equal("blocked reads", got, want)
	want[0].Status = chat.Waiting
	b.commit(turn.Transition{Actions: want[:1]})
	got, err = b.s.BlockedReads(t.Context(), "c1")
	b.must(err)
	b.equal("blocked reads, but one", got, want[1:])
	got, err = b.s.BlockedReads(t.Context(), "nobody")
	b.must(err)
	b.equal("blocked reads of nobody", len(got), 0)
}

func blockedBy(t *testing.T, b *bench) {
	blocked := func(seq int64, chatID string) chat.Action {
		a := read(seq, 0, chatID, noon)
		a.Status, a.Covers = chat.Blocked, seq
		return a
	}
	timer := blocked(9, "c1") // asked later, for the message of event 3
	timer.Covers = 3
	harmless := missed("harmless", 8, "c1")
	harmless.CanVeto = false
	holder := missed("holder", 1, "c1") // it may have held the chat: newer reads, too
	holder.CanHold = true
	b.commit(turn.Transition{
		Actions: []chat.Action{blocked(1, "c1"), blocked(3, "c1"), blocked(6, "c1"), blocked(2, "c2"), timer, read(4, 0, "c1", noon)},
		Missed:  []turn.Missed{missed("vip", 3, "c1"), missed("vip", 2, "c2"), missed("other", 7, "c1"), missed("other", 1, "c2"), holder, harmless},
	})
	for pack, want := range map[string]int64{"vip": 4, "other": 4, "holder": 4, "harmless": 0, "nobody": 0} {
		recent, older, err := b.s.Backlog(t.Context(), pack, noon.Add(-time.Hour))
		b.must(err)
		b.equal("reads blocked by "+pack, recent.Reads, want)
		b.equal("and before that", older, store.Backlog{})
	}
}

// backlogByAge: Backlog separates what was missed long ago from what was missed lately,
// and a read is lately blocked if anything blocks it that was missed lately.
func backlogByAge(t *testing.T, b *bench) {
	blocked := func(seq int64, chatID string) chat.Action {
		a := read(seq, 0, chatID, noon)
		a.Status, a.Covers = chat.Blocked, seq
		return a
	}
	at := func(seq int64, chatID string, at time.Time) turn.Missed {
		m := missed("vip", seq, chatID)
		m.At = at
		return m
	}
	elsewhere := at(9, "c3", noon)
	elsewhere.Why, elsewhere.Cause = turn.MissedElsewhere, 8
	b.commit(turn.Transition{
		Actions: []chat.Action{blocked(1, "c1"), blocked(4, "c1"), blocked(2, "c2"), blocked(9, "c3")},
		Missed: []turn.Missed{
			at(1, "c1", noon.Add(-2*time.Hour)), at(2, "c2", noon.Add(-3*time.Hour)), at(3, "c2", noon.Add(-time.Microsecond)),
			at(4, "c1", noon), at(8, "c4", noon.Add(time.Minute)), elsewhere,
		},
	})
	for _, test := range []struct {
		since         time.Time
		recent, older store.Backlog
	}{
		{noon, store.Backlog{Events: 2, Reads: 3, First: noon}, store.Backlog{Events: 3, Reads: 1, First: noon.Add(-3 * time.Hour)}},
		{noon.Add(-150 * time.Minute), store.Backlog{Events: 4, Reads: 4, First: noon.Add(-2 * time.Hour)}, store.Backlog{Events: 1, First: noon.Add(-3 * time.Hour)}},
		{noon.Add(time.Hour), store.Backlog{}, store.Backlog{Events: 5, Reads: 4, First: noon.Add(-3 * time.Hour)}},
		{time.Time{}, store.Backlog{Events: 5, Reads: 4, First: noon.Add(-3 * time.Hour)}, store.Backlog{}},
	} {
		recent, older, err := b.s.Backlog(t.Context(), "vip", test.since)
		b.must(err)
		b.equal(fmt.Sprint("since ", test.since), []store.Backlog{recent, older}, []store.Backlog{test.recent, test.older})
	}
}

func recordsBySeq(t *testing.T, b *bench) {
	seqs := b.append(arrival("e1", "c1"), arrival("e2", ""), arrival("e3", "c1"))
	b.commit(turn.Transition{Decision: &turn.Decision{Seq: seqs[2], At: noon, Note: "third"}})
	got, err := b.s.Records(t.Context(), []int64{seqs[2], 99, seqs[0]})
	b.must(err)
	if len(got) != 2 || got[0].Event.ID != "e1" || got[0].Decision != nil || got[1].Event.ID != "e3" || got[1].Decision == nil || got[1].Decision.Note != "third" {
		t.Errorf("records %s", show(got))
	}
}
