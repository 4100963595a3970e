//go:build unix

package system

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// RunsDaemon is whether the daemon is supported on this system.
const RunsDaemon = true

const (
	// NoFollow makes opening a symbolic link fail.
	NoFollow = syscall.O_NOFOLLOW
	// NonBlock makes opening a pipe or a device not wait.
	NonBlock = syscall.O_NONBLOCK
)

// Lock locks a file for this process, or returns ErrLocked.
func Lock(f *os.File) error {
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrLocked
		default:
			return err
		}
	}
}

// Unlock ends a Lock.
func Unlock(f *os.File) { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }

// TempVariable is the environment variable that names the folder for temporary files.
const TempVariable = "TMPDIR"

// TempFile returns a new file that exists until it is closed, however the process ends.
func TempFile(prefix string) (*os.File, error) {
	f, err := os.CreateTemp("", prefix)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// SyncFolder makes the names of files durable that were created, renamed or removed in a folder.
func SyncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Ended reports whether there is certainly no process with an id.
func Ended(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// MakePrivate gives the file of a descriptor the mode 0600, where the system can do it before the
// file has a name.
func MakePrivate(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) }

// OwnerOf returns who owns a file; ok is false if the system does not say it.
func OwnerOf(info fs.FileInfo) (o Owner, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return o, false
	}
	return Owner{int(st.Uid), int(st.Gid)}, true
}

// May returns why this process may not access a path; nil: it may.
func May(path string, a Access) error {
	if a == CreateIn {
		return unix.Access(path, unix.W_OK|unix.X_OK)
	}
	return unix.Access(path, unix.R_OK|unix.W_OK)
}

// OpenFiles returns how many files this process may open; 0: not known.
func OpenFiles() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return uint64(limit.Cur)
}
