package rules

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Tree is an open folder. Names in it have slashes and cannot leave it: *os.Root
// refuses a link that does when it is followed, without a race between check and read.
type Tree interface {
	// ReadDir may return entries and an error: then these are not all. It is a
	// *crowdedError if there are more than MaxEntries.
	ReadDir(name string) ([]fs.DirEntry, error)
	Stat(name string) (fs.FileInfo, error)
	Lstat(name string) (fs.FileInfo, error)
	Readlink(name string) (string, error)
	Open(name string) (fs.File, error)
	Close() error
}

// MaxEntries limits how many entries of a folder are listed, and how many files and
// folders a pack or the rules folder has. A mistake in one pack must not delay others.
const MaxEntries = 2000

// crowdedError is returned for a folder with more than MaxEntries entries.
type crowdedError struct{}

func (*crowdedError) Error() string {
	return fmt.Sprintf("it holds more than %d files and folders", MaxEntries)
}

// OpenTree opens a folder, which may itself be a symlink.
func OpenTree(dir string) (Tree, error) {
	// Opening a named pipe would block.
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return rootTree{root, dir}, nil
}

type rootTree struct {
	*os.Root
	dir string // as given
}

func (t rootTree) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := t.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return listUpTo(f, MaxEntries)
}

// listUpTo lists a folder, sorted by name. If it has more than most entries, listUpTo
// returns some of them and a *crowdedError.
func listUpTo(f *os.File, most int) (all []fs.DirEntry, err error) {
	defer func() {
		slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}()
	for {
		entries, err := f.ReadDir(most + 1 - len(all))
		all = append(all, entries...)
		switch {
		case len(all) > most:
			return all[:most], &crowdedError{}
		case errors.Is(err, io.EOF), err == nil && len(entries) == 0:
			return all, nil
		case err != nil:
			return all, err
		}
	}
}

func (t rootTree) Open(name string) (fs.File, error) { return t.open(name) }

func (t rootTree) open(name string) (*os.File, error) {
	return inside(t, name, func(name string) (*os.File, error) { return t.Root.Open(name) })
}

func (t rootTree) Stat(name string) (fs.FileInfo, error) {
	return inside(t, name, func(name string) (fs.FileInfo, error) { return t.Root.Stat(name) })
}

func (t rootTree) Lstat(name string) (fs.FileInfo, error) {
	return follow(name, t.straightenFolder, func(name string) (fs.FileInfo, error) { return t.Root.Lstat(name) })
}

func (t rootTree) Readlink(name string) (string, error) {
	return follow(name, t.straightenFolder, func(name string) (string, error) { return t.Root.Readlink(name) })
}

// inside calls do with a name in the tree, and follows links.
func inside[T any](t rootTree, name string, do func(name string) (T, error)) (T, error) {
	return follow(name, t.straighten, do)
}

// follow calls do with a name in the tree. *os.Root refuses all absolute links; for one
// that leads back into the tree, do is called again with the name that straighten
// returns, which has no links.
func follow[T any](name string, straighten func(name string) (string, bool), do func(name string) (T, error)) (T, error) {
	found, err := do(filepath.FromSlash(name))
	if err == nil || !escapes(err) {
		return found, err
	}
	straight, ok := straighten(name)
	if !ok || straight == name {
		return found, err
	}
	return do(filepath.FromSlash(straight))
}

// straightenFolder resolves the links in the folder of a name, but not the name itself.
func (t rootTree) straightenFolder(name string) (string, bool) {
	dir, ok := t.straighten(path.Dir(name))
	return path.Join(dir, path.Base(name)), ok
}

// escapes reports whether *os.Root refused a link. It exports no error for that.
func escapes(err error) bool { return strings.Contains(cause(err), "escapes") }

// maxLinks limits how many links a name may lead over.
const maxLinks = 40

// straighten resolves the links in a name. ok is false if one leaves the tree.
func (t rootTree) straighten(name string) (straight string, ok bool) {
	at, rest := ".", strings.Split(path.Clean(name), "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		if next == ".." || strings.HasPrefix(next, "../") {
			return "", false
		}
		rest = rest[1:]
		info, err := t.Root.Lstat(filepath.FromSlash(next))
		if err != nil {
			return "", false
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := t.Root.Readlink(filepath.FromSlash(next))
		if links++; err != nil || links > maxLinks {
			return "", false
		}
		if filepath.IsAbs(target) {
			if target, ok = t.within(target); !ok {
				return "", false
			}
			at = "."
		}
		rest = append(strings.Split(path.Clean(filepath.ToSlash(target)), "/"), rest...)
	}
	return at, true
}

// within returns an absolute path relative to the tree, by the tree's own path or the
// path it resolves to. ok is false if it is outside.
func (t rootTree) within(target string) (rel string, ok bool) {
	dirs := []string{}
	if abs, err := filepath.Abs(t.dir); err == nil {
		dirs = append(dirs, abs)
	}
	if real, err := filepath.EvalSymlinks(t.dir); err == nil {
		if real, err = filepath.Abs(real); err == nil {
			dirs = append(dirs, real)
		}
	}
	targets := []string{filepath.Clean(target)}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(target)); err == nil {
		targets = append(targets, filepath.Join(folder, filepath.Base(target)))
	}
	for _, dir := range dirs {
		for _, target := range targets {
			rel, err := filepath.Rel(dir, target)
			if err == nil && filepath.IsLocal(rel) {
				return filepath.ToSlash(rel), true
			}
		}
	}
	return "", false
}

// named returns entries for those of the names that exist.
func named(tree Tree, names []string) (entries []fs.DirEntry) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if info, err := tree.Lstat(name); err == nil {
			entries = append(entries, fs.FileInfoToDirEntry(info))
		}
	}
	return entries
}
