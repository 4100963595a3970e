package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// LostError reports that a file of an open store is no longer the one that was
// opened: the next start would not find what is written now.
type LostError struct {
	Path string // of the file
	What string // what happened to it, such as "it is gone"
}

func (e *LostError) Error() string { return fmt.Sprintf("the store's file %s: %s", e.Path, e.What) }

// Hint returns what an operator can do about it.
func (e *LostError) Hint() string {
	return "put the file back as it was, or stop chertd and restore a backup (chertd store restore BACKUP), and restart chertd; until then events are answered 503 and Chert keeps them in its log"
}

// touchedError reports that something other than a checkpoint wrote into the
// database of an open store. Whether the database is damaged is not known yet.
type touchedError struct {
	Path    string
	changed time.Time
}

func (e *touchedError) Error() string {
	return fmt.Sprintf("the store's file %s: something other than SQLite wrote into it; it is being checked", e.Path)
}

// Hint returns what an operator can do about it.
func (e *touchedError) Hint() string {
	return "let nothing but chertd and sqlite3 write to the store's files; if the check finds damage, stop chertd and restore a backup (chertd store restore BACKUP)"
}

// files checks that the store's files stay those that were opened: SQLite continues
// to write into a file that was removed, replaced or truncated, and reports success.
// A check is a few system calls, which take microseconds where an fsync takes
// milliseconds.
//
// The files are held open for reading, and closed only after SQLite's own
// connections: closing a descriptor of a database earlier may drop its locks.
// Only one goroutine may use them at a time.
type files struct {
	db, wal, shm held
	lock         *lockFile
	path         string
	link         string // where the next start looks for it: path, or a link to it

	// Only checkpoints change the database, and the WAL's index shows each. changed
	// is the database's modification time, index the WAL's index at that time.
	changed time.Time
	index   walIndex
}

// held is a file that must not be replaced.
type held struct {
	path string
	f    *os.File
	info os.FileInfo
	seen os.FileInfo // by the last check
	size int64       // it must not become smaller, unless shrinks allows it
	// shrinks, if set, reports whether a file may be so small.
	shrinks func(size int64) bool
	// sound, if set, reports whether the file's beginning and size are those of
	// SQLite.
	sound func(head []byte, size int64) bool
}

const (
	dbMagic    = "SQLite format 3\x00"
	headBytes  = 32
	walMagic   = 0x377f0682 // or, with the last bit set, of big-endian checksums
	walMagicOr = 1
)

// hold opens the files of the store at path, which were just checked. The next start
// looks for the store at link.
func hold(path, link string, lock *lockFile) (*files, error) {
	fl := &files{path: path, link: link, lock: lock}
	fl.db = held{path: path, sound: func(head []byte, _ int64) bool { return bytes.HasPrefix(head, []byte(dbMagic)) }}
	fl.db.shrinks = fl.hasAllPages
	fl.wal = held{path: path + "-wal", sound: func(head []byte, size int64) bool {
		return size == 0 || len(head) >= 4 && binary.BigEndian.Uint32(head)&^walMagicOr == walMagic
	}}
	fl.shm = held{path: path + "-shm"}
	err := fl.db.open()
	if err == nil {
		err = fl.wal.open()
	}
	if err == nil {
		err = fl.shm.open()
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

// check returns a *LostError if a file was replaced, removed or truncated, and a
// *touchedError if something else wrote into the database. It accepts a file that was
// moved away and is back unchanged.
func (fl *files) check() error {
	if err := fl.db.check(); err != nil {
		return err
	}
	fl.db.size = fl.db.seen.Size()
	if fl.link != fl.path {
		if info, err := os.Stat(fl.link); err != nil || !os.SameFile(info, fl.db.info) {
			return &LostError{fl.link, "the symbolic link no longer leads to " + fl.path}
		}
	}
	if err := fl.wal.check(); err != nil {
		return err
	}
	if err := fl.shm.check(); err != nil {
		return err
	}
	if err := fl.lock.check(fl.path); err != nil {
		return err
	}
	return fl.checkContent()
}

// checkContent checks that the WAL has all that was committed to it, and that only
// checkpoints wrote into the database. It compares the index with what check read
// from the files before: a writer updates the index after the WAL, and a checkpoint
// records its start in the index before it changes the database, and its end
// afterwards.
func (fl *files) checkContent() error {
	for range lookTries {
		index, whole, err := readIndex(fl.shm.f)
		if err != nil {
			return &LostError{fl.shm.path, fmt.Sprintf("it can't be read: %v", err)}
		}
		before := fl.db.seen
		if fl.db.seen, err = os.Stat(fl.path); err != nil {
			return &LostError{fl.path, fmt.Sprintf("it can't be looked at: %v", err)}
		}
		need := index.walSize()
		switch {
		case !whole:
		case fl.wal.seen.Size() < need:
			// It was truncated, or another process has just written more.
			size := fl.wal.seen.Size()
			if err := fl.wal.check(); err != nil {
				return err
			}
			if fl.wal.seen.Size() == size {
				return &LostError{fl.wal.path, fmt.Sprintf("it was cut to %d bytes, and %d were written", size, need)}
			}
		case !fl.db.seen.ModTime().Equal(before.ModTime()):
			// A checkpoint is running: the index is of neither time.
		case !fl.lastFrameStands(index):
			// The same is seen if the WAL was restarted since the index was read.
			if again, whole, err := readIndex(fl.shm.f); err == nil && whole && again.salt == index.salt {
				return &LostError{fl.wal.path, "it was cut, or overwritten, while it was written"}
			}
		default:
			return fl.checkChanged(before.ModTime(), index)
		}
	}
	return nil // another process keeps writing: the next check decides
}

// hasAllPages reports whether a database of a size has all its pages: one that a
// VACUUM has made smaller does, one that was truncated does not.
func (fl *files) hasAllPages(size int64) bool {
	index, whole, err := readIndex(fl.shm.f)
	return err == nil && whole && index.pages > 0 && size >= index.pages*index.pageSize
}

// lookTries is how often a check tries to read all files as of the same moment.
const lookTries = 5

// lastFrameStands reports whether the frame that was last in the WAL at the last
// check is still there: later writes may hide that the WAL was truncated.
func (fl *files) lastFrameStands(index walIndex) bool {
	last := fl.index
	if last.frames == 0 || last.salt != index.salt {
		return true
	}
	there, err := last.lastFrame(fl.wal.f)
	return err == nil && there
}

// checkChanged checks that a change of the database is a checkpoint's.
func (fl *files) checkChanged(changed time.Time, index walIndex) error {
	explained := index.checkpoints() || index.checkpoint != fl.index.checkpoint
	if !fl.changed.IsZero() && !changed.Equal(fl.changed) && !explained {
		return &touchedError{Path: fl.path, changed: changed}
	}
	fl.changed, fl.index = changed, index
	return nil
}

// accept accepts the change of the database that a check has reported.
func (fl *files) accept(t *touchedError) { fl.changed = t.changed }

func (h *held) open() (err error) {
	if h.f, err = os.Open(h.path); err == nil {
		h.info, err = h.f.Stat()
	}
	return err
}

// check tries several times where the file's beginning is wrong: an sqlite3 shell
// may empty the WAL between the reads of its size and of its beginning.
func (h *held) check() error {
	var err error
	for range lookTries {
		var again bool
		if again, err = h.look(); !again {
			break
		}
	}
	return err
}

func (h *held) look() (again bool, err error) {
	lost := func(format string, args ...any) error { return &LostError{h.path, fmt.Sprintf(format, args...)} }
	info, err := os.Lstat(h.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, lost("it is gone (removed, renamed, or its folder was)")
	case err != nil:
		return false, lost("it can't be looked at: %v", err)
	case info.Mode()&fs.ModeSymlink != 0:
		return false, lost("a symbolic link has taken its place")
	case !os.SameFile(info, h.info):
		return false, lost("another file has taken its place")
	case info.Size() < h.size && (h.shrinks == nil || !h.shrinks(info.Size())):
		return false, lost("it was cut from %d bytes to %d", h.size, info.Size())
	}
	h.seen = info
	if h.sound == nil {
		return false, nil
	}
	head := make([]byte, headBytes)
	n, err := h.f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, lost("it can't be read: %v", err)
	}
	if !h.sound(head[:n], info.Size()) {
		return true, lost("its beginning was overwritten")
	}
	return false, nil
}

// close closes the files. SQLite's connections must be closed before.
func (fl *files) close() error {
	var errs []error
	for _, f := range []*os.File{fl.db.f, fl.wal.f, fl.shm.f} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
