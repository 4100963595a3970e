package rules

import (
	"errors"
	"io/fs"
	"os"

	"chertd/luabind/diag"
)

// Folder is the content of a rules folder at one moment. It is immutable.
type Folder struct{ reading }

// FolderOptions configures ReadFolder. Zero fields take the defaults.
type FolderOptions struct {
	// Known are names of files and folders of packs. Of a folder with too many entries
	// they alone are read.
	Known []string
	// IgnoreBy gets .chertignore as it is on disk, and returns the one to apply, or why
	// the folder can't be read yet. Nil applies the one on disk.
	IgnoreBy func(now []File) (use []File, wait diag.List)
	// Open opens the folder; nil is OpenTree. Tests read folders that fail.
	Open func(dir string) (Tree, error)
}

// ReadFolder reads a rules folder. It never fails: Diagnostics returns what could not be
// read.
func ReadFolder(dir string, o FolderOptions) *Folder {
	if o.Open == nil {
		o.Open = OpenTree
	}
	return &Folder{readTree(dir, o.Open, o.Known, o.IgnoreBy)}
}

// Diagnostics returns the diagnostics that belong to no single pack. With an error among
// them the folder was not read completely.
func (f *Folder) Diagnostics() diag.List { return f.diags }

// Ignored lists the files and folders that are ignored only because of their names.
func (f *Folder) Ignored() []Ignored { return f.ignored }

// Others returns the paths of folders that are not packs because they have no rules.
func (f *Folder) Others() []string { return f.others }

// Ignore returns .chertignore as it is on disk, none if there is none.
func (f *Folder) Ignore() []File { return f.ignore }

// Content returns a hash of all that was read. Folders with the same hash load alike.
func (f *Folder) Content() string { return f.content() }

// Rest returns a hash of all but the packs: ignored files and diagnostics.
func (f *Folder) Rest() string {
	rest := f.reading
	rest.sources = nil
	return rest.content()
}

// FolderPack is one pack of a Folder.
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

// FolderDepth is the maximum depth of folders with files of packs, the rules folder
// included.
const FolderDepth = 2 + maxLibDepth

// ListFolder lists a folder by name, up to MaxEntries entries. crowded is set if it has
// more.
func ListFolder(dir string) (entries []fs.DirEntry, crowded bool, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, false, err
	}
	defer d.Close()
	entries, err = listUpTo(d, MaxEntries)
	return entries, errors.As(err, new(*crowdedError)), err
}
