package storetest

import (
	"fmt"
	"slices"
	"testing"

	"chertd/engine/store"
	"chertd/rules/turn"
)

// comparisonsCount: comparisons are counted with the decision that has them, once, and the
// newest differing events are listed.
func comparisonsCount(t *testing.T, b *bench) {
	get := func(pack, version, against string, limit int) store.Comparison {
		t.Helper()
		c, err := b.s.Comparison(t.Context(), pack, version, against, limit)
		b.must(err)
		return c
	}
	b.equal("nothing", get("codes", "cc", "aa", 10), store.Comparison{})
	b.save(version("aa", 0), version("cc", 1))
	compared := func(seq int64, against string, result turn.Difference) turn.Transition {
		return turn.Transition{Decision: decided(seq, "aa", ""), Compared: []turn.Compared{{Pack: "codes", Version: "cc", Against: against, Result: result}}}
	}
	n := store.KeptDifferences + 10
	var all []turn.Transition
	var want []store.Differing
	for i := range n {
		seq := b.append(arrival(fmt.Sprint("e", i), "c1"))[0]
		result := turn.Differences[i%len(turn.Differences)]
		all = append(all, compared(seq, "aa", result))
		want = append(want, store.Differing{Seq: seq, Result: result})
	}
	slices.Reverse(want)
	for i := range 3 {
		all = append(all, compared(b.append(arrival(fmt.Sprint("a", i), "c1"))[0], "aa", turn.Agrees))
	}
	all = append(all, compared(b.append(arrival("b", "c1"))[0], "", turn.Agrees))
	b.commit(all...)
	b.commit(all[0], all[n]) // handled again, as after a lost answer
	b.reopen()
	got := get("codes", "cc", "aa", 1000)
	b.equal("since", got.Since, noon)
	b.equal("agreed", got.Results[turn.Agrees], int64(3))
	sum := int64(0)
	for _, events := range got.Results {
		sum += events
	}
	b.equal("events", sum, int64(n+3))
	b.equal("the newest", got.Newest, want[:store.KeptDifferences])
	b.equal("the first of them", get("codes", "cc", "aa", 2).Newest, want[:2])
	b.equal("with the chats", get("codes", "cc", "", 10), store.Comparison{Since: noon, Results: map[turn.Difference]int64{turn.Agrees: 1}})
	b.equal("of another pack", get("vip", "cc", "aa", 10), store.Comparison{})

	// A version that is no longer kept has no comparisons.
	b.must(b.s.SetPackState(t.Context(), store.PackState{Pack: "codes", Live: "aa"}))
	b.equal("of a kept version", get("codes", "cc", "aa", 0).Results, got.Results)
}
