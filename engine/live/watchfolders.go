package live

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"chertd/rules"
)

// watchDepth is down to which depth below the rules folder folders are watched.
const watchDepth = rules.FolderDepth

// rewatch watches the folder's parent, the folder and all folders in it as they are now:
// it adds new ones, and those whose path now leads to another folder.
func (w *watcher) rewatch() {
	wanted := wantedFolders{found: map[string]fs.FileInfo{}, known: w.opts.Known()}
	wanted.real, _ = filepath.EvalSymlinks(w.abs)
	wanted.one(filepath.Dir(w.abs))
	wanted.add(w.abs, watchDepth, nil)
	for path, was := range w.watched {
		if now, still := wanted.found[path]; !still || !os.SameFile(was, now) {
			// It fails if the folder is gone: its notification was removed with it.
			_ = w.notify.remove(path)
			delete(w.watched, path)
		}
	}
	w.watch(wanted.found)
}

// watchNew watches a folder that was just made, and all folders in it.
func (w *watcher) watchNew(path string) {
	rel, err := filepath.Rel(w.abs, path)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		w.rewatch()
		return
	}
	parts := strings.Split(filepath.ToSlash(rel), "/")
	if len(parts) > watchDepth || slices.ContainsFunc(parts, rules.Noise) {
		return
	}
	wanted := wantedFolders{found: map[string]fs.FileInfo{}}
	wanted.real, _ = filepath.EvalSymlinks(w.abs)
	top := filepath.Join(w.abs, parts[0])
	for watched := range w.watched {
		if watched == top || strings.HasPrefix(watched, top+string(filepath.Separator)) {
			wanted.seen++
		}
	}
	wanted.add(path, watchDepth-len(parts), nil)
	w.watch(wanted.found)
}

// watch watches those of the folders that are not watched yet.
func (w *watcher) watch(wanted map[string]fs.FileInfo) {
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		if w.watched[path] != nil {
			continue
		}
		if err := w.notify.add(path); err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				w.trouble(err)
			}
			continue
		}
		w.watched[path] = wanted[path]
	}
}

// wantedFolders collects the folders to watch.
type wantedFolders struct {
	found map[string]fs.FileInfo
	real  string   // where the rules folder leads; links that leave it are not followed
	known []string // the only names to read in a rules folder that holds too many
	seen  int      // entries of the present pack: beyond MaxEntries it is refused, and not watched
}

// one adds a folder without those in it.
func (f *wantedFolders) one(dir string) (fs.FileInfo, bool) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return nil, false
	}
	f.found[dir] = info
	return info, true
}

// add adds a folder, and those in it down to a depth. within are the folders it
// is in: a link back to one of them is not followed.
func (f *wantedFolders) add(dir string, depth int, within []fs.FileInfo) {
	if slices.ContainsFunc(within, func(w fs.FileInfo) bool { return sameFolder(w, dir) }) {
		return
	}
	info, ok := f.one(dir)
	if !ok || depth == 0 {
		return
	}
	top := len(within) == 0 && depth == watchDepth
	entries, ok := f.entries(dir, top)
	if !ok {
		return
	}
	within = append(slices.Clip(within), info)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if rules.Noise(e.Name()) || !e.IsDir() && !(e.Type()&fs.ModeSymlink != 0 && f.leadsInside(path)) {
			continue
		}
		if top {
			f.seen = 0
		}
		f.add(path, depth-1, within)
	}
}

// entries lists a folder; ok is false if it has too many entries for a pack.
func (f *wantedFolders) entries(dir string, top bool) (entries []fs.DirEntry, ok bool) {
	entries, crowded, err := rules.ListFolder(dir)
	if err != nil && entries == nil {
		return nil, false
	}
	if top {
		if crowded {
			entries = nil
			for _, name := range f.known {
				if info, err := os.Lstat(filepath.Join(dir, name)); err == nil {
					entries = append(entries, fs.FileInfoToDirEntry(info))
				}
			}
		}
		return entries, true
	}
	f.seen += len(entries)
	return entries, f.seen <= rules.MaxEntries
}

// leadsInside reports whether a link leads to something in the rules folder.
func (f *wantedFolders) leadsInside(link string) bool {
	real, err := filepath.EvalSymlinks(link)
	if err != nil || f.real == "" {
		return false
	}
	rel, err := filepath.Rel(f.real, real)
	return err == nil && filepath.IsLocal(rel)
}

func sameFolder(info fs.FileInfo, path string) bool {
	other, err := os.Stat(path)
	return err == nil && os.SameFile(info, other)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
