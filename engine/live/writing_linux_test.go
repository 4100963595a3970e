package live

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBeingWritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "codes.lua")
	write(t, path, "-- one")
	expect := func(when string, want bool) {
		t.Helper()
		for range 2 { // asking changes nothing
			if got := beingWritten(path); got != want {
				t.Errorf("%s: being written: %t, want %t", when, got, want)
			}
		}
	}
	expect("nobody has it", false)
	reading, err := os.Open(path)
	must(t, err)
	defer reading.Close()
	expect("somebody reads it", false)
	for _, how := range []int{os.O_WRONLY, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_APPEND} {
		f, err := os.OpenFile(path, how, 0)
		must(t, err)
		expect("somebody writes it", true)
		must(t, f.Close())
		expect("it is closed", false)
	}
	must(t, os.Symlink("codes.lua", filepath.Join(filepath.Dir(path), "link.lua")))
	path = filepath.Join(filepath.Dir(path), "link.lua")
	expect("a link", false)
	path = "nowhere"
	expect("no file", false)
}
