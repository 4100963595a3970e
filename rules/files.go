package rules

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"chertd/luabind/diag"
)

const (
	// maxFileSize bounds a file of a pack; sources are held to less by luabind.
	maxFileSize = 8 << 20
	// maxPackBytes bounds all files of a pack, maxFolderBytes those of all packs.
	maxPackBytes   = 32 << 20
	maxFolderBytes = 128 << 20
	// maxLibDepth is how many levels below lib/ are read.
	maxLibDepth = 4
)

// FileKind is the role of a file in its pack.
type FileKind string

const (
	RuleFile     FileKind = "rules"
	LibFile      FileKind = "lib"
	DataFile     FileKind = "data"
	SpecFile     FileKind = "spec"
	ManifestFile FileKind = "pack.yaml"
	IgnoreFile   FileKind = ".chertignore" // of the rules folder, and of no pack
)

// File is a file of a pack as it was read. Its content is never changed.
type File struct {
	Name  string // within the pack, slashes: "10-hold.lua", "lib/phones.lua"
	Path  string // for diagnostics: relative if the folder's path is
	Kind  FileKind
	Bytes []byte
}

// source is a pack as it was read from disk, before it is parsed.
type source struct {
	name   string // of the file or the folder
	path   string
	folder bool
	files  []File
	// broken is what could not be read; such a pack does not load.
	broken diag.List

	seen  int   // files and folders that were listed
	bytes int64 // of files
	full  bool  // it is too large: nothing more is read
}

// reading is the content of a rules folder at one moment.
type reading struct {
	sources []source // by name of the file or folder
	ignored []Ignored
	others  []string  // paths of folders without rules and of other files that may become packs
	whole   bool      // it is a folder of packs, and was read completely
	ignore  []File    // .chertignore as on disk; empty: there is none
	diags   diag.List // of no single pack; an error: the folder was not read completely
}

// readFolder reads all packs of a rules folder, sorted by name.
func readFolder(dir string) reading { return readTree(dir, OpenTree, nil, nil) }

// readTree reads a rules folder. ignoreBy gets the .chertignore on disk and returns the
// one to apply, or why the folder can't be read yet; if it is nil, the one on disk
// applies. If the folder has too many entries, only the files and folders named by known
// are read.
func readTree(dir string, open func(dir string) (Tree, error), known []string, ignoreBy func(now []File) (use []File, wait diag.List)) reading {
	tree, err := open(dir)
	if err != nil {
		return reading{diags: diag.List{folderDiagnostic(dir, err)}}
	}
	defer tree.Close()
	r := reader{tree: tree, dir: dir}
	ignore, err := r.readIgnoreFile()
	if err != nil {
		return reading{diags: diag.List{r.unreadable(IgnoreName, err)}}
	}
	use := ignore
	if ignoreBy != nil {
		var wait diag.List
		if use, wait = ignoreBy(ignore); len(wait) > 0 {
			return reading{ignore: ignore, diags: wait}
		}
	}
	for _, f := range use {
		r.parseIgnore(f.Bytes, f.Path)
	}
	entries, err := tree.ReadDir(".")
	var crowded *crowdedError
	switch {
	case errors.As(err, &crowded):
		d := diag.Diagnostic{File: dir, Severity: diag.SeverityError, Message: crowded.Error(), Hint: "move everything that is not a pack out of it"}
		if len(known) > 0 {
			d.Message += "; only known packs are read, and none is removed"
		}
		r.diags = append(r.diags, d)
		entries = named(tree, known)
	case err != nil:
		// The list is incomplete: a pack that is not in it may still exist.
		return reading{diags: diag.List{folderDiagnostic(dir, err)}}
	}
	var sources []source
	var others []string
	for _, e := range r.wanted(".", entries) {
		name := e.Name()
		info, err := tree.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !isLink(e):
			// It was deleted after it was listed.
		case err != nil:
			if mayBePack(e) {
				sources = append(sources, source{
					name: strings.TrimSuffix(name, ".lua"), path: r.path(name), folder: e.IsDir(),
					broken: diag.List{r.unreadable(name, err)},
				})
			}
		case info.IsDir():
			s := r.folder(name)
			s.name = strings.TrimSuffix(name, ".lua") // it may have replaced a pack's file
			if len(s.files) == 0 && len(s.broken) == 0 {
				others = append(others, s.path)
			} else {
				sources = append(sources, s)
			}
		case isSpec(name):
			if crowded == nil {
				r.orphan(name)
			}
		case strings.HasSuffix(name, ".lua"):
			sources = append(sources, r.single(name))
		case path.Ext(name) == "":
			others = append(others, r.path(name))
		default:
			r.misnamed(".", name, RuleFile)
		}
	}
	return reading{whole: true, sources: sources, others: others, ignored: r.ignored, ignore: ignore, diags: r.diags}
}

// refuse records that the pack is too large. What was read of it is discarded.
func (s *source) refuse(message, hint string) {
	s.full, s.files = true, nil
	s.broken = diag.List{{File: s.path, Severity: diag.SeverityError, Message: message, Hint: hint}}
}

// mayBePack reports whether an entry that can't be examined may be a pack.
func mayBePack(e fs.DirEntry) bool {
	name := e.Name()
	switch {
	case e.IsDir():
		return true
	case strings.HasSuffix(name, ".lua"):
		return !isSpec(name)
	case !isLink(e):
		return false
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".txt", ".json", ".yaml", ".yml", ".csv", ".log", ".html", ".pdf":
		return false // a link to a file that is not a pack's
	}
	return true
}

func isSpec(name string) bool { return strings.HasSuffix(name, "_spec.lua") }

func isLink(e fs.DirEntry) bool { return e.Type()&fs.ModeSymlink != 0 }

// folderName returns the name of a folder that is given in any form, such as ".".
func folderName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

// Module returns the name under which require finds a file of lib/; "" for another file.
func (f *File) Module() string {
	if f.Kind != LibFile {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(f.Name, "lib/"), ".lua"), "/", ".")
}
