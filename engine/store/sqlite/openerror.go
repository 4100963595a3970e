package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"

	"chertd/engine/system"
	"chertd/luabind/diag"
)

// NoRoomError reports that the store can't be opened because its disk is full. It
// can be opened once there is room.
type NoRoomError struct {
	Path string // of the database
	Err  error
}

func (e *NoRoomError) Error() string { return e.Err.Error() }
func (e *NoRoomError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *NoRoomError) Hint() string {
	return "make room on the disk of " + filepath.Dir(e.Path) + "; chertd tries again every second"
}

// UnusableError reports that the file at the store's path can't be used: a restart
// does not help.
type UnusableError struct {
	Path string // of the database
	Err  error

	hint string
}

func (e *UnusableError) Error() string { return e.Err.Error() }
func (e *UnusableError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *UnusableError) Hint() string { return e.hint }

// OpenError reports that the store can't be opened now. It can once the cause is gone.
type OpenError struct {
	Path string // of the database
	Err  error

	hint string
}

func (e *OpenError) Error() string { return e.Err.Error() }
func (e *OpenError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *OpenError) Hint() string { return e.hint }

var (
	errNotRegular = errors.New("it is not a regular file")
	errBeside     = errors.New("is not a regular file")
	errForeign    = errors.New("it is a SQLite database of another program")
	errNoDatabase = errors.New("it is not a database")
	errEmpty      = errors.New("it is empty")
	errNoWAL      = errors.New("the file system may lack shared memory (a network share?)")
)

// roomToOpen is how many bytes a full disk may have left: SQLite does not report
// SQLITE_FULL where it fails to create its shared memory or WAL. A store that was open when
// the disk got full works again when there is more: an event may have as much.
const roomToOpen = 1 << 20

// openError adds to an error of Open what to do about it.
func openError(path string, err error) error {
	dir := filepath.Dir(path)
	unusable := func(format string, args ...any) error {
		return &UnusableError{path, err, fmt.Sprintf(format, args...)}
	}
	if errors.As(err, new(interface{ Hint() string })) {
		return err
	}
	code := sqliteCode(err)
	unclear := code == sqlite3.SQLITE_IOERR || code == sqlite3.SQLITE_CANTOPEN
	if code == sqlite3.SQLITE_CANTOPEN {
		if files := outOfFiles(); files != nil {
			err = fmt.Errorf("%w: %w", err, files) // SQLite does not give the reason
		}
	}
	switch hint := diag.OpenFilesHint(err); {
	case hint != "":
		return &OpenError{path, err, hint}
	case code == sqlite3.SQLITE_FULL, errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), unclear && room(dir) < roomToOpen:
		return &NoRoomError{path, err}
	case code == sqlite3.SQLITE_READONLY, code == sqlite3.SQLITE_CANTOPEN, errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return unusable("chertd must be able to write %s and its folder: make the user that it runs as their owner (chown -R USER %s), or mount the disk for writing", path, dir)
	case errors.As(err, new(*tablesError)):
		return unusable("set store.url to another file, or %s", restoreWith(path))
	case errors.Is(err, errForeign):
		return unusable("set store.url to a file of its own, such as sqlite:%s", filepath.Join(dir, "chertd.db"))
	case errors.Is(err, errBeside):
		return unusable("move it away: chertd makes it again")
	case errors.Is(err, errNotRegular), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP):
		return unusable("set store.url to the path of a file, such as sqlite:./data/chertd.db")
	case errors.Is(err, errNoWAL):
		return unusable("put the store on a local disk: set store.url to a path there")
	case code == sqlite3.SQLITE_BUSY, code == sqlite3.SQLITE_LOCKED:
		return &OpenError{path, err, "another program has it locked (sqlite3, a backup): end it; fuser " + path + " shows which it is"}
	case damaged(err), errors.Is(err, errNoDatabase):
		return unusable("it is damaged, or not a database: set store.url to another file, or %s", restoreWith(path))
	}
	return &OpenError{path, err, "look at the disk of " + dir + " (dmesg, df); if chertd store check finds damage, " + restoreWith(path)}
}

// filesToOpen is how many files SQLite opens for a connection: the database, its
// WAL, its shared memory, and its folder to sync it.
const filesToOpen = 4

// outOfFiles opens as many files as SQLite does, and returns the error if the
// process or the system has too many open; nil if not.
func outOfFiles() error {
	for range filesToOpen {
		f, err := os.Open(os.DevNull)
		if diag.OpenFilesHint(err) != "" {
			return err
		}
		if err != nil {
			return nil
		}
		defer f.Close()
	}
	return nil
}

// checkRegular returns an error if the database, or a file that belongs to it, is
// not a regular file. It opens none: a named pipe would wait for a writer.
func checkRegular(path string) error {
	for _, beside := range []string{"", "-wal", "-shm", "-journal", ".lock"} {
		info, err := os.Stat(path + beside)
		switch {
		case err != nil: // it is not there, or opening it will fail
		case info.Mode().IsRegular():
		case beside == "":
			return errNotRegular
		default:
			return fmt.Errorf("%s%s %w", filepath.Base(path), beside, errBeside)
		}
	}
	return nil
}

// checkHeader returns an error if the file at path is another program's database, or
// not a database, before anything is changed. The process must not have it open:
// closing a descriptor drops SQLite's locks.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 72)
	n, err := io.ReadFull(f, head)
	switch {
	case n == 0:
		return nil // it is new
	case !bytes.HasPrefix(head[:n], []byte(dbMagic)):
		return errNoDatabase
	case err != nil:
		return nil // it was truncated: SQLite reports that
	}
	// https://sqlite.org/fileformat.html: the size in pages, and the application's id.
	pages, app := binary.BigEndian.Uint32(head[28:]), binary.BigEndian.Uint32(head[68:])
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 && app == 0 {
		return nil // the id may be in there
	}
	if app != application && (app != 0 || pages > 1) {
		return errForeign
	}
	return nil
}

// FreeSpace returns how many bytes the disk of a store has left; negative: that is not known.
func FreeSpace(path string) int64 {
	n := room(filepath.Dir(path))
	if n > math.MaxInt64 || n == unknownRoom {
		return -1
	}
	return int64(n)
}

// unknownRoom is what room returns if it does not know.
const unknownRoom = 1 << 62

// room returns how many bytes the disk of a folder has left; very many if that is
// not known.
func room(dir string) uint64 {
	disk, err := system.DiskOf(dir)
	if err != nil {
		return unknownRoom
	}
	return uint64(disk.Free)
}
