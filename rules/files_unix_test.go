//go:build unix

package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestReadFolderRefuses(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.lua": ""})
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe.lua"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "big.lua"), make([]byte, maxFileSize+1), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "large.lua"), make([]byte, maxFileSize), 0o600))
	want := []string{"a: rules a.lua", "large: rules large.lua",
		"DIR/big.lua: error: it can't be read: it is larger than 8 MiB",
		"DIR/pipe.lua: error: it can't be read: it is not a regular file"}
	if got := listing(dir, readFolder(dir)); !slices.Equal(got, want) {
		t.Errorf("read:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "nowhere"):  "error: no such file or folder",
		filepath.Join(dir, "a.lua"):    "error: it is not a folder",
		filepath.Join(dir, "pipe.lua"): "error: it is not a folder",
	} {
		if r := readFolder(path); len(r.diags) != 1 || !strings.Contains(r.diags[0].String(), want) {
			t.Errorf("read %s: got %v, want %q", path, r.diags, want)
		}
	}
}
