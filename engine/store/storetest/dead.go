package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chertd/engine/store"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var deadTests = map[string]func(*testing.T, *bench){
	"dead actions are found by chat, pack and code":   deadFound,
	"a dead action that is revived is dead no longer": deadRevived,
	"failed attempts are kept in their order":         attemptsKept,
	"of very many attempts those in the middle go":    attemptsBounded,
	"attempts go with their event":                    attemptsPruned,
	"actions are found by their ids":                  actionsByID,
}

// deadRead returns a dead read whose last attempt had an answer.
func deadRead(seq int64, n int, chatID, pack string, http, code int) chat.Action {
	a := read(seq, n, chatID, noon)
	a.Status, a.Why, a.Ended, a.Pack = chat.Dead, chat.WhyRefused, noon.Add(time.Second), pack
	a.Attempts, a.HTTP, a.Code, a.TraceID, a.Error = 1, http, code, "trace", "it failed"
	return a
}

func deadFound(t *testing.T, b *bench) {
	all := []chat.Action{
		deadRead(1, 0, "c1", "codes", 404, 2002),
		deadRead(1, 1, "c1", "vip", 404, 0),
		deadRead(2, 0, "c2", "codes", 404, 2002),
		deadRead(3, 0, "c1", "codes", 0, 0),
		deadRead(4, 12, "c3", "vip", 404, 2002),
	}
	others := []chat.Action{read(5, 0, "c1", noon), read(6, 0, "c1", noon)}
	others[0].Status, others[1].Status = chat.Blocked, chat.Done
	b.commit(turn.Transition{Actions: slices.Concat(all, others)})
	code := func(n int) *int { return &n }
	for _, test := range []struct {
		filter store.DeadFilter
		want   []int // of all
	}{
		{store.DeadFilter{}, []int{0, 1, 2, 3, 4}},
		{store.DeadFilter{Chat: "c1"}, []int{0, 1, 3}},
		{store.DeadFilter{Pack: "vip"}, []int{1, 4}},
		{store.DeadFilter{Code: code(2002)}, []int{0, 2, 4}},
		{store.DeadFilter{Code: code(404)}, []int{0, 1, 2, 4}},
		{store.DeadFilter{Code: code(0)}, []int{3}},
		{store.DeadFilter{Chat: "c1", Pack: "codes", Code: code(404)}, []int{0}},
		{store.DeadFilter{Chat: "c2", Pack: "vip"}, nil},
	} {
		for _, when := range []string{"immediately", "reopened"} {
			what := fmt.Sprintf("%s: %s", when, show(test.filter))
			var want []chat.Action
			var ids []store.DeadID
			count := map[[2]int]int64{}
			for _, i := range test.want {
				want = append(want, all[i])
				ids = append(ids, store.DeadID{ID: all[i].ID, Chat: all[i].Chat})
				count[[2]int{all[i].HTTP, all[i].Code}]++
			}
			slices.Reverse(want)
			got, err := b.s.Dead(t.Context(), test.filter, 10)
			b.must(err)
			b.equal(what, got, want)
			got, err = b.s.Dead(t.Context(), test.filter, 1)
			b.must(err)
			b.equal(what+", one", got, want[:min(1, len(want))])

			var walked []store.DeadID
			for after := (chat.ActionID{}); ; {
				page, err := b.s.DeadAfter(t.Context(), test.filter, after, 2)
				b.must(err)
				if len(page) == 0 {
					break
				}
				walked, after = append(walked, page...), page[len(page)-1].ID
			}
			b.equal(what+", in pages", walked, ids)

			groups, err := b.s.DeadGroups(t.Context(), test.filter)
			b.must(err)
			for i, g := range groups {
				b.equal(fmt.Sprintf("%s: HTTP %d, code %d", what, g.HTTP, g.Code), g.Count, count[[2]int{g.HTTP, g.Code}])
				if i > 0 && g.Count > groups[i-1].Count {
					t.Errorf("%s: the groups are not in the order of their counts: %s", what, show(groups))
				}
			}
			b.equal(what+", groups", len(groups), len(count))
			b.reopen()
		}
	}
}

func deadRevived(t *testing.T, b *bench) {
	a := deadRead(1, 0, "c1", "codes", 404, 2002)
	b.commit(turn.Transition{Actions: []chat.Action{a}})
	again := a
	again.Status, again.Why, again.Ended, again.Revived = chat.Waiting, "", time.Time{}, noon.Add(time.Hour)
	b.commit(turn.Transition{Chat: &chat.Chat{ID: "c1", Waiting: []chat.Action{again}}, Actions: []chat.Action{again}})
	b.reopen()
	b.equal("chat", b.chat("c1"), chat.Chat{ID: "c1", Waiting: []chat.Action{again}})
	got, err := b.s.Dead(t.Context(), store.DeadFilter{}, 10)
	b.must(err)
	b.equal("dead", len(got), 0)
	again.Status, again.Code, again.HTTP = chat.Dead, 0, 502
	b.commit(turn.Transition{Chat: &chat.Chat{ID: "c1"}, Actions: []chat.Action{again}})
	got, err = b.s.Dead(t.Context(), store.DeadFilter{}, 10)
	b.must(err)
	b.equal("dead again", got, []chat.Action{again})
	groups, err := b.s.DeadGroups(t.Context(), store.DeadFilter{})
	b.must(err)
	b.equal("by its last answer", groups, []store.DeadGroup{{HTTP: 502, Count: 1}})
}

// attempt returns a failed attempt of a call of its own.
func attempt(id chat.ActionID, n int) chat.Attempt {
	return chat.Attempt{Action: id, N: n, At: noon.Add(time.Duration(n) * time.Minute), CallOf: id, HTTP: 503, Code: 4002, TraceID: fmt.Sprint("t", n), Error: "saturated"}
}

func attemptsKept(t *testing.T, b *bench) {
	one, other := chat.ActionID{Seq: 1, N: 1}, chat.ActionID{Seq: 1, N: 10}
	merged := attempt(other, 1)
	merged.CallOf = one
	bare := chat.Attempt{Action: one, CallOf: one, N: 3, At: noon, Error: "no answer"}
	changed := attempt(one, 2)
	changed.Error = "saturated, as of the batch that was repeated"
	b.commit(turn.Transition{Actions: []chat.Action{read(1, 1, "c1", noon), read(1, 10, "c1", noon)}, Attempts: []chat.Attempt{attempt(one, 1), merged, attempt(one, 2)}})
	b.commit(turn.Transition{Attempts: []chat.Attempt{bare, changed}})
	for range 2 {
		got, err := b.s.Attempts(t.Context(), []chat.ActionID{other, {Seq: 7}, one, one})
		b.must(err)
		b.equal("attempts", got, []chat.Attempt{attempt(one, 1), changed, bare, merged})
		b.reopen()
	}
}

func attemptsBounded(t *testing.T, b *bench) {
	const n = store.AttemptsFirst + store.AttemptsLast + 50
	id := chat.ActionID{Seq: 1}
	b.commit(turn.Transition{Actions: []chat.Action{read(1, 0, "c1", noon)}})
	var want []chat.Attempt
	for i := 1; i <= n; i++ {
		b.must(b.s.Commit(t.Context(), []turn.Transition{{Attempts: []chat.Attempt{attempt(id, i)}}}))
		if i <= store.AttemptsFirst || i > n-store.AttemptsLast {
			want = append(want, attempt(id, i))
		}
	}
	got, err := b.s.Attempts(t.Context(), []chat.ActionID{id})
	b.must(err)
	b.equal("attempts", got, want)
}

// attemptsPruned: errors of attempts go with the texts of their event once their action has
// ended, and the attempts with the event.
func attemptsPruned(t *testing.T, b *bench) {
	seqs := b.append(old(10, "e1", "c1"), old(10, "e2", "c2"))
	ids := []chat.ActionID{{Seq: seqs[0], N: 0}, {Seq: seqs[0], N: 1}, {Seq: seqs[1], N: 0}}
	b.handle(seqs[0], "c1", chat.Done, chat.Dead)
	b.handle(seqs[1], "c2", chat.Dropped)
	var all []chat.Attempt
	for _, id := range ids {
		all = append(all, attempt(id, 1))
	}
	b.commit(turn.Transition{Attempts: all})
	attempts := func() []chat.Attempt {
		got, err := b.s.Attempts(t.Context(), ids)
		b.must(err)
		return got
	}
	b.equal("events whose texts went", b.prune(b.s.PruneTexts, noon, 10), 2)
	all[0].Error, all[2].Error = "", ""
	b.equal("attempts without texts", attempts(), all)
	b.equal("events removed", b.prune(b.s.PruneEvents, noon, 10), 1)
	b.equal("attempts that stay", attempts(), all[:2])
	b.handle(seqs[0], "c1", chat.Done, chat.Dropped)
	b.equal("texts of what is dead no longer", b.prune(b.s.PruneTexts, noon, 10), 1)
	b.equal("events removed in the end", b.prune(b.s.PruneEvents, noon, 10), 1)
	b.equal("attempts in the end", len(attempts()), 0)
}

func actionsByID(t *testing.T, b *bench) {
	one, two, other := read(1, 0, "c1", noon), read(1, 1, "c1", noon), read(2, 0, "c2", noon)
	two.Status = chat.Done
	b.commit(turn.Transition{Actions: []chat.Action{one, two, other}})
	got, err := b.s.ActionsByID(t.Context(), []chat.ActionID{other.ID, {Seq: 1, N: 7}, two.ID, {Seq: 99}, one.ID})
	b.must(err)
	b.equal("actions", got, []chat.Action{other, two, one})
}
