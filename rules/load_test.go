package rules

import (
	"bufio"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// mustLoad loads packs from the contents of their files.
// loadDir loads a rules folder as the daemon does, with a configuration of its own.
func loadDir(dir string, o Options) (*Set, diag.List) {
	if o.Folder = dir; o.Packs == nil {
		o.Packs = map[string]PackOptions{}
	}
	return Load([]string{dir}, o).Set()
}

// loadOver is loadDir, but takes over the packs of an earlier set that have not changed,
// with their VMs.
func loadOver(dir string, o Options, previous *Set) (*Set, diag.List) {
	s, diags := loadDir(dir, o)
	if s == nil || previous == nil {
		return s, diags
	}
	packs := slices.Clone(s.packs)
	for i, p := range packs {
		if old := previous.Pack(p.Name); old != nil && old.built == p.built {
			packs[i] = old.WithFiles(p.Files)
		}
	}
	return newSet(packs, o, s.content), diags
}

func mustLoad(t testing.TB, o Options, files map[string]string) *Set {
	t.Helper()
	s, diags := loadDir(tree(t, files), o)
	if s == nil {
		t.Fatalf("the packs do not load:\n%v", diags)
	}
	return s
}

func TestLoadGood(t *testing.T) {
	t.Parallel()
	s, diags := loadDir("testdata/good", Options{})
	if s == nil || len(diags) > 0 {
		t.Fatalf("testdata/good: %v", diags)
	}
	var got []string
	for _, p := range s.Packs() {
		for _, r := range p.Rules {
			got = append(got, r.Key+" at "+filepath.ToSlash(r.Place()))
		}
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(p.Version) || !strings.HasPrefix(p.Version, p.ShortVersion()) {
			t.Errorf("pack %s: version %q, short %q", p.Name, p.Version, p.ShortVersion())
		}
	}
	want := []string{"codes/codes#1 at testdata/good/codes.lua:2", "settle/settled at testdata/good/settle/10-settle.lua:1"}
	if !slices.Equal(got, want) {
		t.Errorf("rules %q, want %q", got, want)
	}
	if d := s.Pack("settle").Manifest.Description; !strings.Contains(d, "burst") {
		t.Errorf("description %q", d)
	}
	if !s.Wants("message.received", "") || s.Wants("reaction.added", "") || s.Wants("action.done", "codes") {
		t.Error("the set wants other types than its rules subscribe to")
	}
}

// TestLoadBroken loads files that say on their lines, after -->, what is wrong
// there.
func TestLoadBroken(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/broken/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			want := expectations(t, file)
			set, diags := Load([]string{file}, Options{}).Set()
			if set != nil {
				t.Error("it loads")
			}
			missed := maps.Clone(want)
			for _, d := range diags {
				re := want[d.Line]
				delete(missed, d.Line)
				if re == nil || d.File != file || !re.MatchString(d.String()) {
					t.Errorf("%s\n  want on line %d: %v", d, d.Line, re)
				}
			}
			for line, re := range missed {
				t.Errorf("%s:%d: nothing was said, want %s", file, line, re)
			}
		})
	}
}

func expectations(t *testing.T, file string) map[int]*regexp.Regexp {
	t.Helper()
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	want := map[int]*regexp.Regexp{}
	in := bufio.NewScanner(f)
	for line := 1; in.Scan(); line++ {
		if _, quoted, ok := strings.Cut(in.Text(), "--> "); ok {
			pattern := quoted[1 : len(quoted)-1]
			pattern = strings.NewReplacer(`\"`, `"`, `\n`, "\n").Replace(pattern)
			want[line] = regexp.MustCompile(pattern)
		}
	}
	must(t, in.Err())
	return want
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev) end)`
	for _, tt := range []struct {
		name  string
		files map[string]string
		opts  Options
		want  []string // in the order of the diagnostics
	}{
		{"an empty folder", map[string]string{}, Options{}, []string{"DIR: error: there are no rules in this folder\n  hint: a pack is a file NAME.lua, or a folder with *.lua files"}},
		{"a file that is not Lua", map[string]string{"a.lua": "chert.on(", "b.lua": rule}, Options{}, []string{"DIR/a.lua:"}},
		{"two broken packs", map[string]string{"a.lua": "x =", "b/x.lua": "y ="}, Options{}, []string{"DIR/a.lua:", "DIR/b/x.lua:"}},
		{"an error while loading", map[string]string{"a.lua": "local x\n" + `error("no such luck")`}, Options{}, []string{"DIR/a.lua:2"}},
		{"one name for two packs", map[string]string{"vip.lua": rule, "vip/x.lua": rule}, Options{}, []string{`the name "vip" is already used by DIR/vip`}},
		{"a name in pack.yaml that is taken", map[string]string{"a.lua": rule, "b/x.lua": rule, "b/pack.yaml": "name: a"}, Options{}, []string{`DIR/b/pack.yaml:1:7: error: the name "a" is already used by DIR/a.lua;`}},
		{"a copy of a pack with a name of its own", map[string]string{"b/x.lua": rule, "b/pack.yaml": "description: x\nname: a", "c/x.lua": rule, "c/pack.yaml": "description: x\nname: a"}, Options{}, []string{`DIR/c/pack.yaml:2:7: error: the name "a" is already used by DIR/b/pack.yaml:2;`}},
		{"a name that can't be", map[string]string{"b/x.lua": rule, "b/pack.yaml": "name: a/b"}, Options{}, []string{`"a/b" is not a valid pack name`}},
		{"a pack without rules", map[string]string{"vip/lib/x.lua": "return 1"}, Options{}, []string{`DIR/vip: error: pack "vip" has no rule files`}},
		{"broken data", map[string]string{"vip/x.lua": rule, "vip/data/v.yaml": "a: [\n"}, Options{}, []string{"DIR/vip/data/v.yaml:1"}},
		{"permissions that are not granted", map[string]string{"vip/x.lua": rule, "vip/pack.yaml": "permissions: [typing, send]"},
			Options{Packs: map[string]PackOptions{"vip": {Grant: []string{"typing"}}}},
			[]string{"vip/pack.yaml:1:23: error: pack \"vip\" requests the permission \"send\", which chertd.yaml does not grant [CH056]\n  hint: add to chertd.yaml: rules: {packs: {vip: {grant: [send, typing]}}}"}},
		{"a setting of another type", map[string]string{"vip/x.lua": rule, "vip/pack.yaml": "config: {digits: 6}"},
			Options{Packs: map[string]PackOptions{"vip": {Config: map[string]any{"digits": "six"}}}},
			[]string{`setting digits of pack "vip": expected a number, got a string [CF009]`}},
		{"a schedule there is not", map[string]string{"a.lua": `chert.every("soon", { name = "x" }, function(ev) end)`}, Options{}, []string{`DIR/a.lua:1:1: error: schedule "soon": expected a duration`}},
		{"a setting there is not", map[string]string{"vip/x.lua": rule, "vip/pack.yaml": "config: {digits: 6}"},
			Options{Packs: map[string]PackOptions{"vip": {Config: map[string]any{"digit": 5}}}},
			[]string{"chertd.yaml: error: pack \"vip\" has no setting \"digit\" [CF009]\n  hint: did you mean \"digits\"?"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, tt.files)
			set, diags := loadDir(dir, tt.opts)
			if set != nil {
				t.Error("it loads")
			}
			var got []string
			for _, d := range diags {
				got = append(got, strings.ReplaceAll(d.String(), dir, "DIR"))
			}
			ok := len(got) == len(tt.want)
			for i := range min(len(got), len(tt.want)) {
				ok = ok && strings.Contains(got[i], tt.want[i])
			}
			if !ok {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func TestLoadWarns(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"codes.lua": version("v1"), "codes copy.lua": version("v1")})
	s, diags := loadDir(dir, Options{Packs: map[string]PackOptions{"code": {}}})
	want := []string{"codes copy.lua: warning: it is not loaded: it looks like a copy\n  hint: delete it; if it is intentional, rename it, or add !/codes copy.lua to .chertignore",
		"rules.packs names \"code\", but there is no such pack [CF008]\n  hint: did you mean \"codes\"?"}
	if s == nil || len(s.Packs()) != 1 || len(diags) != 2 || diags.Errors() || !strings.Contains(diags[0].String(), want[0]) || !strings.Contains(diags[1].String(), want[1]) {
		t.Errorf("got %v, want warnings %q", diags, want)
	}
}

// What the operator's file says of packs is said at its line: a setting that a
// pack without a pack.yaml never reads, and a pack that is not there. Only a
// whole folder shows which packs there are.
func TestSettingsThatDoNotFitAreReported(t *testing.T) {
	t.Parallel()
	const reads = "chert.on('message.received', function() if config.min_digits > 1 then log.info(config['words'][1]) end end)"
	at := map[string]Position{"": {"etc/c.yaml", 4, 5}, "config.min_digit": {"etc/c.yaml", 5, 16}}
	for _, tt := range []struct {
		name, src string
		config    map[string]any
		want      string // "": nothing
	}{
		{"all are read", reads, map[string]any{"min_digits": 6, "words": []any{"a"}}, ""},
		{"a typo", reads, map[string]any{"min_digit": 6},
			"etc/c.yaml:5:16: warning: pack \"codes\" never reads the setting \"min_digit\" [CF009]\n  hint: did you mean \"min_digits\"?"},
		{"nothing near", reads, map[string]any{"zone": "x"},
			"etc/c.yaml:4:5: warning: pack \"codes\" never reads the setting \"zone\" [CF009]\n  hint: it reads min_digits, words"},
		{"none is read", version("v1"), map[string]any{"zone": "x"}, "hint: the pack reads no settings: delete this one, or read it as config.zone"},
		{"in a comment", version("v1") + "-- config.zone\n", map[string]any{"zone": "x"}, "never reads the setting \"zone\""},
		{"of another table", version("v1") + "local t = {config = {}} log.info(t.config.zone)", map[string]any{"zone": "x"}, ""}, // looks the same as config handed on
		{"by an expression", "local k = 'zone'\nchert.on('message.received', function() log.info(config[k]) end)", map[string]any{"zone": "x"}, ""},
		{"handed on", "local c = config\nchert.on('message.received', function() log.info(c.zone) end)", map[string]any{"zone": "x"}, ""},
		{"through _G", "chert.on('message.received', function() log.info(_G.config.zone) end)", map[string]any{"zone": "x"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, map[string]string{"codes.lua": tt.src})
			_, diags := loadDir(dir, Options{Packs: map[string]PackOptions{"codes": {Config: tt.config, Places: at}}})
			if diags.Errors() || tt.want == "" && len(diags) > 0 || !strings.Contains(diags.Error(), tt.want) {
				t.Errorf("got\n%s\nwant\n%s", diags.Error(), tt.want)
			}
		})
	}
	dir := tree(t, map[string]string{"codes.lua": version("v1"), "vip.lua": version("v1")})
	o := Options{Packs: map[string]PackOptions{"code": {Places: at}}}
	want := "etc/c.yaml:4:5: warning: rules.packs names \"code\", but there is no such pack [CF008]\n  hint: did you mean \"codes\"?"
	if diags := Load([]string{dir}, o).Diagnostics; diags.Error() != want {
		t.Errorf("of a folder\ngot  %s\nwant %s", diags.Error(), want)
	}
	if diags := Load([]string{filepath.Join(dir, "vip.lua")}, o).Diagnostics; len(diags) > 0 {
		t.Errorf("of one pack: %s", diags.Error())
	}
	for name, hint := range map[string]string{
		"vip.lua": "did you mean \"vip\"?", "vip.LUA": "did you mean \"vip\"?", "vpi.lua": "a file vpi.lua or a folder vpi in rules.dir", "other": "a file other.lua or a folder other in rules.dir",
	} {
		o := Options{Packs: map[string]PackOptions{name: {Places: at}}}
		if diags := Load([]string{dir}, o).Diagnostics; len(diags) != 1 || !strings.Contains(diags[0].Hint, hint) {
			t.Errorf("%s: got %s, want the hint %s", name, diags.Error(), hint)
		}
	}
}

// A pack without rules does not load: an edit that leaves none is a mishap.
func TestPackWithoutRulesDoesNotLoad(t *testing.T) {
	t.Parallel()
	for _, src := range []string{"", "-- nothing yet", "local x = 1\nlog.info('loaded')"} {
		s, diags := loadDir(tree(t, map[string]string{"codes.lua": src}), Options{})
		want := "error: pack \"codes\" has no rules that subscribe to events, so it would never run\n  hint: to switch it off: chertd mode codes off"
		if s != nil || len(diags) != 1 || !strings.Contains(diags[0].String(), want) {
			t.Errorf("%q: got %v, want %s", src, diags, want)
		}
	}
}

func TestPackUsesItsFiles(t *testing.T) {
	t.Parallel()
	s := mustLoad(t, Options{Packs: map[string]PackOptions{"vip": {Config: map[string]any{"digits": 4}}}}, map[string]string{
		"vip/pack.yaml":       "{name: vip, config: {digits: 6, greeting: hello, days: [Mon]}}",
		"vip/lib/phones.lua":  `return { prefix = "+1" }`,
		"vip/lib/deep/er.lua": `return require("phones").prefix .. "415"`,
		"vip/data/vips.yaml":  "- +14155551234",
		"vip/data/words.txt":  "stop\nquit",
		"vip/data/rows.csv":   "name,phone\nAnn,+1415",
		"vip/10.lua":          `shared = require("deep.er")`,
		"vip/20.lua": `
			local vips, words, rows = data.load("vips"), data.load("words"), data.load("rows")
			chert.on("message.received", function(ev)
				log.info(table.concat({ shared, config.digits, config.greeting, config.days[1], vips[1], tostring(words.stop), tostring(words.go), rows[1].phone }, " "))
			end)`,
		"other.lua": `chert.on("message.received", function(ev) log.info(tostring(pcall(function() return shared end))) end)`,
	})
	expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon}), `
		other/other#1: info(false)
		vip/20#1: info(+1415 4 hello Mon +14155551234 true nil +1415)`)
}

func TestLoadCarriesOver(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev) end)`
	dir := tree(t, map[string]string{"a.lua": rule, "b.lua": rule, "c/x.lua": rule, "c/spec/x_spec.lua": "-- one", "c/data/d.txt": "x"})
	o := Options{Shards: 2}
	load := func(previous *Set) *Set {
		t.Helper()
		s, diags := loadOver(dir, o, previous)
		if s == nil {
			t.Fatal(diags)
		}
		return s
	}
	first := load(nil)
	first.Run(1, Input{Event: message("x"), Now: noon})
	vm := first.Pack("a").vms[1]
	if vm == nil {
		t.Fatal("shard 1 has no VM after an event")
	}

	write(t, filepath.Join(dir, "b.lua"), rule+"\n-- edited")
	second := load(first)
	if second.Pack("a") != first.Pack("a") || second.Pack("a").vms[1] != vm || second.Pack("c") != first.Pack("c") {
		t.Error("packs that did not change were loaded again")
	}
	if second.Pack("b").Version == first.Pack("b").Version || second.Content() == first.Content() {
		t.Error("the edited pack has the version it had")
	}

	write(t, filepath.Join(dir, "c", "spec", "x_spec.lua"), "-- two")
	third := load(second)
	c := third.Pack("c")
	if c.Version != first.Pack("c").Version || &c.vms[0] != &first.Pack("c").vms[0] {
		t.Error("an edited spec made another version, or lost the VMs")
	}
	if i := slices.IndexFunc(c.Files, func(f File) bool { return f.Kind == SpecFile }); string(c.Files[i].Bytes) != "-- two\n" {
		t.Errorf("the spec is %q", c.Files[i].Bytes)
	}

	write(t, filepath.Join(dir, "c", "data", "d.txt"), "y")
	if load(third).Pack("c").Version == c.Version {
		t.Error("edited data made no other version")
	}
	o.Limits = luabind.Limits{Steps: 500}
	if again := load(third); again.Pack("a") == third.Pack("a") || again.Pack("a").Version != third.Pack("a").Version {
		t.Error("other limits must make new VMs of the same version")
	}

	write(t, filepath.Join(dir, "b.lua"), "broken(")
	r := Load([]string{dir}, o)
	var got []string
	for _, p := range r.Packs {
		got = append(got, p.Name+" "+strconv.FormatBool(p.Pack != nil))
	}
	if want := []string{"a true", "b false", "c true"}; !slices.Equal(got, want) || !r.Diagnostics.Errors() {
		t.Errorf("one pack is broken: loaded %q, want %q", got, want)
	}
	if s, _ := r.Set(); s != nil {
		t.Error("a set with a broken pack loads")
	}
}

func TestLoadReadsEachPackOnce(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev) end)`
	dir := tree(t, map[string]string{"a.lua": rule, "b.lua": rule})
	s, diags := Load([]string{filepath.Join(dir, "b.lua"), dir}, Options{}).Set()
	if s == nil || len(s.Packs()) != 2 {
		t.Errorf("a file and its folder: %v", diags)
	}
}

// Load reports the problems of each of several paths, and loads nothing.
func TestLoadReportsEachPath(t *testing.T) {
	t.Parallel()
	const rule = `chert.on("message.received", function(ev) end)`
	dir := tree(t, map[string]string{"a.lua": rule, "b.lua": "x =", "notes.txt": "", "none/README.md": "", "codes.lua": rule, "codes copy.lua": rule})
	for _, tt := range []struct {
		paths []string
		want  []string
	}{
		{[]string{"a.lua"}, nil},
		{[]string{"gone.lua"}, []string{"gone.lua: error: no such file or folder"}},
		{[]string{"a.lua", "gone.lua"}, []string{"gone.lua: error: no such file or folder"}},
		{[]string{"notes.txt", "gone.lua", "a.lua"}, []string{"notes.txt: error: it is neither a folder nor a .lua file", "gone.lua: error:"}},
		{[]string{"none"}, []string{"none: error: there are no rules in this folder"}},
		{[]string{"gone.lua", "b.lua"}, []string{"gone.lua: error:", "b.lua:1"}},
	} {
		var paths []string
		for _, p := range tt.paths {
			paths = append(paths, filepath.Join(dir, p))
		}
		set, diags := Load(paths, Options{}).Set()
		var got []string
		for _, d := range diags {
			got = append(got, strings.ReplaceAll(d.String(), dir+"/", ""))
		}
		ok := len(got) == len(tt.want) && (set == nil) == (len(tt.want) > 0)
		for i := range min(len(got), len(tt.want)) {
			ok = ok && strings.HasPrefix(got[i], tt.want[i])
		}
		if !ok {
			t.Errorf("%q: loads: %t, %q; want %q", tt.paths, set != nil, got, tt.want)
		}
	}
}

// A pack's files as they are kept are found as they were read, whatever its path.
func TestStoredFilesLoadAsTheyWereRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path, files string
		folder      bool
		want        string // paths
	}{
		{"rules/codes.lua", "codes.lua codes_spec.lua", false, "rules/codes.lua rules/codes_spec.lua"},
		{"rules/vip", "10.lua lib/x.lua spec/a_spec.lua", true, "rules/vip/10.lua rules/vip/lib/x.lua rules/vip/spec/a_spec.lua"},
		{"rules/vip", "vip.lua", true, "rules/vip/vip.lua"},
		{"rules/vip.lua", "10.lua", true, "rules/vip.lua/10.lua"},
		{"rules/vip.lua", "lib/vip.lua 10.lua", true, "rules/vip.lua/lib/vip.lua rules/vip.lua/10.lua"},
	} {
		var files []File
		for _, name := range strings.Fields(tt.files) {
			f := File{Name: name, Kind: RuleFile}
			if dir, _, ok := strings.Cut(name, "/"); ok && dir == "lib" {
				f.Kind = LibFile
			} else if strings.HasSuffix(name, "_spec.lua") {
				f.Kind = SpecFile
			}
			files = append(files, f)
		}
		src := sourceOf("x", tt.path, files)
		var paths []string
		for _, f := range src.files {
			paths = append(paths, f.Path)
		}
		if got := strings.Join(paths, " "); got != tt.want || src.folder != tt.folder || src.name != "x" || src.path != tt.path || files[0].Path != "" {
			t.Errorf("%s with %s: folder: %t, %s; want %t, %s", tt.path, tt.files, src.folder, got, tt.folder, tt.want)
		}
	}
}

func TestLoadWithoutConfigurationGrantsPermissions(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"x.lua": `chert.on("message.received", function(ev) chert.typing(ev.chat.id, "typing") end)`, "pack.yaml": "{name: bot, permissions: [typing]}"})
	s, diags := Load([]string{dir}, Options{}).Set()
	if s == nil {
		t.Fatal(diags)
	}
	expectSaid(t, s.Run(0, Input{Event: message("x"), Now: noon}), "bot/x#1: typing")
	if s, _ := Load([]string{dir}, Options{Packs: map[string]PackOptions{}}).Set(); s != nil {
		t.Error("it loads although the operator has granted nothing")
	}
}

func TestCanVeto(t *testing.T) {
	t.Parallel()
	const on = `chert.on("message.received", function(ev) %s end)`
	with := func(body string) string { return strings.Replace(on, "%s", body, 1) }
	s := mustLoad(t, Options{}, map[string]string{
		"plain.lua":        with(""),
		"veto.lua":         with(`chert.keep_unread(ev.chat.id)`),
		"hold.lua":         with(`chert.hold(ev.chat.id, "1d")`),
		"lib/x.lua":        with(""),
		"lib/lib/y.lua":    "return function(id) chert.hold(id, 60) end",
		"open/x.lua":       with(`chert.keep_unread(ev.chat.id)`),
		"open/pack.yaml":   "failure_policy: fail_open",
		"closed/x.lua":     with(""),
		"closed/pack.yaml": "failure_policy: fail_closed",
		"words.lua":        "-- nobody should hold the line\n" + with(""),
	})
	want := map[string]bool{"plain": false, "veto": true, "hold": true, "lib": true, "open": false, "closed": true, "words": false}
	for _, p := range s.Packs() {
		if p.CanVeto != want[p.Name] {
			t.Errorf("pack %s: CanVeto is %t, want %t", p.Name, p.CanVeto, want[p.Name])
		}
	}
}
