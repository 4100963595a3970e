package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"
)

// NoRoomError says that the store can't be opened because its disk is full. It
// may be tried again.
type NoRoomError struct {
	Path string // of the database
	Err  error
}

func (e *NoRoomError) Error() string { return e.Err.Error() }
func (e *NoRoomError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *NoRoomError) Hint() string {
	return "make room on the disk of " + filepath.Dir(e.Path) + "; chertd tries again every second"
}

// UnusableError says that what stands at the store's path can't be used as it
// is: to start again does not help.
type UnusableError struct {
	Path string // of the database
	Err  error

	hint string
}

func (e *UnusableError) Error() string { return e.Err.Error() }
func (e *UnusableError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *UnusableError) Hint() string { return e.hint }

// roomToOpen is how much room a full disk may have left, in bytes: SQLite does
// not say "full" where it fails to make its shared memory or WAL.
const roomToOpen = 1 << 20

// openError says of an error of Open what is to be done about it.
func openError(path string, err error) error {
	dir := filepath.Dir(path)
	unusable := func(format string, args ...any) error {
		return &UnusableError{path, err, fmt.Sprintf(format, args...)}
	}
	code := sqliteCode(err)
	unclear := code == sqlite3.SQLITE_IOERR || code == sqlite3.SQLITE_CANTOPEN
	switch {
	case code == sqlite3.SQLITE_FULL, errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), unclear && room(dir) < roomToOpen:
		return &NoRoomError{path, err}
	case code == sqlite3.SQLITE_READONLY, code == sqlite3.SQLITE_CANTOPEN, errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return unusable("chertd must be able to write %s and its folder: look at their owner and mode, and at whether the disk is mounted read-only", path)
	case errors.As(err, new(*TablesError)):
		return unusable("restore a backup, or set store.url to another file")
	case damaged(err):
		return unusable("it is no database, or a damaged one: restore a backup, or set store.url to another file")
	}
	return err
}

// room is how many bytes the disk of a folder has left; a lot if it can't be known.
func room(dir string) uint64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 1 << 62
	}
	return st.Bavail * uint64(st.Bsize)
}
