package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// settingsInUse warns about a daemon that uses other settings than the file that is
// checked. The daemon compares them itself: it has the values of its environment, and no
// secret leaves it.
func (k *checkup) settingsInUse(ctx context.Context, r *result) {
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	s, err := control.Dial(k.path).SettingsInUse(ctx)
	if err != nil {
		return // an earlier version, which another finding names, or the daemon is about to stop
	}
	file := absolute(k.c.File)
	if !sameFile(s.File, file) {
		r.warn(fmt.Sprintf("the daemon uses the configuration %s, and this checkup is about %s%s", s.File, file, differences(s.File, file)),
			"check what the daemon uses: chertd doctor -c "+diag.ShellWord(s.File)+"\nor restart the daemon with this file: "+k.command("run"))
		return
	}
	if s.Error != "" && !k.faults.Errors() {
		r.warn("the daemon can't reload "+s.File+" as it is now, and keeps its settings: "+s.Error, "correct it, and run: "+k.daemonCommand("reload --settings"))
	}
	if len(s.NotReloaded) > 0 {
		r.warn(fmt.Sprintf("%s was changed, and the daemon has not reloaded it: %s", s.File, strings.Join(s.NotReloaded, ", ")), k.daemonCommand("reload --settings"))
	}
	if len(s.NeedsRestart) > 0 {
		r.warn(fmt.Sprintf("%s was changed, and the daemon has not been restarted since: %s", s.File, strings.Join(s.NeedsRestart, ", ")), "restart the daemon (systemctl restart chertd): a reload does not apply these settings")
	}
}

// differences names the settings in which two files differ, if both can be read here.
// Relative paths within them count from their folders, so the paths must be absolute.
func differences(a, b string) string {
	var both []*Config
	for _, file := range []string{a, b} {
		text, err := readConfig(file)
		if err != nil {
			return ""
		}
		c, faults := parseConfig(file, text, os.LookupEnv, use{})
		if c == nil || faults.Errors() {
			return ""
		}
		both = append(both, c)
	}
	if keys := changedKeys(both[0], both[1]); len(keys) > 0 {
		return "; they differ in " + strings.Join(keys, ", ")
	}
	return ""
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
