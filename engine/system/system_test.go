package system

import (
	"errors"
	"io"
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

// A temporary file can be written and read again, and is gone once it is closed.
func TestTempFileIsGoneOnceItIsClosed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(TempVariable, dir)
	f, err := TempFile("chertd-")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("text"); err != nil {
		t.Error(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	if text, err := io.ReadAll(f); err != nil || string(text) != "text" {
		t.Errorf("read %q: %v", text, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left: %v", left, err)
	}
	t.Setenv(TempVariable, filepath.Join(dir, "missing"))
	if f, err := TempFile("chertd-"); err == nil {
		f.Close()
		t.Error("a folder that is missing has a temporary file")
	}
}
