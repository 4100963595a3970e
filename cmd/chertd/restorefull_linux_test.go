package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A restore for which the disk has no room names the disk and how much is needed, and leaves
// the store as it is.
func TestRestoreOnAFullDisk(t *testing.T) {
	t.Parallel()
	disk := newSmallDisk(t, "2m")
	disk.start(t)
	if text, code := disk.do("chertd store backup b.db -c chertd.yaml"); code != 0 {
		t.Fatal(text)
	}
	disk.do("kill $daemon; wait $daemon; cp data/chertd.db before")
	for name, fill := range map[string]string{
		"the copy does not fit": "head -c 200000 /dev/zero >data/gap; cat /dev/zero >data/ballast; rm data/gap",
		"nothing fits":          "cat /dev/zero >>data/ballast; cat /dev/zero >>data/ballast",
	} {
		disk.do(fill)
		text, code := disk.do("chertd store restore b.db -c chertd.yaml")
		if code != 1 || !strings.Contains(text, "hint: make room on the disk of "+filepath.Join(disk.dir, "data")+": the copy takes 1 MiB besides the replaced store; nothing was changed") {
			t.Errorf("%s: exit %d: %s", name, code, text)
		}
		if text, code := disk.do("cmp before data/chertd.db && ! ls data/*restor*"); code != 0 {
			t.Errorf("%s: the store was changed: %s", name, text)
		}
		disk.do("rm -f data/ballast")
	}
	if text, code := disk.do("chertd store restore b.db -c chertd.yaml"); code != 0 {
		t.Errorf("with room again: %s", text)
	}
	if _, err := os.Stat(filepath.Join(disk.dir, "before")); err != nil {
		t.Error(err)
	}
}
