package live

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chertd/rules"
)

// While a rules folder holds too much, edits of known packs go live as before, no
// pack is removed, and no new pack is loaded.
func TestCrowdedFolderHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	p := newPen(t, "a.lua", version("a1"), "b/10.lua", version("b1"))
	p.logged("")
	fill(t, p.dir, "x%d.lua", rules.MaxEntries)
	p.edit("a.lua", version("a2"), "new.lua", version("n1"))
	p.expectLive("crowded", "a=a2 b=b1")
	p.expectNotLive("crowded", "a", "")
	done, err := p.g.Reload(background, "test")
	must(t, err)
	if len(done.Folder) != 1 || !strings.Contains(done.Folder[0].Message, fmt.Sprintf("it holds more than %d files and folders", rules.MaxEntries)) {
		t.Errorf("of the folder it says %v", done.Folder)
	}
	if n := p.logged("the rules folder could not be read completely"); n != 1 {
		t.Errorf("that was logged %d times, want once", n)
	}
	p.edit("b", "gone")
	p.pass(goneFor + time.Second)
	p.edit()
	p.expectLive("it is unknown which packs are gone", "a=a2 b=b1")
	p.start()
	p.expectLive("crowded at a start", "a=a2 b=b1")
	p.edit("a.lua", version("a3"))
	p.expectLive("edited after it", "a=a3 b=b1")

	p.logged("")
	for i := range rules.MaxEntries {
		must(t, os.Remove(filepath.Join(p.dir, fmt.Sprintf("x%d.lua", i))))
	}
	p.write("b/10.lua", version("b2"))
	p.edit()
	p.expectLive("there is less", "a=a3 b=b2 new=n1")
	if n := p.logged("the rules folder can be read again"); n != 1 {
		t.Errorf("that it is back was logged %d times, want once", n)
	}
}

// The copy of a pack's folder has the pack's name in its pack.yaml, too: both are
// named by file and line, also where the copy is ignored for its own name.
func TestCopiedPackNamesTheLine(t *testing.T) {
	t.Parallel()
	const manifest = "description: VIPs\nname: people\n"
	p := newPen(t, "vip/10.lua", version("v1"), "vip/pack.yaml", manifest)
	p.edit("vip-2026/10.lua", version("v1"), "vip-2026/pack.yaml", manifest, "vip-copy/10.lua", version("v1"), "vip-copy/pack.yaml", manifest)
	p.expectLive("copied", "people=v1")
	p.expectNotLive("copied", "people", "two packs have this name")
	said := p.standing("people").Diagnostics.Error()
	for _, want := range []string{
		filepath.Join(p.dir, "vip", "pack.yaml") + ":2:7: error: the name \"people\" is already used by " + filepath.Join(p.dir, "vip-2026", "pack.yaml") + ":2",
		filepath.Join(p.dir, "vip-2026", "pack.yaml") + ":2:7: error: the name \"people\" is already used by " + filepath.Join(p.dir, "vip", "pack.yaml") + ":2",
		"choose another name in this line",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %s:\n%s", want, said)
		}
	}
	if i := p.g.Ignored(); len(i) != 1 || !strings.Contains(i[0].Hint, "also change its name in "+filepath.Join(p.dir, "vip-copy", "pack.yaml")+":2 (name: people)") {
		t.Errorf("ignored are %+v", i)
	}
	p.edit("vip-2026/pack.yaml", "description: VIPs\nname: guests\n")
	p.expectLive("with another name", "guests=v1 people=v1")
}
