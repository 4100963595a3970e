package live

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A pack that loses its rules but not all its files is edited, not deleted: its last
// good version stays live, also across restarts. The pack is removed once no file
// is left.
func TestPackWithoutRulesStaysLive(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ file, left string }{
		"the folder was emptied":        {"vip/10.lua", "vip/"},
		"hidden files are left":         {"vip/10.lua", "vip/.git"},
		"a backup is left":              {"vip/10.lua", "vip/10.lua~"},
		"a note is left":                {"vip/10.lua", "vip/README.md"},
		"a library is left":             {"vip/10.lua", "vip/lib/x.lua"},
		"the rule file became a folder": {"vip/10.lua", "vip/10.lua/"},
		"the folder became a file":      {"vip/10.lua", "vip"},
		"the file became a folder":      {"vip.lua", "vip.lua/"},
		"and something is in it":        {"vip.lua", "vip.lua/x.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t)
			p.settle = time.Millisecond
			p.write("all.lua", version("a1"), tt.file, veto("v1"))
			p.start()
			at := filepath.Join(p.dir, tt.file)
			must(t, os.RemoveAll(at))
			if tt.left == "vip" {
				must(t, os.Remove(filepath.Dir(at)))
			}
			left := filepath.Join(p.dir, tt.left)
			if tt.left[len(tt.left)-1] == '/' {
				must(t, os.MkdirAll(left, 0o755))
			} else {
				write(t, left, "nothing\n")
			}
			for _, when := range []string{"while it runs", "after a restart", "after another"} {
				for range 3 {
					p.edit()
					p.pass(time.Hour)
					p.expectLive(when, "all=a1 vip=v1")
				}
				if s := p.standing("vip"); s.Gone || s.NotLive == "" || !s.Diagnostics.Errors() {
					t.Errorf("%s: it is said to be gone, or not why it is not live: %+v", when, s)
				}
				p.edit("new.lua", version("n1")+"\n") // others come and go
				p.expectLive(when, "all=a1 new=n1 vip=v1")
				p.edit("new.lua", "gone")
				p.pass(goneFor)
				p.edit()
				p.expectLive(when+", the other is gone", "all=a1 vip=v1")
				p.await("new")
				p.start()
			}
			must(t, os.RemoveAll(filepath.Join(p.dir, "vip")))
			must(t, os.RemoveAll(filepath.Join(p.dir, "vip.lua")))
			p.edit()
			p.pass(goneFor)
			p.edit()
			p.expectLive("nothing is left", "all=a1")
		})
	}
}

// A pack that was never live and is emptied blocks reads as it did before.
func TestEmptiedPackBlocksAsBefore(t *testing.T) {
	t.Parallel()
	p := newPen(t, "all.lua", version("a1"), "vip/10.lua", veto("v1")+"\nlocal x = =")
	p.expectLive("broken", "all=a1 vip=none(veto)")
	p.edit("vip/10.lua", "gone")
	p.pass(time.Hour)
	p.edit()
	p.expectLive("emptied", "all=a1 vip=none(veto)")
	p.edit("vip", "gone")
	p.pass(goneFor)
	p.edit()
	p.expectLive("gone", "all=a1")
}

// A pack that goes because its file is ignored is not said to have lost it.
func TestIgnoredPackIsNotSaidToBeGone(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit []string
		why  string
	}{
		"deleted":              {[]string{"vip.lua", "gone"}, "its files are gone"},
		"in .chertignore":      {[]string{".chertignore", "# ours\nvip.lua\n"}, "its files are ignored: line 2 of .chertignore excludes it"},
		"renamed to a copy":    {[]string{"vip.lua", "gone", "vip copy.lua", veto("v1") + "\n"}, "its files are gone, and vip copy.lua is ignored: it looks like a copy"},
		"another copy is left": {[]string{"vip.lua", "gone", "codes copy.lua", veto("v1") + "\n"}, "its files are gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPen(t, "all.lua", version("a1"), "vip.lua", veto("v1"))
			p.edit(tt.edit...)
			p.expectNotLive("a moment after", "vip", tt.why)
			p.pass(goneFor)
			p.edit()
			p.expectLive("later", "all=a1")
			if n := p.logged("pack removed: " + tt.why + ", and it could veto reads"); n != 1 {
				t.Errorf("the log warns %d times", n)
			}
		})
	}
}
