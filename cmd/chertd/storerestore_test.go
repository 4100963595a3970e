package main

import (
	"strings"
	"testing"
	"time"

	"chertd/engine/store/sqlite"
)

// TestRestoreSaysHowLongCallsWait: calls wait for the events log only for as long as the
// configuration has it, and a short wait is a warning.
func TestRestoreSaysHowLongCallsWait(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		wait          time.Duration
		paused        bool
		want, without string
	}{
		{5 * time.Minute, false, "for up to sources.catchup.wait, 5m", "warning"},
		{30 * time.Second, false, "warning: sources.catchup.wait is only 30s", "do not wait"},
		{0, false, "warning: sources.catchup.wait is 0s: calls do not wait", "and calls wait"},
		{0, true, "calls are paused", "warning"},
	} {
		c := &Config{}
		c.Sources.Catchup = CatchupConfig{Enabled: true, Wait: test.wait}
		r := sqlite.Restored{From: "b.db", Kept: "old.db", LogRead: time.Unix(1_767_225_600, 0), Paused: test.paused}
		got := strings.Join(restoreWords(r, c), "\n")
		if !strings.Contains(got, test.want) || strings.Contains(got, test.without) {
			t.Errorf("wait %v: %s", test.wait, got)
		}
	}
	unread := strings.Join(restoreWords(sqlite.Restored{Paused: true, Unread: "it is empty", Kept: "old.db"}, nil), "\n")
	if !strings.Contains(unread, "it is unknown whether calls were paused: they are now; chertd resume lets them go out") {
		t.Error(unread)
	}
}
