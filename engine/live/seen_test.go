package live

import (
	"testing"
	"time"

	"chertd/rules"
)

// seen is what a watch hands over of the folder as it is now.
func (p *pen) seen() Seen {
	began := time.Now()
	return Seen{Reason: "seen", Folder: rules.ReadFolder(p.dir, rules.FolderOptions{}), began: began}
}

// A folder that the watch has read is not read once more, unless it was read here since,
// or another .chertignore counts.
func TestNoticeTakesTheFolderThatTheWatchRead(t *testing.T) {
	t.Parallel()
	p := newPen(t, "a.lua", version("a1"))
	reads := 0
	p.open = func(dir string) (rules.Tree, error) {
		reads++
		return rules.OpenTree(dir)
	}
	p.start()
	expect := func(when string, want int) {
		t.Helper()
		if reads != want {
			t.Errorf("%s: the folder was read %d times, want %d", when, reads, want)
		}
		reads = 0
	}
	expect("at the start", 1)

	p.write("a.lua", version("a2"))
	must(t, p.g.Notice(background, p.seen()))
	expect("handed over", 0)
	p.expectLive("handed over", "a=a2")

	p.write("a.lua", version("a3"))
	old := p.seen()
	p.write("a.lua", version("a4"))
	must(t, p.g.Read(background, "test"))
	expect("read by command", 1)
	must(t, p.g.Notice(background, old))
	expect("handed over too late", 1)
	p.expectLive("handed over too late", "a=a4")

	p.write(".chertignore", "b.lua\n", "b.lua", version("b1"))
	must(t, p.g.Notice(background, p.seen()))
	expect("with a new .chertignore", 0)
	p.write(".chertignore", `b\`) // cut: it is left to whoever writes it
	must(t, p.g.Notice(background, p.seen()))
	expect("with one that is half written", 1)
	p.expectLive("with one that is half written", "a=a4")
}
