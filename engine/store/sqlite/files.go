package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// LostError says that the files of an open store are no longer those that were
// opened: what is written now would not be found by the next start.
type LostError struct {
	Path string // of the file
	What string // what has happened to it, e.g. "it is gone"
}

func (e *LostError) Error() string { return fmt.Sprintf("the store's file %s: %s", e.Path, e.What) }

// Hint says what to do about it.
func (e *LostError) Hint() string {
	return "put the file back as it was, or restore a backup, and restart chertd; until then events are answered 503 and Chert keeps them in its log"
}

// files watches that the store's files stay what was opened: SQLite writes on
// into a file that was removed, replaced or cut, and reports success. A check is
// some system calls, microseconds beside the fsync of a commit.
//
// The files are held open for reading, and closed only after SQLite's own
// connections: closing a descriptor of a database earlier may drop its locks.
// Only one goroutine may use them at a time.
type files struct {
	db, wal, shm held
	lock         *lockFile
	path         string
}

// held is one file that must stay what it was.
type held struct {
	path string
	f    *os.File // nil: what is in it does not matter
	info os.FileInfo
	size int64 // when it was last seen in order
	// sound reports whether the file's beginning, and its size, are what SQLite writes.
	sound func(head []byte, size int64) bool
}

const (
	dbMagic    = "SQLite format 3\x00"
	headBytes  = 32
	walMagic   = 0x377f0682 // or, with the last bit set, of big-endian checksums
	walMagicOr = 1
)

// hold opens the files of the store at path, which are in order now.
func hold(path string, lock *lockFile) (*files, error) {
	fl := &files{path: path, lock: lock}
	fl.db = held{path: path, sound: func(head []byte, _ int64) bool { return bytes.HasPrefix(head, []byte(dbMagic)) }}
	fl.wal = held{path: path + "-wal", sound: func(head []byte, size int64) bool {
		return size == 0 || len(head) >= 4 && binary.BigEndian.Uint32(head)&^walMagicOr == walMagic
	}}
	fl.shm = held{path: path + "-shm"}
	err := fl.db.open()
	if err == nil {
		err = fl.wal.open()
	}
	if err == nil {
		fl.shm.info, err = os.Stat(fl.shm.path)
	}
	if err == nil {
		err = fl.check()
	}
	if err != nil {
		fl.close()
		return nil, err
	}
	return fl, nil
}

// check returns a *LostError if a file is no longer what it was. A file that was
// away and is back unchanged is in order again.
func (fl *files) check() error {
	if err := fl.db.check(); err != nil {
		return err
	}
	if err := fl.wal.check(); err != nil {
		return err
	}
	if err := fl.shm.check(); err != nil {
		return err
	}
	return fl.lock.check(fl.path)
}

// committed notes how large the WAL is after a commit, which may have begun it
// again: from then on it must not become smaller. Then it checks the files.
func (fl *files) committed() error {
	fl.wal.size = 0
	return fl.check()
}

func (h *held) open() (err error) {
	if h.f, err = os.Open(h.path); err == nil {
		h.info, err = h.f.Stat()
	}
	return err
}

func (h *held) check() error {
	lost := func(format string, args ...any) error { return &LostError{h.path, fmt.Sprintf(format, args...)} }
	info, err := os.Stat(h.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return lost("it is gone (removed, renamed, or its folder was)")
	case err != nil:
		return lost("it can't be looked at: %v", err)
	case !os.SameFile(info, h.info):
		return lost("another file has taken its place")
	case info.Size() < h.size:
		return lost("it was cut from %d bytes to %d", h.size, info.Size())
	}
	h.size = info.Size()
	if h.f == nil {
		return nil
	}
	head := make([]byte, headBytes)
	n, err := h.f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return lost("it can't be read: %v", err)
	}
	if !h.sound(head[:n], info.Size()) {
		return lost("its beginning was overwritten")
	}
	return nil
}

// close closes the files; SQLite's connections must be closed before.
func (fl *files) close() error {
	var errs []error
	for _, f := range []*os.File{fl.db.f, fl.wal.f} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
