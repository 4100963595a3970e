package rules

import (
	"errors"
	"io/fs"
	"os"

	"chertd/luabind/diag"
)

// Folder is what a rules folder held at one moment. It is immutable.
type Folder struct{ reading }

// FolderOptions says how a rules folder is read. Zero fields take the defaults.
type FolderOptions struct {
	// Known are names of files and folders of packs. They alone are read of a
	// folder that holds too many.
	Known []string
	// IgnoreBy is given .chertignore as it is on disk, and returns the one whose
	// patterns count, or why the folder can't be read yet. Nil: the one on disk counts.
	IgnoreBy func(now []File) (use []File, wait diag.List)
	// Open opens the folder; nil is OpenTree. Tests read folders that fail.
	Open func(dir string) (Tree, error)
}

// ReadFolder reads a rules folder. It never fails: Diagnostics says what could not
// be read.
func ReadFolder(dir string, o FolderOptions) *Folder {
	if o.Open == nil {
		o.Open = OpenTree
	}
	return &Folder{readTree(dir, o.Open, o.Known, o.IgnoreBy)}
}

// Diagnostics returns what concerns no single pack. An error among them says that
// the folder was not read to its end.
func (f *Folder) Diagnostics() diag.List { return f.diags }

// Ignored lists what would be rules, or a pack's, but for its name.
func (f *Folder) Ignored() []Ignored { return f.ignored }

// Others returns the paths of what is not a pack, and would have been one with
// rules in it.
func (f *Folder) Others() []string { return f.others }

// Ignore returns .chertignore as it is on disk, none if there is none.
func (f *Folder) Ignore() []File { return f.ignore }

// Content returns a hash of all that was read. Two folders with the same hash load
// alike.
func (f *Folder) Content() string { return f.content() }

// Rest returns a hash of all but the packs: what is ignored, and what is wrong.
func (f *Folder) Rest() string {
	rest := f.reading
	rest.sources = nil
	return rest.content()
}

// FolderPack is what a folder holds of one pack.
type FolderPack struct {
	Path    string
	Files   []File
	Content string // hash of the files
}

// Packs lists the packs, by the names of their files and folders.
func (f *Folder) Packs() []FolderPack {
	packs := make([]FolderPack, len(f.sources))
	for i, src := range f.sources {
		packs[i] = FolderPack{Path: src.path, Files: src.files, Content: contentOf([]source{src}, nil)}
	}
	return packs
}

// Candidates returns a candidate for each pack, by the names of their files and
// folders. Several may have the same pack's name.
func (f *Folder) Candidates(o Options) []*Candidate {
	all := make([]*Candidate, len(f.sources))
	for i, src := range f.sources {
		all[i] = &Candidate{build(src, o)}
	}
	return all
}

// Bounds of what is read, for who watches it.
const (
	// IgnoreName is the name of the file whose patterns ignore more.
	IgnoreName = ignoreFile
	// FolderDepth is how many folders deep, the rules folder included, files of packs are.
	FolderDepth = 2 + maxLibDepth
	// MaxEntries is how many files and folders a pack may have.
	MaxEntries = maxEntries
)

// Noise reports whether an entry of a folder is hidden, or one of those that
// editors, desktops and file servers keep beside what they write.
func Noise(name string) bool { return noise(name) }

// ListFolder lists a folder by name, up to MaxEntries; crowded says that there are
// more.
func ListFolder(dir string) (entries []fs.DirEntry, crowded bool, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, false, err
	}
	defer d.Close()
	entries, err = listUpTo(d, maxEntries)
	return entries, errors.As(err, new(*crowdedError)), err
}
