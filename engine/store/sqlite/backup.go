package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	moderncsqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"chertd/engine/system"
	"chertd/engine/wait"
)

// BackupOptions are options of Backup.
type BackupOptions struct {
	Force bool // replaces a chertd database that is there, and no other file
	// Now is the clock by which the copy is paced; nil: time.Now.
	Now func() time.Time
}

// BackedUp is the result of a backup.
type BackedUp struct {
	Path   string    `json:"path"`            // of the backup
	Store  string    `json:"store"`           // that it is of
	Schema int       `json:"schema"`          // its version
	Events int64     `json:"events"`          // in the journal; like Chats, 0 if Schema is older than this program's
	Chats  int64     `json:"chats"`           //
	Newest time.Time `json:"newest,omitzero"` // when the newest event was received
	Bytes  int64     `json:"bytes"`           // of the backup
}

const (
	// copyPages is how many pages a step of a copy has, 1 MiB: so much is written to the disk
	// at a time, and others get it in between.
	copyPages = 256
	// copyShare is the part of the time that a copy uses the disk while a daemon runs. By
	// BenchmarkAppendDuringBackup on a busy machine, 400 acknowledgements a second stay as many,
	// and their 99th percentile is 1.1 to 1.6 times that without a copy. A VACUUM INTO made
	// it 1.7 to 4.5 times, as its whole file is synced at the end.
	copyShare = 0.25
)

// ExistsError reports that a backup would replace a file.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string { return e.Path + " exists" }

// Hint returns what an operator can do about it.
func (e *ExistsError) Hint() string { return "name another file, or replace it with --force" }

// Backup copies the store at path into one file, to: a snapshot, whether a daemon has the
// store open or not. While one does, the copy takes a quarter of the time of the disk. The
// file appears when it is complete, synced and checked; before, it has the suffix .partial.
// Its mode is 0600: it holds people's messages.
func Backup(ctx context.Context, path, to string, o BackupOptions) (_ BackedUp, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := openOutside(ctx, path)
	if sqliteCode(err) == sqlite3.SQLITE_CORRUPT {
		return BackedUp{}, &damagedStoreError{CorruptError{path, err}}
	}
	if err != nil {
		return BackedUp{}, err
	}
	defer s.close()
	failed := func(err error) (BackedUp, error) {
		return BackedUp{}, backupError(s.path, to, fmt.Errorf("back up %s to %s: %w", s.path, to, err))
	}
	if to, err = filepath.Abs(to); err != nil {
		return failed(err)
	}
	if err := mayWrite(s.path, to, o.Force); err != nil {
		return failed(err)
	}
	share := 1.0
	if pid, _ := user(s.path); pid > 0 {
		share = copyShare
	}
	sum, err := s.summary(ctx)
	if err != nil {
		return failed(s.blame(ctx, err))
	}
	partial := to + ".partial"
	f, err := createPartial(partial)
	if err != nil {
		return failed(err)
	}
	defer f.Close()
	defer func() {
		if err != nil {
			os.Remove(partial)
		}
	}()
	err = s.copyTo(ctx, f, share, o.Now)
	if err == nil {
		err = verifyCopy(ctx, partial)
	}
	if err != nil {
		return failed(s.blame(ctx, err))
	}
	info, err := f.Stat()
	if err != nil {
		return failed(err)
	}
	if err := mayWrite(s.path, to, o.Force); err != nil { // somebody may have put a file there
		return failed(err)
	}
	if err := publish(partial, to, o.Force); err != nil {
		return failed(err)
	}
	return BackedUp{
		Path: to, Store: s.path, Schema: s.schema, Events: sum.Events, Chats: sum.Chats, Newest: sum.Newest, Bytes: info.Size(),
	}, nil
}

// mayWrite returns an error if a backup of the store at path can't have the name to.
func mayWrite(path, to string, force bool) error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal", ".lock", readySuffix, readySuffix + ".partial"} {
		if to == path+suffix {
			return &UnusableError{path, errors.New("that is a file of the store itself"), "name a file in another folder, best on another disk"}
		}
	}
	info, err := os.Stat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return &UnusableError{path, errors.New("that is a folder"), "name a file in it, such as " + filepath.Join(to, "chertd.backup.db")}
	case !info.Mode().IsRegular():
		return &UnusableError{path, errNotRegular, "name a file"}
	}
	if store, err := os.Stat(path); err == nil && os.SameFile(store, info) {
		return &UnusableError{path, errors.New("that is the store itself"), "name another file, best on another disk"}
	}
	if !force {
		return &ExistsError{to}
	}
	ours, err := isStore(to)
	if err == nil && !ours {
		return &UnusableError{path, errors.New("that file is not a database of chertd"), "name another file: --force replaces a backup, and nothing else"}
	}
	return err
}

// isStore reports whether the file at path is a database of chertd, by its header:
// https://sqlite.org/fileformat.html, 1.3. The process must not have it open.
func isStore(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, applicationAt+4)
	if _, err := io.ReadFull(f, head); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return bytes.HasPrefix(head, []byte(dbMagic)) && binary.BigEndian.Uint32(head[applicationAt:]) == application, nil
}

// applicationAt is where the header of a database has its application id.
const applicationAt = 68

// createPartial creates the file that a copy is written to, or takes the one that a copy
// that was killed has left. Its lock keeps others from it.
func createPartial(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|system.NoFollow, 0o600)
	if err != nil {
		return nil, err
	}
	err = system.Lock(f)
	if errors.Is(err, system.ErrLocked) {
		err = &UnusableError{path, errors.New("another copy is being written there"), "wait for its end, or name another file"}
	}
	if err == nil {
		err = errors.Join(f.Chmod(0o600), f.Truncate(0))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// copyTo copies the snapshot into an empty file, page by page, and syncs it. Each step is
// synced, so that a large copy does not end in a sync for which the daemon's wait. share is
// the part of the time that it may use.
func (s *outside) copyTo(ctx context.Context, to *os.File, share float64, now func() time.Time) (err error) {
	source, ok := s.c.(interface {
		NewBackup(string) (*moderncsqlite.Backup, error)
	})
	if !ok {
		return fmt.Errorf("the sqlite driver's connections are %T, which make no backup", s.c)
	}
	// Nobody else has the file: it needs no locks, which network shares may lack, and no
	// journal, as it is thrown away if this fails. A small cache passes pages on soon.
	b, err := source.NewBackup(uri(to.Name(), url.Values{"mode": {"rw"}, "vfs": {"unix-none"}},
		"journal_mode(OFF)", "synchronous(OFF)", "cache_size(-1024)"))
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		began := now()
		if more, err = b.Step(copyPages); err != nil {
			break
		}
		if err = syncData(to); err != nil {
			break
		}
		took := max(now().Sub(began), 0)
		if !wait.For(ctx, time.Duration(float64(took)*(1/share-1))) {
			err = context.Cause(ctx)
		}
	}
	if end := b.Finish(); err == nil {
		err = end // else it is the same
	}
	if err != nil {
		return err
	}
	// One file is all there is of a copy: its header has this, where the store's says that
	// a WAL belongs to it. https://sqlite.org/fileformat.html, 1.3.3.
	if _, err := to.WriteAt([]byte{1, 1}, 18); err != nil {
		return err
	}
	return to.Sync()
}

// blame returns the error of a copy that failed, or that is damaged. If the store itself is
// damaged, the error names its damage.
func (s *outside) blame(ctx context.Context, err error) error {
	if !damaged(err) && !errors.As(err, new(*copyDamagedError)) {
		return err
	}
	found, checkErr := s.one(ctx, quickCheck)
	switch {
	case damaged(checkErr):
		return &damagedStoreError{CorruptError{s.path, checkErr}}
	case checkErr != nil || found == "ok":
		return err
	case damaged(err): // has a code by which it is known
		return &damagedStoreError{CorruptError{s.path, fmt.Errorf("%s (%w)", firstDamage(found), err)}}
	}
	return &damagedStoreError{CorruptError{s.path, errors.New(firstDamage(found))}}
}

// damagedStoreError reports that a store can't be backed up, because it is damaged.
type damagedStoreError struct{ CorruptError }

func (e *damagedStoreError) Error() string {
	return fmt.Sprintf("the store itself is damaged: %v; no backup was made", e.Err)
}

// copyDamagedError reports that a copy is damaged.
type copyDamagedError struct {
	path string // of the copy
	err  error
}

func (e *copyDamagedError) Error() string { return fmt.Sprintf("the copy is damaged: %v", e.err) }

// Hint returns what an operator can do about it.
func (e *copyDamagedError) Hint() string {
	return "what was copied is not damaged: check the disk of " + filepath.Dir(e.path) + " (dmesg), or name a file on another"
}

// firstDamage returns the first line that is about damage of what a check has found.
func firstDamage(found driver.Value) string {
	for line := range strings.SplitSeq(stringOf(found), "\n") {
		if line != "*** in database main ***" {
			return line
		}
	}
	return "unknown damage"
}

// verifyCopy reads all of a copy, from the file and not from the memory of who wrote it.
func verifyCopy(ctx context.Context, path string) error {
	c, err := connectURI(ctx, uri(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}, "query_only(1)", readerCache))
	if err != nil {
		return err
	}
	defer c.close()
	v, err := c.one(ctx, quickCheck)
	switch {
	case damaged(err):
		return &copyDamagedError{path, errors.New(err.Error())} // its code would blame the store
	case err == nil && v != "ok":
		return &copyDamagedError{path, errors.New(firstDamage(v))}
	}
	return err
}

// publish gives a complete copy its name.
func publish(partial, to string, force bool) error {
	if force {
		if err := os.Rename(partial, to); err != nil {
			return err
		}
		return system.SyncFolder(filepath.Dir(to))
	}
	// Unlike Rename, Link replaces nothing.
	err := os.Link(partial, to)
	if errors.Is(err, fs.ErrExist) {
		return &ExistsError{to}
	}
	if err == nil {
		err = os.Remove(partial)
	} else { // some file systems have no links
		err = os.Rename(partial, to)
	}
	if err != nil {
		return err
	}
	return system.SyncFolder(filepath.Dir(to))
}

// full reports whether an error is because there is no room on the disk of a folder.
func full(err error, dir string) bool {
	code := sqliteCode(err)
	return code == sqlite3.SQLITE_FULL || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		code == sqlite3.SQLITE_IOERR && room(dir) < roomToOpen
}

// backupError adds to an error of a backup what to do about it.
func backupError(path, to string, err error) error {
	switch {
	case errors.As(err, new(interface{ Hint() string })):
		return err
	case damaged(err):
		return &CorruptError{path, err}
	case errors.As(err, new(*tablesError)):
		return &UnusableError{path, err, "restore another backup; nothing was changed"}
	case full(err, filepath.Dir(to)):
		return &UnusableError{path, err, "make room on the disk of " + filepath.Dir(to) + ", or name a file on another; nothing was changed"}
	case errors.Is(err, fs.ErrNotExist):
		return &UnusableError{path, err, "create the folder: mkdir -p " + filepath.Dir(to)}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return &UnusableError{path, err, "run it as a user that may read the store and write into " + filepath.Dir(to)}
	}
	return err
}
