package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"chertd/engine/store/sqlite"
)

// A store that no restart mends ends run with 78, so that no service manager
// tries again, and with what to do.
func TestStartOnUnusableStoreIsAnErrorOfConfiguration(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"damaged":   &sqlite.CorruptError{Path: "/data/chertd.db", Err: errors.New("malformed")},
		"without":   &sqlite.MissingError{Path: "/data/chertd.db"},
		"no access": &sqlite.UnusableError{Path: "/data/chertd.db", Err: errors.New("denied")},
	} {
		var text strings.Builder
		if code := report(&text, startError(fmt.Errorf("read the switch paused: %w", err))); code != exitConfig {
			t.Errorf("%s: exit code %d, want %d", name, code, exitConfig)
		}
		if name == "damaged" && !strings.Contains(text.String(), "hint: stop chertd and restore a backup; sqlite3 /data/chertd.db") {
			t.Errorf("%s: no fix in %s", name, text.String())
		}
	}
}
