package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"chertd/engine/store/sqlite"
)

func TestVersionShowsBuildDetails(t *testing.T) {
	t.Parallel()
	end := " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	recorded := []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef"), setting("vcs.time", "2026-01-05T12:00:00Z"), setting("vcs.modified", "true")}
	for _, test := range []struct {
		name   string
		info   *debug.BuildInfo
		linked build
		want   string
		commit string
	}{
		{"nothing", nil, build{}, "chertd (devel)" + end, "unknown: it was built outside of a git checkout, or with -buildvcs=false"},
		{"a release", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.0"}}, build{}, "chertd v1.2.0" + end, "unknown: it was built outside of a git checkout, or with -buildvcs=false"},
		{"a checkout", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: recorded}, build{},
			"chertd (devel) (0123456789ab, 2026-01-05T12:00:00Z, modified)" + end, "0123456789abcdef, 2026-01-05T12:00:00Z, modified"},
		{"a clean one", &debug.BuildInfo{Settings: []debug.BuildSetting{setting("vcs.revision", "abc"), setting("vcs.modified", "false")}}, build{}, "chertd (devel) (abc)" + end, "abc"},
		{"a source archive", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, build{Version: "v1.2.0", Commit: "fedcba98765432", CommitTime: "2026-02-01T00:00:00Z"},
			"chertd v1.2.0 (fedcba987654, 2026-02-01T00:00:00Z)" + end, "fedcba98765432, 2026-02-01T00:00:00Z"},
		{"a release of a checkout", &debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-2026"}, Settings: recorded}, build{Version: "v1.2.0", Commit: "other", CommitTime: "other"},
			"chertd v1.2.0 (0123456789ab, 2026-01-05T12:00:00Z, modified)" + end, "0123456789abcdef, 2026-01-05T12:00:00Z, modified"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := buildOf(test.info, test.linked)
			if got := b.line(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			var out bytes.Buffer
			if err := b.print(&out); err != nil {
				t.Fatal(err)
			}
			first, rest, _ := strings.Cut(out.String(), "\n")
			if first != test.want {
				t.Errorf("the first line is %q, want %q", first, test.want)
			}
			if want := "  commit      " + test.commit + "\n"; !strings.HasPrefix(rest, want) {
				t.Errorf("got %q, want it to begin with %q", rest, want)
			}
		})
	}
}

// The versions that matter to operations are those of what is linked in.
func TestVersionShowsWhatIsLinkedIn(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{Deps: []*debug.Module{{Path: "github.com/other", Version: "v9.9.9"}, {Path: "github.com/yuin/gopher-lua", Version: "v1.1.2"}}}
	var out bytes.Buffer
	if err := buildOf(info, build{}).print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("  store       schema %[1]d; opens 1 to %[1]d, and upgrades older ones\n", sqlite.Schema()),
		"  SQLite      " + sqlite.Library + "\n", "  gopher-lua  v1.1.2\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwithout %q", out.String(), want)
		}
	}
}

// What --json prints is in the manual, also what this build does not know.
func TestJSONOfVersionIsDocumented(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	if code := execute([]string{"version", "--json"}, strings.NewReader(""), &out, &errs); code != exitOK {
		t.Fatal(errs.String())
	}
	var got, all any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(everything[build]())
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	printed, every := map[string]bool{}, map[string]bool{}
	fields(got, "", printed)
	fields(all, "", every)
	documented := documentedFields(t)["chertd version"]
	compareFields(t, "chertd version", every, documented)
	for name := range printed {
		if !documented[name] {
			t.Errorf("it prints %s", name)
		}
	}
	if missing := slices.DeleteFunc([]string{"version", "go", "os", "arch", "store.schema", "sqlite"}, func(name string) bool { return printed[name] }); len(missing) > 0 {
		t.Errorf("it does not print %v: %s", missing, out.String())
	}
}
