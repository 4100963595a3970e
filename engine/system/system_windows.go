package system

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// RunsDaemon is false: nobody has tested on Windows that a store survives a crash.
const RunsDaemon = false

const (
	// NoFollow makes opening a symbolic link fail; Windows has none of these flags.
	NoFollow = 0
	// NonBlock makes opening a pipe or a device not wait.
	NonBlock = 0
)

// Lock locks a file for this process, or returns ErrLocked. It locks a byte that no file has, as
// Windows keeps others from reading what is locked.
func Lock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, beyond())
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}

// Unlock ends a Lock.
func Unlock(f *os.File) { _ = windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, beyond()) }

// TempVariable is the environment variable that names the folder for temporary files.
const TempVariable = "TMP"

// TempFile returns a new file that exists until it is closed, however the process ends. Windows
// removes no file that is open.
func TempFile(prefix string) (*os.File, error) {
	path := filepath.Join(os.TempDir(), prefix+rand.Text())
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|windows.O_FILE_FLAG_DELETE_ON_CLOSE, 0o600)
}

// beyond is the place of the byte that Lock locks.
func beyond() *windows.Overlapped { return &windows.Overlapped{OffsetHigh: 1 << 30} }

// SyncFolder does nothing: Windows keeps a journal of names and has no call to flush a folder.
func SyncFolder(string) error { return nil }

// Ended reports whether there is certainly no process with an id.
func Ended(pid int) bool {
	p, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return errors.Is(err, windows.ERROR_INVALID_PARAMETER)
	}
	defer windows.CloseHandle(p)
	var code uint32
	return windows.GetExitCodeProcess(p, &code) == nil && code != stillActive
}

// stillActive is the exit code of a process that runs (STILL_ACTIVE).
const stillActive = 259

// MakePrivate does nothing: a file has the permissions of its folder.
func MakePrivate(uintptr) {}

// OwnerOf returns who owns a file; ok is false if the system does not say it.
func OwnerOf(fs.FileInfo) (o Owner, ok bool) { return o, false }

// May returns why this process may not access a path; nil: it may, as far as is known.
func May(path string, _ Access) error {
	_, err := os.Stat(path)
	return err
}

// OpenFiles returns how many files this process may open; 0: not known.
func OpenFiles() uint64 { return 0 }

// DiskOf returns the file system of a folder.
func DiskOf(dir string) (Disk, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return Disk{}, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return Disk{}, err
	}
	return Disk{Free: int64(min(free, 1<<62))}, nil
}
