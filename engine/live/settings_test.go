package live

import (
	"fmt"
	"strings"
	"testing"

	"chertd/rules"
)

// What chertd.yaml sets and a pack does not take keeps its files from going live.
// The last good version continues, also across a restart, and a rollback needs no
// other configuration.
func TestWrongSettingLeavesTheLastGoodVersion(t *testing.T) {
	t.Parallel()
	manifest := func(settings string) string { return "config: {" + settings + "}" }
	uses := func(name string) string { // it does not load with the wrong type
		return version(name) + "local n = config.digits + 1\nlog.info(n)\n"
	}
	for name, wrong := range map[string]map[string]any{
		"unknown":         {"digit": 5},
		"of another type": {"digits": "five"},
		"both":            {"digit": 5, "digits": []any{1}},
		"one is right":    {"digit": 5, "digits": 7},
	} {
		for _, reread := range []bool{true, false} {
			t.Run(fmt.Sprint(name, reread), func(t *testing.T) {
				t.Parallel()
				p := newPen(t, "b/r.lua", uses("v1"), "b/pack.yaml", manifest("digits: 6"))
				p.edit("b/r.lua", uses("v2"))
				right := p.options
				p.options.Packs = map[string]rules.PackOptions{"b": {Config: wrong}}
				if reread {
					must(t, p.g.Reconfigure(background, p.options, nil))
					p.expectLive("read again", "b=v2")
				}
				p.start()
				p.expectLive("after a restart", "b=v2")
				if s := p.standing("b"); !strings.Contains(s.NotLive, "it does not take what chertd.yaml sets") {
					t.Errorf("after a restart it is not live because %q", s.NotLive)
				}
				p.logged("")
				p.edit()
				must(t, p.g.Reconfigure(background, p.options, nil))
				p.expectLive("read once more", "b=v2")
				if n := p.logged("does not take settings"); n != 0 {
					t.Errorf("what is left out was logged again, %d times", n)
				}
				if _, err := p.g.Rollback(background, "b", "", false, false); err != nil {
					t.Fatal(err)
				}
				p.expectLive("rolled back", "b=v1")
				p.start()
				p.expectLive("rolled back, after a restart", "b=v1")
				must(t, p.g.Reconfigure(background, right, nil))
				if _, err := p.g.Undo(background, "b", false); err != nil {
					t.Fatal(err)
				}
				p.expectLive("corrected", "b=v2")
				p.expectNotLive("corrected", "b", "")
			})
		}
	}
}

// An edit that adds a setting, and is broken, leaves a version that does not know
// the setting which chertd.yaml gives it already.
func TestSettingOfABrokenEditIsLeftOut(t *testing.T) {
	t.Parallel()
	p := newPen(t, "b/r.lua", version("v1"), "b/pack.yaml", "config: {a: 1}")
	p.options.Packs = map[string]rules.PackOptions{"b": {Config: map[string]any{"new": 2}}}
	p.write("b/r.lua", broken, "b/pack.yaml", "config: {a: 1, new: 1}")
	p.start()
	p.expectLive("the edit is broken", "b=v1")
	p.edit("b/r.lua", version("v2"))
	p.expectLive("the edit is complete", "b=v2")
}
