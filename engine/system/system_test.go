package system

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// One of two that open a file has its lock, until it gives it back or closes the file.
func TestOneHasTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, second := open(t, path), open(t, path)
	if err := Lock(first); err != nil {
		t.Fatal(err)
	}
	if err := Lock(second); !errors.Is(err, ErrLocked) {
		t.Errorf("a second lock: %v", err)
	}
	Unlock(first)
	if err := Lock(second); err != nil {
		t.Errorf("after Unlock: %v", err)
	}
	second.Close()
	if err := Lock(first); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestWhatIsKnownOfTheSystem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if Ended(os.Getpid()) {
		t.Error("this process has ended")
	}
	if disk, err := DiskOf(dir); err != nil || disk.Free <= 0 {
		t.Errorf("the disk is %+v, %v", disk, err)
	}
	if _, err := DiskOf(filepath.Join(dir, "nosuch")); err == nil {
		t.Error("there is a disk of no folder")
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if of, ok := OwnerOf(info); ok && of.User != os.Geteuid() {
		t.Errorf("the owner is %+v", of)
	}
	if err := May(dir, CreateIn); err != nil {
		t.Errorf("a new folder can't be written to: %v", err)
	}
	if err := May(filepath.Join(dir, "nosuch"), ReadWrite); err == nil {
		t.Error("a file that is not there can be read")
	}
}
