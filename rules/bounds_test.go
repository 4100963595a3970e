package rules

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fill makes many empty files in a folder.
func fill(t testing.TB, dir, pattern string, n int) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	for i := range n {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf(pattern, i)))
		must(t, err)
		must(t, f.Close())
	}
}

// sparse makes a file of a size that takes no room on the disk.
func sparse(t testing.TB, path string, size int64) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.Create(path)
	must(t, err)
	must(t, f.Truncate(size))
	must(t, f.Close())
}

// A pack whose folder holds too much of anything is refused with a message that names
// the excess, and other packs are read.
func TestPackTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	crowded := fmt.Sprintf("the pack holds more than %d files and folders", MaxEntries)
	for name, tt := range map[string]struct {
		make func(t *testing.T, dir string)
		want string
	}{
		"files in data": {func(t *testing.T, dir string) { fill(t, filepath.Join(dir, "data"), "x%d.yaml", MaxEntries) }, crowded},
		"rule files":    {func(t *testing.T, dir string) { fill(t, dir, "x%d.lua", MaxEntries) }, crowded},
		"other files":   {func(t *testing.T, dir string) { fill(t, dir, "%d.md", MaxEntries) }, crowded},
		"files in several folders": {func(t *testing.T, dir string) {
			for i := range 5 {
				fill(t, filepath.Join(dir, "lib", fmt.Sprint("f", i)), "x%d.lua", MaxEntries/5)
			}
		}, crowded},
		"folders in folders": {func(t *testing.T, dir string) {
			for i := range 15 {
				for k := range 15 {
					for m := range 10 {
						must(t, os.MkdirAll(filepath.Join(dir, "lib", fmt.Sprint(i), fmt.Sprint(k), fmt.Sprint(m)), 0o755))
					}
				}
			}
		}, crowded},
		"a file that is too large": {func(t *testing.T, dir string) { sparse(t, filepath.Join(dir, "data", "x.txt"), 8<<30) },
			"it can't be read: it is larger than 8 MiB"},
		"large files": {func(t *testing.T, dir string) {
			for i := range 5 {
				sparse(t, filepath.Join(dir, "data", fmt.Sprintf("x%d.txt", i)), maxFileSize)
			}
		}, fmt.Sprintf("the pack holds more than %d MiB", maxPackBytes>>20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{"a.lua": "", "big/10.lua": "", "z.lua": ""})
			tt.make(t, filepath.Join(dir, "big"))
			r := readFolder(dir)
			var names []string
			for _, s := range r.sources {
				names = append(names, s.name)
				if broken := s.broken.Error(); (s.name == "big") != (broken != "") || s.name == "big" && !strings.Contains(broken, tt.want) {
					t.Errorf("pack %s is broken: %q", s.name, broken)
				}
			}
			if !slices.Equal(names, []string{"a", "big", "z"}) || len(r.diags) > 0 {
				t.Errorf("read are %q, %v", names, r.diags)
			}
		})
	}
}

// All packs together are bounded, too: those that are beyond it are refused.
func TestFolderTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"zz.lua": "chert"})
	const packs, files = 6, 3
	for i := range packs {
		for k := range files {
			sparse(t, filepath.Join(dir, fmt.Sprint("p", i), fmt.Sprintf("%d.lua", k)), maxFileSize)
		}
	}
	r := readFolder(dir)
	fit := maxFolderBytes / (files * maxFileSize)
	for i, s := range r.sources[:packs] {
		if broken := s.broken.Errors(); broken != (i >= fit) {
			t.Errorf("pack %s is refused: %t, %v", s.name, broken, s.broken)
		}
	}
	if s := r.sources[packs]; s.broken.Errors() {
		t.Errorf("a small pack behind those that are refused: %v", s.broken)
	}
}

// A link may lead to anything in the rules folder, by a relative or absolute path.
func TestLinksThatStayInside(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	dir := filepath.Join(top, "rules")
	write(t, filepath.Join(dir, "shared", "lib", "phones.lua"), "-- phones")
	write(t, filepath.Join(dir, "vip", "10.lua"), "-- vip")
	write(t, filepath.Join(top, "other", "x.lua"), "-- outside")
	must(t, os.Symlink("rules", filepath.Join(top, "current")))
	link := func(target, name string) { must(t, os.Symlink(target, filepath.Join(dir, name))) }
	link(filepath.Join(dir, "shared", "lib"), "vip/lib")             // absolute, a folder
	link(filepath.Join(dir, "vip", "10.lua"), "a.lua")               // absolute, a file
	link(filepath.Join(top, "current", "vip", "10.lua"), "b.lua")    // by another path
	link("a.lua", "c.lua")                                           // to a link
	link("vip/lib/../../vip/10.lua", "d.lua")                        // up, and back
	link(filepath.Join(top, "other", "x.lua"), "out.lua")            // leaves
	link(filepath.Join(dir, "..", "other", "x.lua"), "up.lua")       // leaves
	link(filepath.Join(dir, "vip", "..", "..", "other"), "vip/data") // leaves, a folder
	link(filepath.Join(top, "other", "x.lua"), "shared/lib/y.lua")   // leaves, and is found by a link that stays
	link("loop.lua", "loop.lua")
	for _, from := range []string{dir, filepath.Join(top, "current")} {
		var got []string
		for _, line := range listing(from, readFolder(from)) {
			first, _, _ := strings.Cut(line, "\n")
			got = append(got, strings.ReplaceAll(first, top, "TOP"))
		}
		want := []string{
			"a: rules a.lua", "b: rules b.lua", "c: rules c.lua", "d: rules d.lua", "shared: lib lib/phones.lua", "vip: rules 10.lua", "vip: lib lib/phones.lua",
			"DIR/loop.lua: error: it is a symlink to loop.lua, which can't be read: too many levels of symbolic links",
			"DIR/out.lua: error: it is a symlink to TOP/other/x.lua, which leaves the rules folder",
			"DIR/shared/lib/y.lua: error: it is a symlink to TOP/other/x.lua, which leaves the rules folder",
			"DIR/up.lua: error: it is a symlink to TOP/other/x.lua, which leaves the rules folder",
			"DIR/vip/data: error: it is a symlink to TOP/other, which leaves the rules folder",
			"DIR/vip/lib/y.lua: error: it is a symlink to TOP/other/x.lua, which leaves the rules folder",
		}
		if !slices.Equal(got, want) {
			t.Errorf("from %s:\n  %s\nwant:\n  %s", from, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
		}
	}
}

// What would be a pack's but for a capital letter, or for the .txt of an editor,
// is listed with the command that renames it.
func TestMisnamedFilesAreListed(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"ok.lua": "", "CODES.lua": "", "A.LUA": "", "b.Lua": "", "c.lua.txt": "", "My Rules.LUA": "", "README.TXT": "", "d_SPEC.LUA": "", "\xffz.LUA": "", "İ\n.LUA": "",
		"up/10.LUA": "", "vip/10.lua": "", "vip/20.LUA": "", "vip/PACK.YAML": "", "vip/Lib/x.lua": "", "vip/NOTES.md": "",
		"vip/lib/P.LUA": "", "vip/lib/ok.lua": "", "vip/data/v.YAML": "", "vip/data/r.CSV": "", "vip/data/x.JSON": "", "vip/spec/x_spec.LUA": "",
	})
	var got []string
	for _, i := range readFolder(dir).ignored {
		got = append(got, strings.ReplaceAll(i.Hint, dir, "DIR"))
	}
	slices.Sort(got)
	want := []string{
		`rename it: mv $'DIR/\377z.LUA' $'DIR/\377z.lua'`,
		`rename it: mv $'DIR/İ\012.LUA' $'DIR/İ\012.lua'`,
		"rename it: mv 'DIR/My Rules.LUA' 'DIR/My Rules.lua'",
		"rename it: mv DIR/A.LUA DIR/A.lua",
		"rename it: mv DIR/b.Lua DIR/b.lua",
		"rename it: mv DIR/c.lua.txt DIR/c.lua",
		"rename it: mv DIR/d_SPEC.LUA DIR/d_spec.lua",
		"rename it: mv DIR/up/10.LUA DIR/up/10.lua",
		"rename it: mv DIR/vip/20.LUA DIR/vip/20.lua",
		"rename it: mv DIR/vip/Lib DIR/vip/lib",
		"rename it: mv DIR/vip/PACK.YAML DIR/vip/pack.yaml",
		"rename it: mv DIR/vip/lib/P.LUA DIR/vip/lib/P.lua",
		"rename it: mv DIR/vip/spec/x_spec.LUA DIR/vip/spec/x_spec.lua",
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	if dirs := readFolder(dir).others; !slices.Contains(dirs, filepath.Join(dir, "up")) {
		t.Errorf("a folder whose rules are misnamed is not a pack: %q", dirs)
	}
}

// A spec that stands beside no pack is listed: nothing runs it.
func TestSpecsWithoutPackAreListed(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"codes.lua": "", "codes_spec.lua": "", "orphan_spec.lua": "", "vip_spec.lua": "", "vip/10.lua": "", "vip/vip_spec.lua": "", "_spec.lua": "",
		"old_spec.lua": "", ".chertignore": "old_spec.lua\nout.lua\n", "out.lua": "", "out_spec.lua": "",
	})
	var got []string
	for _, i := range readFolder(dir).ignored {
		if strings.Contains(i.Why, "it is a spec") {
			got = append(got, strings.ReplaceAll(i.Path+": "+i.Why+": "+i.Hint, dir, "DIR"))
		}
	}
	want := []string{
		"DIR/_spec.lua: it is a spec, and there is no .lua beside it: name it after its pack, or delete it",
		"DIR/orphan_spec.lua: it is a spec, and there is no orphan.lua beside it: name it after its pack, or delete it",
		"DIR/vip_spec.lua: it is a spec, and there is no vip.lua beside it: move it into the pack: mkdir -p DIR/vip/spec && mv DIR/vip_spec.lua DIR/vip/spec",
	}
	if !slices.Equal(got, want) {
		t.Errorf("listed:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// The documents tell the bounds that hold.
func TestLimitsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/rules.md")
	must(t, err)
	for _, want := range []string{
		fmt.Sprintf("A pack holds %d,%03d files and folders at most, and %d MiB; all packs together %d MiB.", MaxEntries/1000, MaxEntries%1000, maxPackBytes>>20, maxFolderBytes>>20),
		fmt.Sprintf("itself holds %d,%03d files and folders at most.", MaxEntries/1000, MaxEntries%1000),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/rules.md does not say: %s", want)
		}
	}
}
