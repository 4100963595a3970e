package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"chertd/engine/store/sqlite"
)

// What is wrong with the store's files, wherever the start finds it, exits 78 with
// its fix: to start again does not help.
func TestDamagedStoreIsNotStartedAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		hint string
	}{
		{&sqlite.CorruptError{Path: "/data/chertd.db", Err: errors.New("malformed")}, "sqlite3 /data/chertd.db 'PRAGMA integrity_check'"},
		{&sqlite.MissingError{Path: "/data/chertd.db"}, "restore a backup"},
		{&sqlite.LostError{Path: "/data/chertd.db", What: "it is gone"}, "restore a backup"},
		{&sqlite.UnusableError{Path: "/data/chertd.db", Err: fs.ErrPermission}, ""},
	} {
		c := Config{File: "chertd.yaml"}
		err := c.startError(fmt.Errorf("read the versions of pack %q: %w", "codes", tc.err))
		var out bytes.Buffer
		if code := report(&out, err); code != exitConfig || !strings.Contains(out.String(), tc.hint) {
			t.Errorf("%T exits %d with %s", tc.err, code, &out)
		}
	}
}
