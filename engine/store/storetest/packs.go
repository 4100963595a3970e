package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

var packTests = map[string]func(*testing.T, *bench){
	"a version is found by a prefix of its hash":       versionFound,
	"a version saved again keeps its files and counts": versionAgain,
	"the last versions of each pack are kept":          versionsPruned,
	"packs are remembered and forgotten":               packStates,
	"a decision counts once for its versions":          versionsCount,
	"comparisons are counted with their decisions":     comparisonsCount,
	"a conflict counts nothing":                        conflictCountsNothing,
	"chats in which a pack has work pending are found": concerned,
	"what is kept pending stays so":                    pendingKept,
	"the ignore file is kept":                          ignoreFile,
	"any version and pack state is read back":          anyVersion,
}

// version returns one of pack codes, with a file, that went live so many minutes after noon.
func version(hash string, minutes int) store.Version {
	at := noon.Add(time.Duration(minutes) * time.Minute)
	return store.Version{
		Pack: "codes", Version: hash, Path: "rules/codes.lua", Since: at, Last: at,
		Files: []store.VersionFile{{Name: "codes.lua", Kind: rules.RuleFile, Bytes: []byte("-- " + hash)}},
	}
}

func (b *bench) save(list ...store.Version) {
	b.Helper()
	for _, v := range list {
		b.must(b.s.SaveVersion(b.Context(), v))
	}
}

// version reads a version; its zero value if there is none.
func (b *bench) version(pack, hash string) store.Version {
	b.Helper()
	v, ok, err := b.s.Version(b.Context(), pack, hash)
	b.must(err)
	if ok != (v.Version != "") {
		b.Errorf("version %q of %s: ok is %t with %s", hash, pack, ok, show(v))
	}
	return v
}

// hashes lists a pack's versions, the one that was live last first.
func (b *bench) hashes(pack string, limit int) (list []string) {
	b.Helper()
	versions, err := b.s.Versions(b.Context(), pack, limit)
	b.must(err)
	for _, v := range versions {
		if v.Files != nil {
			b.Errorf("version %s is listed with its files", v.Version)
		}
		list = append(list, v.Version)
	}
	return list
}

func versionFound(t *testing.T, b *bench) {
	one, two, three := version("aa11", 0), version("aa22", 1), version("aa2", 2)
	other := version("aa11", 5)
	other.Pack, other.Files = "vip", []store.VersionFile{
		{Name: "b.lua", Kind: rules.RuleFile, Bytes: []byte("b")}, {Name: "a.lua", Kind: rules.LibFile}, {Name: "x.bin", Kind: rules.DataFile, Bytes: []byte{0, 0xff, 0}},
	}
	b.save(one, two, three, other)
	for _, when := range []string{"immediately", "reopened"} {
		for hash, want := range map[string]store.Version{
			"aa11": one, "aa1": one, "aa22": two,
			"aa2": three, // the whole of one, the beginning of another
			"aa":  {}, "": {}, "aa111": {}, "AA11": {}, "b": {}, "%": {},
		} {
			b.equal(when+": version "+hash, b.version("codes", hash), want)
		}
		b.equal(when+": of the other pack", b.version("vip", "a"), other)
		b.equal(when+": of no pack", b.version("nothing", "aa11"), store.Version{})
		b.reopen()
	}
}

func versionAgain(t *testing.T, b *bench) {
	v := version("aa", 0)
	b.save(v, version("bb", 1))
	seq := b.append(arrival("e1", "c1"))[0]
	b.commit(turn.Transition{Decision: decided(seq, "aa", "it failed")})

	again := version("aa", 9)
	again.Files = append(again.Files, store.VersionFile{Name: "new.lua", Kind: rules.LibFile})
	again.Events, again.Failures, again.RolledBack = 70, 70, noon.Add(time.Hour)
	b.save(again)
	want := v
	want.Last, want.RolledBack, want.Events, want.Failures = again.Last, again.RolledBack, 1, 1
	b.equal("the version", b.version("codes", "aa"), want)
	b.equal("the order", b.hashes("codes", 10), []string{"aa", "bb"})

	again.Last, again.RolledBack, again.Files = noon, time.Time{}, nil
	b.save(again)
	want.Last, want.RolledBack = noon, time.Time{}
	b.equal("the version, live by hand", b.version("codes", "aa"), want)
	b.equal("the order then", b.hashes("codes", 10), []string{"bb", "aa"})
	b.equal("the first", b.hashes("codes", 1), []string{"bb"})
	again.Candidate, again.Last = true, again.Last.Add(time.Hour)
	b.save(again) // Last stays when it was live
	b.equal("a version that was live, tried as a candidate", b.version("codes", "aa"), want)
	tried := version("cc", 20)
	tried.Candidate = true
	b.save(tried)
	b.equal("a candidate", b.version("codes", "cc"), tried)
	tried.Candidate, tried.Last = false, noon.Add(time.Hour)
	live := tried
	live.Since = tried.Last
	b.save(tried)
	b.equal("a candidate that goes live", b.version("codes", "cc"), live)
	b.equal("the candidate and the others", b.hashes("codes", 10), []string{"cc", "bb", "aa"})
	b.equal("none", b.hashes("codes", 0), []string(nil))
}

func versionsPruned(t *testing.T, b *bench) {
	var newest []string
	for i := range store.KeptVersions + 10 {
		hash := fmt.Sprintf("v%03d", i)
		b.save(version(hash, i))
		newest = append(newest, hash)
		other := version(hash, i)
		other.Pack = "vip"
		b.save(other)
	}
	slices.Reverse(newest)
	b.equal("before", b.hashes("codes", 100), newest)
	b.must(b.s.SetPackState(t.Context(), store.PackState{Pack: "codes", Live: "v003", Pinned: "v001", Candidate: "v000"}))
	b.equal("after", b.hashes("codes", 100), append(slices.Clone(newest[:store.KeptVersions]), "v003", "v001", "v000"))
	b.equal("of another pack", b.hashes("vip", 100), newest)
	b.equal("a dropped one", b.version("codes", "v002"), store.Version{})
	b.equal("the live one", b.version("codes", "v003"), version("v003", 3))

	// One that was dropped is kept like a new one, with the files it has now.
	back := version("v002", 1000)
	back.Files[0].Bytes = []byte("other")
	b.save(back)
	b.equal("one that comes back", b.version("codes", "v002"), back)
}

func packStates(t *testing.T, b *bench) {
	list := func() []store.PackState {
		t.Helper()
		list, err := b.s.PackStates(t.Context())
		b.must(err)
		return list
	}
	b.equal("of nothing", list(), []store.PackState(nil))
	codes := store.PackState{Pack: "codes", Live: "aa", Mode: rules.Shadow, Why: "more than 300 reads in 10m", Limit: rules.Rate{N: 300, Per: 10 * time.Minute}, Share: 1250, Candidate: "cc", Promoted: true, Pinned: "aa", PinnedOver: "bb", PinStays: true, PinnedWithoutFiles: true, Settings: `{"wait":"6s"}`,
		Author: live.Author{By: "anna", Reason: "too many", At: noon}, Until: noon.Add(time.Hour), RuleModes: `[{"rule":"a/b","mode":"off","by":"bob","at":"2026-01-05T12:00:00Z"}]`,
		Under: live.Under{Author: live.Author{By: "bob", At: noon.Add(-time.Hour)}, Mode: rules.Live, Why: "w", Limit: rules.Rate{N: 3, Per: time.Minute}, Share: 5, Candidate: "cc", PendingKept: true}}
	vip := store.PackState{Pack: "vip"}
	b.save(version("aa", 0))
	b.must(b.s.SetPackState(t.Context(), vip))
	b.must(b.s.SetPackState(t.Context(), codes))
	b.reopen()
	b.equal("of two", list(), []store.PackState{codes, vip})
	codes = store.PackState{Pack: "codes", Live: "bb"}
	b.must(b.s.SetPackState(t.Context(), codes))
	b.must(b.s.ForgetPack(t.Context(), "vip"))
	b.must(b.s.ForgetPack(t.Context(), "nothing"))
	b.equal("replaced", list(), []store.PackState{codes})
	b.must(b.s.ForgetPack(t.Context(), "codes"))
	b.equal("forgotten", list(), []store.PackState(nil))
	b.equal("its version", b.version("codes", "aa"), version("aa", 0))
}

// decided returns a decision in which one rule of a version of codes took part for
// each error given, "" for none; one that is suspended did not run.
func decided(seq int64, hash string, errs ...string) *turn.Decision {
	d := &turn.Decision{Seq: seq, At: noon}
	for i, err := range errs {
		r := turn.RuleDecision{Pack: "codes", Version: hash, Rule: fmt.Sprint(i), Place: "codes.lua:1", Error: err}
		if err == rules.SkippedSuspended {
			r.Error, r.Skipped = "", err
		}
		d.Rules = append(d.Rules, r)
	}
	return d
}

func versionsCount(t *testing.T, b *bench) {
	vip := version("aa", 0)
	vip.Pack = "vip"
	b.save(version("aa", 0), version("bb", 1), vip)
	var arrivals []turn.Arrival
	for i := range 6 {
		arrivals = append(arrivals, arrival(fmt.Sprint("e", i), "c1"))
	}
	seqs := b.append(arrivals...)
	mixed := decided(seqs[3], "aa", "", "it failed")
	mixed.Rules = append(mixed.Rules, decided(0, "cc", "one never kept").Rules...)
	mixed.Rules = append(mixed.Rules, turn.RuleDecision{Pack: "vip", Version: "aa", Rule: "r"})
	mixed.Rules = append(mixed.Rules, decided(0, "aa", "", "").Rules...)
	// No version of the pack was live: "bb" is that of its files, and did not run.
	mixed.Rules = append(mixed.Rules, turn.RuleDecision{Pack: "codes", Version: "bb", Error: "the pack is not live"})
	b.commit(
		turn.Transition{Decision: decided(seqs[0], "aa", "", "")},
		turn.Transition{Decision: decided(seqs[1], "aa", "it failed", "and again")},
		turn.Transition{Decision: decided(seqs[2], "bb", "", rules.SkippedSuspended)},
		turn.Transition{Decision: mixed},
		turn.Transition{Decision: decided(seqs[4], "aa")}, // no rule had a say
		turn.Transition{Chat: &chat.Chat{ID: "c1"}},
	)
	b.commit(turn.Transition{Decision: decided(seqs[5], "aa", "")})
	// Handled again, as after a lost answer: it was counted the first time.
	b.commit(turn.Transition{Decision: decided(seqs[0], "aa", "it fails now")}, turn.Transition{Decision: decided(seqs[2], "aa", "")})
	b.reopen()
	got := map[string]string{}
	for _, pack := range []string{"codes", "vip"} {
		list, err := b.s.Versions(t.Context(), pack, 10)
		b.must(err)
		for _, v := range list {
			got[v.Pack+" "+v.Version] = fmt.Sprintf("%d/%d", v.Failures, v.Events)
		}
	}
	b.equal("failures/events", got, map[string]string{"codes aa": "2/4", "codes bb": "1/1", "vip aa": "0/1"})
}

func conflictCountsNothing(t *testing.T, b *bench) {
	b.save(version("aa", 0))
	seq := b.append(arrival("e1", "c1"))[0]
	tr := turn.Transition{Decision: decided(seq, "aa", "it failed"), Reads: []turn.KV{{Pack: "codes", Key: "k", Version: 7}}}
	if err := b.s.Commit(t.Context(), []turn.Transition{tr}); err == nil {
		t.Fatal("read of a version that never was is taken")
	}
	b.equal("after a conflict", b.version("codes", "aa"), version("aa", 0))
	tr.Reads = nil
	b.commit(tr)
	v := b.version("codes", "aa")
	b.equal("events", v.Events, int64(1))
	b.equal("failures", v.Failures, int64(1))
}

func ignoreFile(t *testing.T, b *bench) {
	check := func(want []byte) {
		t.Helper()
		got, err := b.s.IgnoreFile(t.Context())
		b.must(err)
		b.equal("content", got, want)
	}
	check(nil)
	for _, content := range [][]byte{[]byte("*.tmp\n"), {}, {0xff, 0}, nil} {
		b.must(b.s.SetIgnoreFile(t.Context(), content))
		b.reopen()
		check(content)
	}
}

func anyVersion(t *testing.T, b *bench) {
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		v := draw[store.Version](rt, "version")
		v.Version = fmt.Sprint(n, " ", v.Version)
		for i := range v.Files {
			v.Files[i].Path = "" // says where it was read
		}
		v.PendingKept = false // SetPendingKept sets it
		if err := b.s.SaveVersion(background, v); err != nil {
			rt.Fatal(err)
		}
		got, ok, err := b.s.Version(background, v.Pack, fmt.Sprint(n, " "))
		if !ok || err != nil {
			rt.Fatalf("version %q: %t, %v", v.Version, ok, err)
		}
		v.Rules = nil // only RuleTotals has them
		same(rt, "version", got, v)

		p := draw[store.PackState](rt, "pack")
		p.Limit.Per = p.Limit.Per.Truncate(time.Microsecond)
		p.PendingKept, p.RulesDeleted = false, false // these have methods of their own
		modes, err := json.Marshal(draw[[]live.RuleMode](rt, "modes of rules"))
		if err == nil {
			p.RuleModes, err = live.ParseRuleModes(string(modes))
		}
		if err != nil {
			rt.Fatal(err)
		}
		if err := b.s.SetPackState(background, p); err != nil {
			rt.Fatal(err)
		}
		list, err := b.s.PackStates(background)
		if err != nil {
			rt.Fatal(err)
		}
		i := slices.IndexFunc(list, func(q store.PackState) bool { return q.Pack == p.Pack })
		if i < 0 {
			rt.Fatalf("pack %q is not remembered among %s", p.Pack, show(list))
		}
		same(rt, "pack", list[i], p)
	})
}
