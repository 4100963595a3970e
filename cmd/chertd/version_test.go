package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestVersionShowsBuildDetails(t *testing.T) {
	t.Parallel()
	build := " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for _, test := range []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"nothing", nil, "chertd (devel)" + build},
		{"a release", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.0"}}, "chertd v1.2.0" + build},
		{"a checkout", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
			setting("vcs.revision", "0123456789abcdef"), setting("vcs.time", "2026-01-05T12:00:00Z"), setting("vcs.modified", "true"),
		}}, "chertd (devel) (0123456789ab, 2026-01-05T12:00:00Z, modified)" + build},
		{"a clean one", &debug.BuildInfo{Settings: []debug.BuildSetting{setting("vcs.revision", "abc"), setting("vcs.modified", "false")}}, "chertd (devel) (abc)" + build},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := versionLine(test.info); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
