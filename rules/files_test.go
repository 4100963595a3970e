package rules

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree makes files in a new folder, from their names to their contents. A
// content "-> target" makes a symlink.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rules")
	must(t, os.MkdirAll(dir, 0o755))
	for name, content := range files {
		path := filepath.Join(dir, name)
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			must(t, os.Symlink(target, path))
			continue
		}
		write(t, path, content)
	}
	return dir
}

// listing is what was read, a line a file, and what was wrong.
func listing(dir string, r reading) []string {
	var lines []string
	diags := r.diags
	for _, s := range r.sources {
		for _, f := range s.files {
			lines = append(lines, fmt.Sprintf("%s: %s %s", s.name, f.Kind, f.Name))
		}
		diags = append(diags, s.broken...)
	}
	for _, d := range diags {
		lines = append(lines, strings.ReplaceAll(d.String(), dir, "DIR"))
	}
	return lines
}

func TestReadFolder(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside.lua")
	write(t, outside, "-- outside")
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"single files and their specs", map[string]string{"b.lua": "", "a.lua": "", "a_spec.lua": "", "README.md": "", "orphan_spec.lua": ""},
			[]string{"a: rules a.lua", "a: spec a_spec.lua", "b: rules b.lua"}},
		{"a pack's folder", map[string]string{
			"vip/20-b.lua": "", "vip/10-a.lua": "", "vip/pack.yaml": "", "vip/x_spec.lua": "", "vip/notes.txt": "",
			"vip/lib/phones.lua": "", "vip/lib/deep/er.lua": "", "vip/lib/phones.md": "",
			"vip/data/vips.yaml": "", "vip/data/words.txt": "", "vip/data/rows.csv": "", "vip/data/x.json": "",
			"vip/spec/hold_spec.lua": "", "vip/other/x.lua": "",
		}, []string{
			"vip: rules 10-a.lua", "vip: rules 20-b.lua", "vip: data data/rows.csv", "vip: data data/vips.yaml", "vip: data data/words.txt",
			"vip: lib lib/deep/er.lua", "vip: lib lib/phones.lua", "vip: pack.yaml pack.yaml", "vip: spec spec/hold_spec.lua", "vip: spec x_spec.lua",
		}},
		{"what editors leave behind", map[string]string{
			"a.lua": "", ".hidden.lua": "", ".#a.lua": "-> me@host.1234", "#a.lua#": "", "a.lua~": "", ".a.lua.swp": "", "4913": "",
			"a.lua.tmp": "", "a.lua.bak": "", "a.lua.orig": "", "vip.bak/x.lua": "", "old~/x.lua": "", ".git/x.lua": "", "a.LUA.BAK": "",
		}, []string{"a: rules a.lua"}},
		{"folders that are not packs", map[string]string{"a.lua": "", "docs/README.md": "", "empty/sub/x.lua": ""}, []string{"a: rules a.lua"}},
		{"links that stay", map[string]string{
			"..1/a.lua": "", "..1/vip/x.lua": "", "..data": "-> ..1", "a.lua": "-> ..data/a.lua", "vip": "-> ..data/vip",
		}, []string{"a: rules a.lua", "vip: rules x.lua"}},
		{"links that leave", map[string]string{"a.lua": "", "evil.lua": "-> " + outside, "up.lua": "-> ../../x.lua", "gone.lua": "-> nowhere.lua", "vip/x.lua": "", "vip/lib": "-> /etc"},
			[]string{
				"a: rules a.lua", "vip: rules x.lua",
				"DIR/evil.lua: error: it is a symlink to " + outside + ", which leaves the rules folder\n  hint: copy the file into the folder; a symlink may point only to something inside it",
				"DIR/gone.lua: error: it is a symlink to nowhere.lua, which does not exist",
				"DIR/up.lua: error: it is a symlink to ../../x.lua, which leaves the rules folder\n  hint: copy the file into the folder; a symlink may point only to something inside it",
				"DIR/vip/lib: error: it is a symlink to /etc, which leaves the rules folder\n  hint: copy the file into the folder; a symlink may point only to something inside it",
			}},
		{"folders below lib, data and spec, to their depth", map[string]string{
			"vip/x.lua": "", "vip/lib/1/2/3/a.lua": "", "vip/lib/1/2/3/4/b.lua": "", "vip/data/1/a.txt": "", "vip/data/b.txt": "", "vip/spec/1/a_spec.lua": "", "vip/spec/b_spec.lua": "",
		}, []string{"vip: data data/b.txt", "vip: lib lib/1/2/3/a.lua", "vip: spec spec/b_spec.lua", "vip: rules x.lua"}},
		{"pack.yml", map[string]string{"vip/x.lua": "", "vip/pack.yml": ""}, []string{"vip: rules x.lua",
			"DIR/vip/pack.yml: error: a pack's settings are read from pack.yaml, not pack.yml\n  hint: rename it to pack.yaml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, tt.files)
			if got := listing(dir, readFolder(dir)); !slices.Equal(got, tt.want) {
				t.Errorf("read:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func TestReadPath(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"a.lua": "", "a_spec.lua": "", "b.lua": "", "vip/x.lua": "", "vip/lib/y.lua": "", "bare/pack.yaml": "", "bare/x.lua": "", "plain/x.lua": "", "notes.txt": "", "base.yaml": "",
	})
	for _, tt := range []struct{ path, want string }{
		{"a.lua", "a: rules a.lua|a: spec a_spec.lua"},
		{"vip", "vip: lib lib/y.lua|vip: rules x.lua"},
		{"vip/.", "vip: lib lib/y.lua|vip: rules x.lua"},
		{"bare", "bare: pack.yaml pack.yaml|bare: rules x.lua"},
		{"plain", "x: rules x.lua"}, // nothing says that it is one pack
		{".", "a: rules a.lua|a: spec a_spec.lua|b: rules b.lua|bare: pack.yaml pack.yaml|bare: rules x.lua|plain: rules x.lua|vip: lib lib/y.lua|vip: rules x.lua"},
		{"notes.txt", "DIR/notes.txt: error: it is neither a folder nor a .lua file"},
		{"base.yaml", "DIR/base.yaml: error: it is neither a folder nor a .lua file\n  hint: a configuration is given with -c: `chertd check -c DIR/base.yaml`"},
		{"none.lua", "DIR/none.lua: error: no such file or folder\n  hint: rules are read from ./rules, or from rules.dir in chertd.yaml"},
	} {
		if got := strings.Join(listing(dir, readPath(dir+"/"+tt.path, "")), "|"); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.path, got, tt.want)
		}
	}
}

// A spec, and any file or folder of a pack, mean the pack.
func TestReadPathOfFileSelectsItsPack(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"a.lua": "", "a_spec.lua": "", "lonely_spec.lua": "", "plain/x.lua": "", "plain/y.lua": "", "plain/README.md": "",
		"vip/x.lua": "", "vip/pack.yaml": "", "vip/lib/deep/y.lua": "", "vip/spec/x_spec.lua": "", "vip/data/v.csv": "", "vip/event.json": "",
		"store/a.lua": "", "store/data/chertd.db": "",
	})
	const vip = "vip: data data/v.csv|vip: lib lib/deep/y.lua|vip: pack.yaml pack.yaml|vip: spec spec/x_spec.lua|vip: rules x.lua"
	const a, plain = "a: rules a.lua|a: spec a_spec.lua", "plain: rules x.lua|plain: rules y.lua"
	for _, tt := range []struct {
		path  string
		want  string // with no rules folder known
		under string // where DIR is the rules folder; "": the same
	}{
		{"a_spec.lua", a, ""},
		{"lonely_spec.lua", "DIR/lonely_spec.lua: error: this spec belongs to no pack: there is no lonely.lua beside it\n  hint: the specs of a pack that is a folder are in its spec/", ""},
		{"vip/x.lua", vip, ""}, {"vip/pack.yaml", vip, ""}, {"vip/event.json", vip, ""},
		{"vip/spec/x_spec.lua", vip, ""}, {"vip/data/v.csv", vip, ""}, {"vip/lib/deep/y.lua", vip, ""},
		{"vip/spec", vip, ""}, {"vip/lib/deep", vip, ""}, {"vip/data/", vip, ""},
		{"plain", "x: rules x.lua|y: rules y.lua", plain},
		{"plain/x.lua", "x: rules x.lua", plain},
		{"plain/README.md", "DIR/plain/README.md: error: it is neither a folder nor a .lua file", plain},
		{"store/a.lua", "a: rules a.lua", "store: rules a.lua"}, // its data/ is not a pack's
	} {
		for root, want := range map[string]string{"": tt.want, dir: cmp.Or(tt.under, tt.want)} {
			if got := strings.Join(listing(dir, readPath(dir+"/"+tt.path, root)), "|"); got != want {
				t.Errorf("%s, rules folder %q:\n got %s\nwant %s", tt.path, root, got, want)
			}
		}
	}
}
