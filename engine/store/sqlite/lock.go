package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"chertd/engine/system"
)

// InUseError reports that another process has the store open.
type InUseError struct {
	Path string // of the database
	PID  int    // of the process that holds it; 0: not known
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("another process (pid %d)", e.PID)
	}
	return fmt.Sprintf("open store %s: %s is using it", e.Path, who)
}

// Hint returns what an operator can do about it.
func (e *InUseError) Hint() string {
	if e.PID == 0 {
		return "stop the other chertd, or give this one a store.url of its own"
	}
	return fmt.Sprintf("stop the other chertd (kill %d), or give this one a store.url of its own", e.PID)
}

// lockFile ensures that one process at a time has the database open. The kernel
// releases the lock when the process ends, so that the file is never deleted and
// one that is left does no harm. The database itself is not locked this way:
// closing any descriptor of it would drop SQLite's own locks.
type lockFile struct {
	f    *os.File
	info os.FileInfo
}

// check checks that the lock file is still where another process would look for it.
// It locks again where the file was removed; if another process was faster, the
// store is lost to that.
func (l *lockFile) check(path string) error {
	info, err := os.Stat(path + ".lock")
	if err == nil && os.SameFile(info, l.info) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &LostError{path + ".lock", fmt.Sprintf("it can't be looked at: %v", err)}
	}
	again, err := lock(path)
	if err != nil {
		return &LostError{path + ".lock", fmt.Sprintf("it was removed, and can't be taken again: %v", err)}
	}
	l.f.Close()
	*l = *again
	return nil
}

// lock takes the lock of the database at path and notes the process's id in it.
func lock(path string) (*lockFile, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if err = system.Lock(f); errors.Is(err, system.ErrLocked) {
		defer f.Close()
		return nil, &InUseError{Path: path, PID: lockedBy(f)}
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open store %s: lock %s: %w", path, f.Name(), err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open store %s: lock %s: %w", path, f.Name(), err)
	}
	return &lockFile{f, info}, nil
}

// lockedBy returns the process that is noted in a lock file; 0: none is.
func lockedBy(f *os.File) int {
	text, _ := io.ReadAll(io.LimitReader(f, 32))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// user returns the process that its lock file names as the one that has the store at path
// open, if it runs; 0: none is known. It takes no lock, for which a daemon that starts would
// give up.
func user(path string) (pid int, err error) {
	f, err := os.Open(path + ".lock")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if pid = lockedBy(f); pid > 0 && system.Ended(pid) {
		return 0, nil
	}
	return pid, nil
}

func (l *lockFile) unlock() error {
	l.f.Truncate(0)
	// Close alone keeps the lock while a process that was just forked has the file, until it
	// runs another program.
	system.Unlock(l.f)
	return l.f.Close()
}
