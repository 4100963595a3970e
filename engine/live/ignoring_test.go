package live

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A .chertignore that somebody is still writing makes no pack of what it ignores.
func TestHalfWrittenIgnoreFileMakesNothingLive(t *testing.T) {
	t.Parallel()
	const whole = "# drafts\ndraft.lua\n"
	files := []string{"all.lua", version("a1") + "\n", "draft.lua", version("d1") + "\n", ".chertignore", whole}
	halves := map[string]string{"nothing": "", "a line": "# drafts\n", "half a line": "# drafts\ndra", "no file": "gone", "another, cut": "# our own drafts, and some more\ndraft"}
	restart := func(y *yard) { y.events = nil; y.open() }
	for name, half := range halves {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inYard(t, func(y *yard) {
				y.until(5 * time.Second)
				y.put(".chertignore", half)
				y.expect(6900*ms, "all=a1")
				y.put("other.lua", version("o1")+"\n", "draft.lua", version("d2")+"\n")
				y.expect(7050*ms, "all=a1 other=o1")
				y.put(".chertignore", whole+"# more\n")
				y.expect(20*time.Second, "all=a1 other=o1")
				y.put(".chertignore", half)
				y.expect(21*time.Second, "all=a1 other=o1")
				y.shut()
				restart(y)
				y.expect(22*time.Second, "all=a1 other=o1")
				y.shut()
				restart(y)
				y.expect(23*time.Second, "all=a1 other=o1")
				y.put(".chertignore", whole)
				y.expect(40*time.Second, "all=a1 other=o1")
				y.expectCancelled("nothing was live that is not now")
			}, files...)
		})
		t.Run(name+", left so", func(t *testing.T) {
			t.Parallel()
			inYard(t, func(y *yard) {
				y.until(5 * time.Second)
				y.put(".chertignore", half)
				y.expect(7*time.Second, "all=a1")
				y.expect(7300*ms, "all=a1 draft=d1")
				y.shut()
				restart(y)
				y.expect(8*time.Second, "all=a1 draft=d1")
			}, files...)
		})
		if half == "gone" || half == "# drafts\n" {
			continue // nothing tells, where nothing is known from before
		}
		t.Run(name+", and nothing kept", func(t *testing.T) {
			t.Parallel()
			inYard(t, func(y *yard) {
				y.shut()
				y.keeper, y.events = newKeeper(), nil
				y.put(".chertignore", half)
				time.AfterFunc(500*ms, func() { must(t, os.WriteFile(filepath.Join(y.dir, ".chertignore"), []byte(whole), 0o644)) })
				y.open()
				y.expectLive("once it starts", "all=a1")
				y.expect(10*time.Second, "all=a1")
			}, files...)
		})
	}
}

// While .chertignore can't be read it is unknown which files are packs: live packs
// stay live, and nothing else goes live.
func TestUnreadableIgnoreFileMakesNothingLive(t *testing.T) {
	t.Parallel()
	inYard(t, func(y *yard) {
		unreadable := func() {
			must(t, os.Remove(filepath.Join(y.dir, ".chertignore")))
			must(t, os.Mkdir(filepath.Join(y.dir, ".chertignore"), 0o755))
		}
		y.until(5 * time.Second)
		unreadable()
		y.put("all.lua", version("a2")+"\n")
		y.expect(20*time.Second, "all=a1")
		y.shut()
		y.events = nil
		y.open()
		y.expect(30*time.Second, "all=a1")
		y.put(".chertignore", "gone", ".chertignore", "")
		y.expect(31*time.Second, "all=a2") // by the one of before
		y.put(".chertignore", "draft.lua\n")
		y.expect(32*time.Second, "all=a2")
	}, "all.lua", version("a1")+"\n", "draft.lua", version("d1")+"\n", ".chertignore", "draft.lua\n")
}
