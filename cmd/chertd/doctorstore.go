package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"chertd/engine/store/sqlite"
	"chertd/engine/system"
	"chertd/luabind/diag"
)

// Free space on the store's disk.
const (
	// eventBytes is what an event takes on disk while its text is kept (docs/operations.md).
	eventBytes = 2 << 10
	// leastRoom is the size to which the WAL grows (sqlite's walLimit), and a little more.
	leastRoom = 100 << 20
	fewDays   = 3 // for which there should be space
)

// storeFile examines the database and its folder.
func (k *checkup) storeFile(ctx context.Context) result {
	if k.c.Store.Path == "" || k.faulty("store.") {
		return skipped("store.url can't be used: see configuration")
	}
	x, err := sqlite.Examine(ctx, k.c.Store.Path, doctorRead)
	r := fine("%s: %s, intact", x.Path, sizeOf(x.Bytes))
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		r.Summary = x.Path
		k.refused(&r, x.Path, filepath.Dir(x.Path))
		return r
	}
	if err != nil {
		r.Summary = x.Path
		hint := "look at the file and its folder: ls -l " + diag.ShellWord(filepath.Dir(x.Path))
		if h, ok := errors.AsType[interface {
			error
			Hint() string
		}](err); ok {
			hint = h.Hint()
		}
		r.problem(err.Error(), hint)
		k.storeFolder(&r, filepath.Dir(x.Path))
		return r
	}
	if !x.Exists {
		r.Summary = x.Path + " does not exist yet; chertd run creates it"
		k.storeFolder(&r, filepath.Dir(x.Path))
		return r
	}
	k.db = &x
	switch {
	case x.Damage != "":
		r.Summary = x.Path
		r.problem("it is damaged: "+x.Damage, "stop chertd and restore a backup; sqlite3 "+diag.ShellWord(x.Path)+" 'PRAGMA integrity_check' lists the damage")
	case !x.Whole:
		r.Summary = fmt.Sprintf("%s: %s; what was read in %s is intact", x.Path, sizeOf(x.Bytes), diag.Duration(doctorRead))
	}
	if x.Version < x.Known {
		r.Summary += fmt.Sprintf("; the next start of chertd brings its schema from version %d to %d", x.Version, x.Known)
	}
	k.storeUser(&r, x)
	k.privateStore(&r, x.Path)
	k.storeFolder(&r, filepath.Dir(x.Path))
	return r
}

// storeUser reports a process that has the database open, and is not the daemon of this
// configuration.
func (k *checkup) storeUser(r *result, x sqlite.Examination) {
	if !x.InUse || k.daemon != nil {
		return
	}
	who, kill := "another process", "find it (fuser "+diag.ShellWord(x.Path+".lock")+") and stop it"
	if x.PID > 0 {
		who, kill = fmt.Sprintf("process %d", x.PID), fmt.Sprintf("look at it: ps -fp %d; and stop it: kill %[1]d", x.PID)
	}
	r.problem(fmt.Sprintf("%s has it open, and no daemon answers on control.socket (%s): a chertd with other settings, or one that hangs", who, k.whySilent()), kill)
}

// faulty reports whether a setting that begins with a prefix has an error.
func (k *checkup) faulty(prefix string) bool {
	for _, d := range k.faults {
		if d.Severity == diag.SeverityError && len(d.Message) >= len(prefix) && d.Message[:len(prefix)] == prefix {
			return true
		}
	}
	return false
}

// privateStore warns if others can read people's messages.
func (k *checkup) privateStore(r *result, path string) {
	for _, of := range []struct {
		path string
		mode fs.FileMode
	}{{filepath.Dir(path), 0o700}, {path, 0o600}, {path + "-wal", 0o600}} {
		info, err := os.Stat(of.path)
		if err != nil || info.Mode().Perm()&0o007 == 0 || of.mode == 0o700 && info.Mode()&fs.ModeSticky != 0 {
			continue
		}
		if of.mode == 0o600 || info.Mode().Perm()&0o006 != 0 {
			r.warn(fmt.Sprintf("other users can open %s (mode %04o): it has people's messages", of.path, info.Mode().Perm()), fmt.Sprintf("chmod %o %s", of.mode, diag.ShellWord(of.path)))
		}
	}
}

// storeFolder reports a folder in which chertd can't create and change files.
func (k *checkup) storeFolder(r *result, dir string) {
	there, err := existing(dir)
	if err != nil {
		r.problem(err.Error(), "set store.url to a file in a folder that chertd can write to ("+k.at("store.url")+")")
		return
	}
	writable := system.May(there, system.CreateIn)
	if writable == nil && k.db != nil {
		writable = system.May(k.db.Path, system.ReadWrite)
		if writable != nil {
			there = k.db.Path
		}
	}
	switch {
	case errors.Is(writable, syscall.EROFS):
		r.problem("the disk of "+there+" is mounted read-only", "mount it for writing: findmnt -T "+diag.ShellWord(there)+" shows it; or set store.url to a file on another disk ("+k.at("store.url")+")")
	case writable != nil:
		k.refused(r, there)
	case os.Geteuid() == 0:
		if owner := ownerOf(there); owner != "" && owner != userName(0) {
			r.Summary += "; as root, nothing is known about the permissions of " + owner
		}
	}
}

// refused reports that this user can't read or write a file of chertd. A change of its owner
// would keep the daemon from it, if it was run as another user by mistake.
func (k *checkup) refused(r *result, paths ...string) {
	me := userName(os.Geteuid())
	message := fmt.Sprintf("user %s can't read and write %s", me, paths[0])
	for _, path := range paths {
		if owner := ownerOf(path); owner != "" && owner != me {
			r.problem(message+fmt.Sprintf(", which belongs to %s", owner), fmt.Sprintf("run it as the user of chertd: sudo -u %s %s\nif chertd is to run as %s: stop it, and chown -R %[3]s %s", diag.ShellWord(owner), k.command("doctor"), me, diag.ShellWord(paths[len(paths)-1])))
			return
		}
	}
	r.problem(message, "chmod -R u+rwX "+diag.ShellWord(paths[len(paths)-1]))
}

// ownerOf returns the user who owns a file; "": not known.
func ownerOf(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	of, ok := system.OwnerOf(info)
	if !ok {
		return ""
	}
	return userName(of.User)
}

// userName returns the name of a user, or the number if it has none.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// disk looks at the file system of the store and its free space.
func (k *checkup) disk(context.Context) result {
	if k.c.Store.Path == "" || k.faulty("store.") {
		return skipped("store.url can't be used: see configuration")
	}
	path := k.c.Store.Path
	if k.db != nil {
		path = k.db.Path
	}
	dir, err := existing(filepath.Dir(path))
	if err != nil {
		return skipped("%v", err)
	}
	there, err := system.DiskOf(dir)
	if err != nil {
		return skipped("look at the disk of %s: %v", dir, err)
	}
	free, day := there.Free, int64(0)
	if k.db != nil {
		day = k.db.EventsADay * eventBytes
	}
	r := fine("%s free", sizeOf(free))
	if day > 0 {
		r.Summary += fmt.Sprintf("; a day takes up to %s until old texts are removed", sizeOf(day))
	}
	room := "make space on the disk of " + dir + ": df -h " + diag.ShellWord(dir) + "; or put the store on another disk: stop chertd, move its files, and set store.url"
	switch {
	case free < max(leastRoom, day):
		r.problem("that is less than a day's events, and what commits need", room)
	case free < max(leastRoom, day)*fewDays:
		r.warn(fmt.Sprintf("that is less than %d days' events", fewDays), room)
	}
	onDisk := "put the store on a local disk: stop chertd, move its files, and set " + k.at("store.url") + ": store: {url: \"sqlite:/var/lib/chertd/chertd.db\"}"
	kind := fileSystem(there.Kind)
	switch kind.sort {
	case diskNetwork:
		r.problem("the store is on a network file system ("+kind.name+"): SQLite needs shared memory and locks that work, and may lose or damage data there", onDisk)
	case diskMemory:
		r.warn("the store is in memory ("+kind.name+"): a restart of the machine loses all events and state", onDisk)
	case diskLayer:
		r.warn("the store is in the writable layer of a container ("+kind.name+"): it is lost with the container", "mount a volume at "+dir)
	}
	return r
}

// existing returns the nearest folder of a path that exists.
func existing(dir string) (string, error) {
	for {
		_, err := os.Stat(dir)
		if err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || up == dir {
			return "", err
		}
		dir = up
	}
}

// diskKind is a kind of file system.
type diskKind struct {
	name string
	sort diskSort
}

// diskSort is what a file system means for a database.
type diskSort int

const (
	diskLocal   diskSort = iota
	diskNetwork          // locks and shared memory do not work
	diskMemory           // gone after a restart
	diskLayer            // gone with its container
)
