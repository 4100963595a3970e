package live

import (
	"strings"
	"testing"

	"chertd/rules"
)

// withRules is a good rule file that calls itself so and has rules of these names.
// It is long enough not to be taken for half written without one of them.
func withRules(title string, names ...string) string {
	text := "-- " + title
	for _, name := range names {
		text += "\nchert.rule({ name = \"" + name + "\", on = \"message.received\", run = function(ev) end })"
	}
	return text + "\n--" + strings.Repeat("-", 300)
}

// Whatever makes a version live that lacks rules of the one before, what those
// asked for is dropped, once; what keeps all rules drops nothing.
func TestReadsOfDeletedRulesAreDropped(t *testing.T) {
	t.Parallel()
	ab, a, abc := withRules("ab", "a", "b"), withRules("a", "a"), withRules("abc", "a", "b", "c")
	const gone = "codes but for a: rule deleted"
	back := func(p *pen, keepPending bool) {
		_, err := p.g.Rollback(background, "codes", "", false, keepPending)
		must(p.t, err)
	}
	for name, tc := range map[string]struct {
		act  func(p *pen)
		want []string
	}{
		"an edit that deletes one": {func(p *pen) { p.edit("codes.lua", a) }, []string{gone}},
		"an edit that adds one":    {func(p *pen) { p.edit("codes.lua", abc) }, nil},
		"an edit that renames one": {func(p *pen) { p.edit("codes.lua", withRules("ac", "a", "c")) }, []string{"codes but for a c: rule deleted"}},
		"an edit of one":           {func(p *pen) { p.edit("codes.lua", withRules("new", "b", "a")) }, nil},
		"an edit that is not live": {func(p *pen) { p.edit("codes.lua", a+"\nlocal x = = 1") }, nil},
		"another pack's edit":      {func(p *pen) { p.edit("other.lua", withRules("o2", "x")) }, []string{"other but for x: rule deleted"}},
		"two packs in one edit":    {func(p *pen) { p.edit("codes.lua", a, "other.lua", withRules("o2", "x")) }, []string{gone, "other but for x: rule deleted"}},
		"each edit that does": {func(p *pen) {
			p.edit("codes.lua", a)
			p.await("codes")
			p.edit("codes.lua", ab)
			p.edit("codes.lua", a)
		}, []string{gone, gone}},
		"a rollback": {func(p *pen) {
			p.edit("codes.lua", abc)
			back(p, false)
		}, []string{"codes abc: rolled back", "codes but for a b: rule deleted"}},
		"not a rollback that keeps what is pending": {func(p *pen) {
			p.edit("codes.lua", abc)
			back(p, true)
		}, nil},
		"but an edit after it": {func(p *pen) {
			p.edit("codes.lua", abc)
			back(p, true)
			p.edit("codes.lua", a)
		}, []string{gone}},
		"an edit while nothing ran": {func(p *pen) {
			p.g.Stop()
			p.write("codes.lua", abc)
			p.start()
		}, []string{"codes but for a b c: rule deleted"}}, // nobody looks what it had
		"not a restart": {func(p *pen) { p.start() }, nil},
		"not another configuration": {func(p *pen) {
			p.options.Packs = map[string]rules.PackOptions{"codes": {Mode: rules.Shadow}}
			must(p.t, p.g.Reconfigure(background, p.options, nil))
		}, []string{"codes: shadow"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "codes.lua", ab, "other.lua", withRules("o1", "x", "y"))
			p.expectCancelled("at the first start")
			tc.act(p)
			p.await("codes")
			p.await("other")
			p.expectCancelled(name, tc.want...)
			p.hasCancelled("")
			p.start()
			p.await("codes")
			p.mu.Lock()
			defer p.mu.Unlock()
			if text := strings.Join(p.cancelled, "; "); strings.Contains(text, "rule deleted") {
				t.Errorf("dropped, and again after a restart: %s", text)
			}
		})
	}
}

// If the process ends before reads of deleted rules are dropped, the next start
// drops them.
func TestReadsOfDeletedRulesAreDroppedAfterARestart(t *testing.T) {
	t.Parallel()
	p := newPen(t, "codes.lua", withRules("ab", "a", "b"))
	p.stuck = true
	p.write("codes.lua", withRules("a", "a"))
	must(t, p.g.Notice(background, Seen{Reason: "test"}))
	p.expectLive("edited", "codes=a")
	p.g.Stop()
	p.expectCancelled("before it ended")
	p.stuck = false
	p.start()
	p.await("codes")
	p.expectCancelled("after a restart", "codes but for a: rule deleted")
	p.start()
	p.await("codes")
	p.expectCancelled("after another")
}
