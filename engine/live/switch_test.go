package live

import (
	"strings"
	"testing"
)

// TestModesForATime plays sessions with modes that have an end. What returns is what was in
// force without an end before.
func TestModesForATime(t *testing.T) {
	t.Parallel()
	type line struct{ do, want string }
	for name, story := range map[string][]line{
		"off for an hour": {
			{"edit v1", "v1"},
			{"mode off for 1h", "v1; off (command); off for 1h0m0s, then live; dropped: off"},
			{"wait 30m", "v1; off (command); off for 30m0s, then live"},
			{"wait 30m", "v1; logged: a mode for a time ended"},
			{"wait 1h", "v1"},
		},
		"off for an hour over an earlier shadow": {
			{"edit v1", "v1"},
			{"mode shadow", "v1; shadow (command); dropped: shadow"},
			{"mode off for 1h", "v1; off (command); off for 1h0m0s, then shadow; dropped: off"},
			{"wait 1h", "v1; shadow (command); logged: a mode for a time ended; dropped: shadow"},
		},
		"a second time replaces the first, and not what is under it": {
			{"edit v1", "v1"},
			{"mode shadow", "v1; shadow (command); dropped: shadow"},
			{"mode off for 1h", "v1; off (command); off for 1h0m0s, then shadow; dropped: off"},
			{"mode live for 2h", "v1; live for 2h0m0s, then shadow"},
			{"wait 1h", "v1; live for 1h0m0s, then shadow"},
			{"wait 1h", "v1; shadow (command); logged: a mode for a time ended; dropped: shadow"},
		},
		"a mode without an end ends one with": {
			{"edit v1", "v1"},
			{"mode off for 1h", "v1; off (command); off for 1h0m0s, then live; dropped: off"},
			{"mode shadow", "v1; shadow (command); dropped: shadow"},
			{"wait 2h", "v1; shadow (command)"},
		},
		"a reset takes back both": {
			{"edit v1", "v1"},
			{"mode shadow", "v1; shadow (command); dropped: shadow"},
			{"mode off for 1h", "v1; off (command); off for 1h0m0s, then shadow; dropped: off"},
			{"mode reset", "v1"},
			{"wait 2h", "v1"},
		},
		"the end survives a restart, and passes while the process is down": {
			{"edit v1", "v1"},
			{"mode off for 1h", "v1; off (command); off for 1h0m0s, then live; dropped: off"},
			{"restart", "v1; off (command); off for 1h0m0s, then live; dropped: off"},
			{"down 2h", "v1; logged: a mode for a time ended; dropped: off"},
		},
		"a limit of reads ends a time in which the pack is live": {
			{"edit v1", "v1"},
			{"mode live for 1h", "v1; live for 1h0m0s, then live"},
			{"limit", "v1; shadow (more than 3 reads in 10m); logged: a mode for a time ended: the pack has reached its limit of reads; dropped: shadow"},
			{"wait 2h", "v1; shadow (more than 3 reads in 10m)"},
		},
		"a limit of reads brings back the mode under the time": {
			{"edit v1", "v1"},
			{"mode off", "v1; off (command); dropped: off"},
			{"mode live for 1h", "v1; live for 1h0m0s, then off"},
			{"limit", "v1; off (command); logged: a mode for a time ended: the pack has reached its limit of reads; dropped: off"},
		},
		"a full disk delays the end": {
			{"edit v1", "v1"},
			{"mode off for 1h", "v1; off (command); off for 1h0m0s, then live; dropped: off"},
			{"disk-full", "v1; off (command); off for 1h0m0s, then live"},
			{"wait 1h", "v1; logged: a mode for a time ended"},
		},
		"a rule is off for a time over an earlier shadow": {
			{"edit v1", "v1"},
			{"rule shadow", "v1; r shadow; logged: the mode of a rule changed; dropped: rule r shadow"},
			{"rule off for 1h", "v1; r off for 1h0m0s, then shadow; logged: the mode of a rule changed; dropped: rule r off"},
			{"edit v2", "v2; r off for 1h0m0s, then shadow; on trial"},
			{"restart", "v2; r off for 1h0m0s, then shadow; on trial; dropped: rule r off"},
			{"wait 1h", "v2; r shadow; on trial; logged: a mode for a time ended; dropped: rule r shadow"},
			{"rule live", "v2; on trial; logged: the mode of a rule changed"},
		},
		"a rule is live for a time": {
			{"edit v1", "v1"},
			{"rule live for 1h", "v1; r live for 1h0m0s, then live; logged: the mode of a rule changed"},
			{"wait 1h", "v1; logged: a mode for a time ended"},
		},
		"the modes of rules outlive the files, and no removal by command": {
			{"edit v1", "v1"},
			{"rule off", "v1; r off; logged: the mode of a rule changed; dropped: rule r off"},
			{"delete", "v1; r off; its files are gone; looks again in 2s"},
			{"wait 3s", "none; r off; its files are gone; logged: removed; dropped: removed"},
			{"edit v1", "v1; r off"},
			{"alone", "v1; r off"},
			{"delete", "v1; r off; its files are gone; logged: kept"},
			{"remove", "none; its files are gone; logged: removed by command; dropped: removed"},
			{"edit v1", "v1"},
		},
		"both end at the same time": {
			{"edit v1", "v1"},
			{"rule off for 1h", "v1; r off for 1h0m0s, then live; logged: the mode of a rule changed; dropped: rule r off"},
			{"mode shadow for 1h", "v1; shadow (command); shadow for 1h0m0s, then live; r off for 1h0m0s, then live; dropped: shadow"},
			{"wait 1h", "v1; logged: a mode for a time ended, a mode for a time ended"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLife(false)
			var played []string
			for _, line := range story {
				l.act(t, line.do)
				got := l.stands()
				played = append(played, line.do+": "+got)
				if l.wrong != "" || got != line.want {
					t.Fatalf("%s\n got %s\nwant %s\n  %s", l.wrong, got, line.want, strings.Join(played, "\n  "))
				}
			}
		})
	}
}
