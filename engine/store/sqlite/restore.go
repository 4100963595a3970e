package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"chertd/engine/system"
	"chertd/luabind/diag"
)

// RestoreOptions are options of Restore.
type RestoreOptions struct {
	Paused bool // the restored store has all calls paused
	Force  bool // restores although a check finds faults in the tables of the backup, but not in its pages
	// Now is the clock that names the replaced files; nil: time.Now.
	Now func() time.Time
}

// Restored is the result of a restore.
type Restored struct {
	Path    string    `json:"path"`            // of the store
	From    string    `json:"from"`            // the backup
	Kept    string    `json:"kept,omitempty"`  // what it replaced, with its -wal and -shm; "": nothing
	Schema  int       `json:"schema"`          // version of the backup
	Events  int64     `json:"events"`          // in the journal; like what follows, unknown if Schema is older than this program's
	Pending int64     `json:"pending"`         // events that are not handled
	Chats   int64     `json:"chats"`           //
	Waiting int64     `json:"waiting"`         // actions that wait
	Newest  time.Time `json:"newest,omitzero"` // when the newest event was received
	// LogRead is up to when the backup has Chert's events log: reading continues there. Zero:
	// it never was to be read.
	LogRead time.Time `json:"log_read,omitzero"`
	Paused  bool      `json:"paused"` // all calls are paused
	// PausedBefore is set if the replaced store had them paused and the backup did not: they
	// stay paused.
	PausedBefore bool `json:"paused_before,omitempty"`
	// Unread is why the replaced store could not be read. Calls are paused then, as they may
	// have been, and holds since the backup are lost. "": it was read, or there was none.
	Unread string `json:"unread,omitempty"`
	Holds  int    `json:"holds,omitempty"` // holds of the replaced store that the backup lacked: they stay
}

// DamagedBackupError reports that a backup can't be restored because a check found faults.
type DamagedBackupError struct {
	Path     string // of the backup
	Findings []Finding
}

func (e *DamagedBackupError) Error() string {
	return fmt.Sprintf("the backup %s is damaged: %s", e.Path, e.Findings[0].What)
}

// Hint returns what an operator can do about it.
func (e *DamagedBackupError) Hint() string {
	hint := "restore another backup; chertd store check --file " + diag.ShellWord(e.Path) + " lists the faults; nothing was changed"
	if e.forcible() {
		hint += "; if there is no other backup, --force restores it"
	}
	return hint
}

// forcible reports whether a start accepts the backup: its pages are sound, and its tables
// are there.
func (e *DamagedBackupError) forcible() bool {
	return !slices.ContainsFunc(e.Findings, func(f Finding) bool { return f.Where == inPages || f.Where == inTables })
}

// UnfinishedRestoreError reports that a restore was interrupted, so that what the store holds
// is not known.
type UnfinishedRestoreError struct{ Path string } // of the store

func (e *UnfinishedRestoreError) Error() string {
	return fmt.Sprintf("a restore of %s was interrupted", e.Path)
}

// Hint returns what an operator can do about it.
func (e *UnfinishedRestoreError) Hint() string {
	return "start chertd, which completes it, or run chertd store restore again"
}

// DamagedRestoreError reports that the copy can't be installed that an interrupted restore has
// left.
type DamagedRestoreError struct {
	Path string // of the store
	Err  error
}

func (e *DamagedRestoreError) Error() string {
	return fmt.Sprintf("a restore was interrupted, and the copy that it has left can't become the store: %v (%s)", e.Err, readyPath(e.Path))
}
func (e *DamagedRestoreError) Unwrap() error { return e.Err }

// Hint returns what an operator can do about it.
func (e *DamagedRestoreError) Hint() string {
	return "repeat the restore, which replaces the copy: chertd store restore BACKUP --file " + diag.ShellWord(e.Path)
}

// noRoomError returns the error of a restore for which the disk has no room.
func noRoomError(path, from string, err error) error {
	needs := ""
	if info, statErr := os.Stat(from); statErr == nil {
		needs = fmt.Sprintf(": the copy takes %d MiB besides the replaced store", (info.Size()+1<<20-1)>>20)
	}
	return &UnusableError{path, fmt.Errorf("restore %s from %s: %w", path, from, err), "make room on the disk of " + filepath.Dir(path) + needs + "; nothing was changed"}
}

// selectLogRead: a log of which no row was read is read from the first start on. There is a
// row or two for each tenant and address.
var selectLogRead = onlyChecked(`SELECT max(read_at) FROM log_cursors WHERE log LIKE '% events' OR log LIKE '% events start'`)

// Restore replaces the store at path by a backup, which it checks first. No daemon may have
// the store open (*InUseError). What is replaced stays beside it, with the suffix
// .before-restore-TIME.
//
// The copy gets a name of its own before anything is replaced. From then on the restore is
// completed after a crash, by the next Open or Restore: no start finds an old WAL beside a
// new database, or an empty store.
func Restore(ctx context.Context, path, from string, o RestoreOptions) (_ Restored, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	failed := func(err error) (Restored, error) {
		if full(err, filepath.Dir(path)) {
			return Restored{}, noRoomError(path, from, err)
		}
		return Restored{}, backupError(from, path, fmt.Errorf("restore %s from %s: %w", path, from, err))
	}
	if path, err = filepath.Abs(path); err != nil {
		return failed(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return failed(err)
	}
	if path, err = resolve(path); err != nil {
		return Restored{}, err
	}
	lock, err := lock(path)
	if err != nil && full(err, filepath.Dir(path)) {
		return failed(err)
	}
	if err != nil {
		return Restored{}, openError(path, err)
	}
	defer func() { err = errors.Join(err, lock.unlock()) }()
	if err := ownAs(lock.f.Name(), filepath.Dir(path)); err != nil {
		return failed(err)
	}
	var ready *DamagedRestoreError
	if _, err := completeRestore(ctx, path); errors.As(err, &ready) {
		err = undoRestore(path)
		if err != nil {
			return failed(err)
		}
	} else if err != nil {
		return failed(err)
	}
	if err := mayRestore(path, from); err != nil {
		return failed(err)
	}
	report, err := Check(ctx, from, CheckOptions{})
	if err != nil {
		return failed(notBackup(from, err))
	}
	if faults := (&DamagedBackupError{from, report.Findings}); len(report.Findings) > 0 && (!faults.forcible() || !o.Force) {
		return failed(faults)
	}
	was, err := readReplaced(ctx, path, o.Now())
	if err != nil {
		return failed(err)
	}
	unknown := was.unread != nil
	partial := readyPath(path) + ".partial"
	r, err := copyBackup(ctx, from, partial, o.Paused || was.paused || unknown, was.held, o.Now)
	if err != nil {
		os.Remove(partial)
		return failed(err)
	}
	r.Path, r.PausedBefore = path, was.paused && !o.Paused && !r.Paused
	r.Paused = r.Paused || o.Paused || was.paused || unknown
	if unknown {
		r.Unread = was.unread.Error()
	}
	if err := makeReady(path, partial, o.Now()); err != nil {
		os.Remove(partial)
		return failed(err)
	}
	r.Kept, err = finishRestore(path) // the copy was checked
	if err != nil {
		return failed(err)
	}
	return r, nil
}

// mayRestore returns an error if a file can't be the backup for the store at path.
func mayRestore(path, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return notBackup(from, err)
	}
	if store, err := os.Stat(path); err == nil && os.SameFile(store, info) {
		return &UnusableError{path, errors.New("that is the store itself"), "name a backup that chertd store backup made"}
	}
	return nil
}

// notBackup adds to an error of a file that is to be restored what to do about it. The hint of
// openError is about a store.
func notBackup(from string, err error) error {
	if errors.As(err, new(*NewerError)) {
		return err
	}
	return &UnusableError{from, err, "name a backup that chertd store backup made: chertd store check --file BACKUP checks one; nothing was changed"}
}

// copyBackup copies a backup, pauses all calls in the copy if it is to, and holds chats.
func copyBackup(ctx context.Context, from, to string, pause bool, holds heldThere, now func() time.Time) (r Restored, err error) {
	s, err := openOutside(ctx, from)
	if err != nil {
		return r, notBackup(from, err)
	}
	defer s.close()
	sum, err := s.summary(ctx)
	if err != nil {
		return r, err
	}
	r = Restored{
		From: s.path, Schema: s.schema, Events: sum.Events, Pending: sum.Pending, Chats: sum.Chats,
		Waiting: sum.Waiting, Newest: sum.Newest, Paused: sum.Paused,
	}
	if s.current() {
		if err := checkTables(s.conn); err != nil { // an index may be missing that a start needs
			return r, err
		}
		read, err := s.one(ctx, selectLogRead)
		if err != nil {
			return r, err
		}
		r.LogRead = timeOf(read)
	}
	f, err := createPartial(to)
	if err != nil {
		return r, err
	}
	defer f.Close()
	if err := s.copyTo(ctx, f, 1, now); err != nil {
		return r, err
	}
	if pause && !sum.Paused || !holds.none() {
		if r.Holds, err = takeOver(ctx, to, pause, holds); err != nil {
			return r, err
		}
	}
	return r, verifyCopy(ctx, to)
}

// readySuffix is of the copy that replaces the store: once it has this name it is complete.
const readySuffix = ".restoring"

func readyPath(path string) string { return path + readySuffix }

// keptPath is where the store at path goes that is replaced at a time.
func keptPath(path string, at time.Time) string {
	return path + ".before-restore-" + at.UTC().Format("20060102T150405Z")
}

// besides are the suffixes of the files that belong to a database, which must never meet
// another one.
var besides = []string{"-wal", "-shm", "-journal"}

// makeReady gives the copy its name. Its modification time names the replaced files, so that
// whoever completes the restore names them in the same way.
func makeReady(path, partial string, at time.Time) error {
	if err := ownAs(partial, filepath.Dir(path)); err != nil {
		return err
	}
	at = at.Truncate(time.Second)
	for {
		taken := false
		for _, suffix := range append([]string{""}, besides...) {
			there, err := exists(keptPath(path, at) + suffix)
			if err != nil {
				return err
			}
			taken = taken || there
		}
		if !taken {
			break
		}
		at = at.Add(time.Second)
	}
	if err := os.Chtimes(partial, at, at); err != nil {
		return err
	}
	if err := os.Rename(partial, readyPath(path)); err != nil {
		return err
	}
	return system.SyncFolder(filepath.Dir(path))
}

// completeRestore is finishRestore for a copy that another process has left: it is checked
// first, as nothing is known of the time since. The error is a *DamagedRestoreError if it
// can't become the store; nothing is changed then.
func completeRestore(ctx context.Context, path string) (kept string, err error) {
	ready := readyPath(path)
	if there, err := exists(ready); err != nil || !there {
		return "", err
	}
	err = checkReady(ctx, ready)
	switch {
	case err == nil:
		return finishRestore(path)
	case damaged(err), errors.Is(err, errForeign), errors.Is(err, errNotRegular), errors.Is(err, errEmpty),
		errors.As(err, new(*copyDamagedError)), errors.As(err, new(*NewerError)), errors.As(err, new(*tablesError)):
		return "", &DamagedRestoreError{path, err}
	}
	return "", err // it may pass another time
}

// checkReady returns why a copy can't become a store.
func checkReady(ctx context.Context, ready string) error {
	if err := checkRegular(ready); err != nil {
		return err
	}
	if info, err := os.Stat(ready); err != nil {
		return err
	} else if info.Size() == 0 {
		return errEmpty
	}
	useSystem()
	if err := verifyCopy(ctx, ready); err != nil {
		return err
	}
	c, err := connectURI(ctx, uri(ready, url.Values{"mode": {"ro"}, "immutable": {"1"}}, "query_only(1)", readerCache))
	if err != nil {
		return err
	}
	defer c.close()
	s := &outside{conn: c, path: ready}
	if err := s.begin(ctx); err != nil {
		return err
	}
	if s.current() {
		return checkTables(c)
	}
	return nil
}

// undoRestore gives the files back that an interrupted restore has moved away, whose copy
// can't become the store. The copy stays until another one replaces it.
func undoRestore(path string) error {
	info, err := os.Lstat(readyPath(path))
	if err != nil {
		return err
	}
	kept := keptPath(path, info.ModTime())
	there, err := exists(path)
	if err != nil {
		return err
	}
	for _, suffix := range append([]string{""}, besides...) {
		if suffix == "" && there {
			continue
		}
		if err := os.Rename(kept+suffix, path+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if there { // the kept name is a second one of the same file, or of another restore
		store, err := os.Stat(path)
		if err != nil {
			return err
		}
		if second, err := os.Stat(kept); err == nil && os.SameFile(store, second) {
			if err := os.Remove(kept); err != nil {
				return err
			}
		}
	}
	return system.SyncFolder(filepath.Dir(path))
}

// finishRestore replaces the store at path by the copy that is ready, if there is one, and
// returns where the replaced store is; "": there was none. Whoever calls it has the store's
// lock. It may be repeated after a crash at any moment.
func finishRestore(path string) (kept string, err error) {
	ready := readyPath(path)
	info, err := os.Lstat(ready)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	kept = keptPath(path, info.ModTime())
	for _, suffix := range besides {
		if err := os.Rename(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if err := keep(path, kept); errors.Is(err, fs.ErrNotExist) {
		kept = ""
	} else if err != nil {
		return "", err
	}
	if err := system.SyncFolder(filepath.Dir(path)); err != nil {
		return "", err
	}
	if err := os.Rename(ready, path); err != nil {
		return "", err
	}
	return kept, system.SyncFolder(filepath.Dir(path))
}

// keep gives the database at path a second name, so that the first never leads nowhere.
func keep(path, kept string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if there, err := os.Stat(kept); err == nil && os.SameFile(info, there) {
		return nil
	}
	if err := os.Link(path, kept); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	return os.Rename(path, kept) // some file systems have no links
}
