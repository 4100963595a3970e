package live

import (
	"slices"
	"strings"
	"testing"

	"chertd/rules"
)

// TestLivePacksAreWhatAManagerRuns: from the store alone, under the same configuration, the
// packs are those that a Manager has live, also where files are broken, a setting does not
// fit, a pack was rolled back, and a mode was set by command.
func TestLivePacksAreWhatAManagerRuns(t *testing.T) {
	t.Parallel()
	uses := func(name string) string { return version(name) + "local n = config.digits + 1\nlog.info(n)\n" }
	p := newPen(t, "a/r.lua", version("a1"), "b/r.lua", uses("b1"), "b/pack.yaml", "config: {digits: 6}", "c/r.lua", version("c1"), "d/r.lua", version("d1"))
	p.edit("a/r.lua", version("a2"))
	p.edit("a/r.lua", broken)
	p.edit("c/r.lua", version("c2"))
	if _, err := p.g.Rollback(background, "c", "", false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := p.g.SetMode(background, "d", SetMode{Mode: rules.Shadow}); err != nil {
		t.Fatal(err)
	}
	p.options.Packs = map[string]rules.PackOptions{"b": {Config: map[string]any{"digits": "five"}}}
	p.start()
	p.expectLive("the manager", "a=a2 b=b1 c=c1 d=d1(shadow)")
	kept, err := LivePacks(background, p.keeper, p.options)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, k := range kept {
		names = append(names, k.Name)
		if s := p.standing(k.Name); k.Pack == nil || k.Pack.Version != s.Version || k.Version != s.Version || k.Path != s.Path {
			t.Errorf("%s is %+v, and the manager has %+v", k.Name, k, s)
		}
		if live := p.set.Pack(k.Name); k.Pack != nil && k.Pack.Built() != live.Built() {
			t.Errorf("%s is built otherwise than the one that runs", k.Name)
		}
		if (len(k.Problems) > 0) != (k.Name == "b") {
			t.Errorf("problems of %s: %v", k.Name, k.Problems)
		}
		if (k.Command == rules.Shadow) != (k.Name == "d") {
			t.Errorf("%s is %q by command", k.Name, k.Command)
		}
	}
	if got := strings.Join(names, " "); got != "a b c d" {
		t.Errorf("packs %s", got)
	}
}

// TestLivePacksThatDoNotLoad: a version whose files are damaged, and one that is not there any
// more, are named with the reason, and may veto.
func TestLivePacksThatDoNotLoad(t *testing.T) {
	t.Parallel()
	p := newPen(t, "a/r.lua", version("a1"), "b/r.lua", version("b1"))
	damaged, gone := p.standing("a").Version, p.standing("b").Version
	kept := p.keeper.versions["a"][damaged]
	kept.Files = slices.Clone(kept.Files)
	kept.Files[0].Bytes = []byte(version("a9"))
	p.keeper.versions["a"][damaged] = kept
	delete(p.keeper.versions["b"], gone)
	packs, err := LivePacks(background, p.keeper, p.options)
	if err != nil || len(packs) != 2 {
		t.Fatalf("%+v, %v", packs, err)
	}
	for i, want := range []string{"are damaged", "not in the store"} {
		if k := packs[i]; !strings.Contains(k.Problems.Error(), want) || !k.MayVeto || k.Pack != nil {
			t.Errorf("%s: %+v", k.Name, k)
		}
	}
}
