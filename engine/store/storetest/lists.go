package storetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/turn"
)

var listTests = map[string]func(*testing.T, *bench){
	"members and changes of lists are kept":   listsKept,
	"any changes of lists are read back":      anyListChanges,
	"old changes of lists are removed":        listHistoryPruned,
	"a member is erased everywhere":           listMemberErased,
	"decisions keep the versions of lists":    decisionsNameLists,
	"a repeated change is the same as before": listChangeRepeated,
}

func listsKept(_ *testing.T, b *bench) {
	end := noon.Add(2 * time.Hour)
	b.must(b.s.ChangeList(background, store.ListChange{List: "vips", Version: 1, At: noon, By: "ana", Set: []store.MemberSet{
		{Member: "+14155550100", Reason: `"big" deal`, Until: end}, {Member: "c1"}, {Member: "bob@example.com"},
	}}))
	later := noon.Add(time.Minute)
	b.must(b.s.ChangeList(background, store.ListChange{List: "vips", Version: 2, At: later, By: "ben", Reason: "left",
		Set: []store.MemberSet{{Member: "c1", Reason: "again"}}, Remove: []string{"bob@example.com", "nobody"}, RemovedAs: store.MemberRemoved}))
	b.must(b.s.ChangeList(background, store.ListChange{List: "muted", Version: 1, At: noon, By: "ana", Set: []store.MemberSet{{Member: "c2"}}}))
	b.reopen()

	lists, err := b.s.Lists(background)
	b.must(err)
	b.equal("lists", lists, []*rules.List{
		rules.NewList("muted", 1, []rules.ListMember{{Member: "c2"}}),
		rules.NewList("vips", 2, []rules.ListMember{{Member: "+14155550100", Until: end.UnixMilli()}, {Member: "c1"}}),
	})
	first := store.ListMember{Member: "+14155550100", AddedAt: noon, By: "ana", Reason: `"big" deal`, Until: end}
	second := store.ListMember{Member: "c1", AddedAt: later, By: "ben", Reason: "again"}
	members := func(q store.MemberQuery, want ...store.ListMember) {
		b.Helper()
		got, err := b.s.ListMembers(background, q)
		b.must(err)
		b.equal(fmt.Sprintf("members of %+v", q), got, want)
	}
	members(store.MemberQuery{List: "vips", Limit: 9}, first, second)
	members(store.MemberQuery{List: "vips", Limit: 1}, first)
	members(store.MemberQuery{List: "vips", After: first.Member, Limit: 9}, second)
	members(store.MemberQuery{List: "vips", Member: "c1"}, second)
	members(store.MemberQuery{List: "vips", Member: "c2"})
	members(store.MemberQuery{List: "nothing", Limit: 9})

	history, err := b.s.ListHistory(background, "vips", 9)
	b.must(err)
	b.equal("history", history, []store.ListChanged{
		{Version: 2, Member: "nobody", At: later, By: "ben", Action: store.MemberRemoved, Reason: "left"},
		{Version: 2, Member: "c1", At: later, By: "ben", Action: store.MemberAdded, Reason: "again"},
		{Version: 2, Member: "bob@example.com", At: later, By: "ben", Action: store.MemberRemoved, Reason: "left"},
		{Version: 1, Member: "c1", At: noon, By: "ana", Action: store.MemberAdded},
		{Version: 1, Member: "bob@example.com", At: noon, By: "ana", Action: store.MemberAdded},
		{Version: 1, Member: "+14155550100", At: noon, By: "ana", Action: store.MemberAdded, Reason: `"big" deal`, Until: end},
	})
	history, err = b.s.ListHistory(background, "vips", 1)
	b.must(err)
	b.equal("the newest change", len(history), 1)
}

// anyListChanges: after any changes, the store has the members that memory has.
func anyListChanges(t *testing.T, b *bench) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		name := fmt.Sprint("list", round)
		want := rules.NewList(name, 0, nil)
		member := rapid.SampledFrom([]string{"a", "b", `"c"`, "d'", "é", "\\"})
		for n := range rapid.IntRange(1, 5).Draw(rt, "changes") {
			set, remove := map[string]time.Time{}, rapid.SliceOfNDistinct(member, 0, 3, rapid.ID).Draw(rt, "remove")
			for _, m := range rapid.SliceOf(member).Draw(rt, "set") {
				set[m] = rapid.SampledFrom([]time.Time{{}, noon, noon.Add(time.Hour)}).Draw(rt, "until")
			}
			c := store.ListChange{List: name, Version: int64(n + 1), At: noon, By: "ana", Remove: remove, RemovedAs: store.MemberExpired}
			var add []rules.ListMember
			for _, m := range slices.Sorted(maps.Keys(set)) {
				if slices.Contains(remove, m) {
					continue
				}
				c.Set = append(c.Set, store.MemberSet{Member: m, Until: set[m]})
				add = append(add, rules.ListMember{Member: m, Until: rules.MemberEnd(set[m])})
			}
			b.must(b.s.ChangeList(background, c))
			want = want.Changed(c.Version, add, remove)
		}
		lists, err := b.s.Lists(background)
		b.must(err)
		at := slices.IndexFunc(lists, func(l *rules.List) bool { return l.Name == name })
		if at < 0 {
			rt.Fatalf("there is no list %s", name)
		}
		got := lists[at]
		if got.Version != want.Version || got.Len() != want.Len() {
			rt.Fatalf("version %d with %d members, want version %d with %d", got.Version, got.Len(), want.Version, want.Len())
		}
		for _, m := range []string{"a", "b", `"c"`, "d'", "é", "\\"} {
			g, gok := got.Find(m)
			w, wok := want.Find(m)
			if g != w || gok != wok {
				rt.Fatalf("%q is %v %t, want %v %t", m, g, gok, w, wok)
			}
		}
	})
}

func listHistoryPruned(_ *testing.T, b *bench) {
	for n := range 6 {
		for _, name := range []string{"a", "b"} {
			b.must(b.s.ChangeList(background, store.ListChange{List: name, Version: int64(n + 1), At: noon.Add(time.Duration(n) * time.Hour), By: "ana",
				Set: []store.MemberSet{{Member: "x"}, {Member: "y"}}}))
		}
	}
	for _, want := range []int{6, 2, 0} { // the first two hours, 4 rows a list
		n, err := b.s.PruneListHistory(background, noon.Add(2*time.Hour), 3)
		b.must(err)
		b.equal("removed", n, want)
	}
	for _, name := range []string{"a", "b"} {
		history, err := b.s.ListHistory(background, name, 99)
		b.must(err)
		b.equal("left", len(history), 8)
		b.equal("the oldest", history[7].Version, int64(3))
		members, err := b.s.ListMembers(background, store.MemberQuery{List: name, Limit: 9})
		b.must(err)
		b.equal("members", len(members), 2)
	}
}

func listMemberErased(_ *testing.T, b *bench) {
	for _, name := range []string{"a", "b", "c"} {
		b.must(b.s.ChangeList(background, store.ListChange{List: name, Version: 1, At: noon, By: "ana", Set: []store.MemberSet{{Member: "x"}, {Member: "y"}}}))
	}
	b.must(b.s.ChangeList(background, store.ListChange{List: "b", Version: 2, At: noon, By: "ana", Remove: []string{"x"}, RemovedAs: store.MemberRemoved}))
	mentions, err := b.s.ListMentions(background, "x")
	b.must(err)
	b.equal("mentions", mentions, 6)
	n, err := b.s.EraseListMember(background, "x", noon.Add(time.Hour))
	b.must(err)
	b.equal("rows", n, 2+4) // on a and c; each was added, and removed from b
	b.reopen()
	lists, err := b.s.Lists(background)
	b.must(err)
	y := []rules.ListMember{{Member: "y"}}
	b.equal("lists", lists, []*rules.List{rules.NewList("a", 2, y), rules.NewList("b", 2, y), rules.NewList("c", 2, y)})
	for _, l := range lists {
		history, err := b.s.ListHistory(background, l.Name, 99)
		b.must(err)
		b.equal("history of "+l.Name, slices.ContainsFunc(history, func(c store.ListChanged) bool { return c.Member == "x" }), false)
		b.equal("history of "+l.Name, len(history), 1)
	}
	n, err = b.s.EraseListMember(background, "x", noon)
	b.must(err)
	b.equal("rows that are left", n, 0)
}

func decisionsNameLists(_ *testing.T, b *bench) {
	seqs := b.append(arrival("e1", "c1"), arrival("e2", "c1"))
	b.commit(
		turn.Transition{Decision: &turn.Decision{Seq: seqs[0], At: noon, Lists: rules.ListVersions{"vips": 12, "muted": 0}}},
		turn.Transition{Decision: &turn.Decision{Seq: seqs[1], At: noon}})
	b.reopen()
	records, err := b.s.Records(background, seqs)
	b.must(err)
	b.equal("lists", records[0].Decision.Lists, rules.ListVersions{"vips": 12, "muted": 0})
	b.equal("lists", records[1].Decision.Lists, rules.ListVersions(nil))
}

func listChangeRepeated(_ *testing.T, b *bench) {
	c := store.ListChange{List: "a", Version: 1, At: noon, By: "ana", Set: []store.MemberSet{{Member: "x"}}, Remove: []string{"y"}, RemovedAs: store.MemberRemoved}
	b.must(b.s.ChangeList(background, c))
	b.must(b.s.ChangeList(background, c))
	history, err := b.s.ListHistory(background, "a", 9)
	b.must(err)
	b.equal("changes", len(history), 2)
}
