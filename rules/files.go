package rules

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"chertd/luabind"
	"chertd/luabind/diag"
)

const (
	// maxFileSize bounds a file of a pack; sources are held to less by luabind.
	maxFileSize = 8 << 20
	// maxPackBytes bounds all files of a pack, maxFolderBytes those of all packs.
	maxPackBytes   = 32 << 20
	maxFolderBytes = 128 << 20
	// maxLibDepth is how deep folders below lib/ are looked into.
	maxLibDepth = 4
)

// FileKind is what a file is to its pack.
type FileKind string

const (
	RuleFile     FileKind = "rules"
	LibFile      FileKind = "lib"
	DataFile     FileKind = "data"
	SpecFile     FileKind = "spec"
	ManifestFile FileKind = "pack.yaml"
	IgnoreFile   FileKind = ".chertignore" // of the rules folder, and of no pack
)

// File is a file of a pack as it was read. Its content is never written to.
type File struct {
	Name  string // within the pack, slashes: "10-hold.lua", "lib/phones.lua"
	Path  string // as in diagnostics: relative if the folder was given so
	Kind  FileKind
	Bytes []byte
}

// source is a pack as found on disk, not looked into yet.
type source struct {
	name   string // of the file or the folder
	path   string
	folder bool
	files  []File
	// broken says what of it could not be read; such a pack does not load.
	broken diag.List

	seen  int   // files and folders that were listed
	bytes int64 // of files
	full  bool  // it has too much of either: nothing more is read
}

// refuse notes that there is too much of a pack. What was read of it is of no use.
func (s *source) refuse(message, hint string) {
	s.full, s.files = true, nil
	s.broken = diag.List{{File: s.path, Severity: diag.SeverityError, Message: message, Hint: hint}}
}

// reading is what a rules folder held at one moment.
type reading struct {
	sources []source  // by name of the file or folder
	ignored []Ignored // what would be rules but for its name
	others  []string  // paths of what is no pack, and would have been one with rules in it
	whole   bool      // it is a folder of packs, and was read to its end
	ignore  []File    // .chertignore as it is on disk; empty: there is none
	diags   diag.List // what concerns no single pack; an error: the folder was not read to its end
}

// readFolder reads all packs of a rules folder, in the order of their names.
func readFolder(dir string) reading { return readTree(dir, OpenTree, nil, nil) }

// readTree reads a rules folder. ignoreBy is given .chertignore as it is on disk,
// and returns the one whose patterns are to count, or why the folder can't be
// read yet. Nil: the one on disk counts. known are names of files and folders of
// packs: they alone are read of a folder that holds too many.
func readTree(dir string, open func(dir string) (Tree, error), known []string, ignoreBy func(now []File) (use []File, wait diag.List)) reading {
	tree, err := open(dir)
	if err != nil {
		return reading{diags: diag.List{folderDiagnostic(dir, err)}}
	}
	defer tree.Close()
	r := reader{tree: tree, dir: dir}
	ignore, err := r.readIgnoreFile()
	if err != nil {
		return reading{diags: diag.List{r.unreadable(ignoreFile, err)}}
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
		d := diag.Diagnostic{File: dir, Severity: diag.SeverityError, Message: crowded.Error(), Hint: "move out of it what is not a pack"}
		if len(known) > 0 {
			d.Message += ": only packs that are known already are read, and none is removed"
		}
		r.diags = append(r.diags, d)
		entries = named(tree, known)
	case err != nil:
		// What it did list is not all: nothing can be said of what is missing.
		return reading{diags: diag.List{folderDiagnostic(dir, err)}}
	}
	var sources []source
	var others []string
	for _, e := range r.wanted(".", entries) {
		name := e.Name()
		info, err := tree.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !isLink(e):
			// It was deleted since it was listed.
		case err != nil:
			if mayBePack(e) {
				sources = append(sources, source{
					name: strings.TrimSuffix(name, ".lua"), path: r.path(name), folder: e.IsDir(),
					broken: diag.List{r.unreadable(name, err)},
				})
			}
		case info.IsDir():
			s := r.folder(name)
			s.name = strings.TrimSuffix(name, ".lua") // it may stand where a pack's file was
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

// reader reads packs below an opened folder.
type reader struct {
	tree    Tree
	bytes   int64  // read so far
	dir     string // as given, for paths in diagnostics
	ignore  ignoreRules
	ignored []Ignored
	diags   diag.List
}

func (r *reader) single(name string) source {
	s := source{name: strings.TrimSuffix(name, ".lua"), path: r.path(name)}
	r.add(&s, name, name, RuleFile)
	spec := s.name + "_spec.lua"
	// What can't be looked at is there, for all that is known: reading says why.
	if _, err := r.tree.Lstat(spec); !errors.Is(err, fs.ErrNotExist) {
		r.add(&s, spec, spec, SpecFile)
	}
	return s
}

// folder reads a pack's folder. One without any file of a pack has no files.
func (r *reader) folder(dir string) source {
	s := source{path: r.path(dir), folder: true}
	for _, e := range r.entries(&s, dir) {
		switch name := e.Name(); {
		case name == "pack.yaml":
			r.add(&s, path.Join(dir, name), name, ManifestFile)
		case name == "pack.yml":
			s.broken = append(s.broken, diag.Diagnostic{File: r.path(path.Join(dir, name)), Severity: diag.SeverityError,
				Message: "a pack's settings are read from pack.yaml, not pack.yml", Hint: "rename it"})
		case isSpec(name):
			r.add(&s, path.Join(dir, name), name, SpecFile)
		case strings.HasSuffix(name, ".lua"):
			r.add(&s, path.Join(dir, name), name, RuleFile)
		case name == "lib":
			r.subfolder(&s, dir, name, LibFile, maxLibDepth)
		case name == "data":
			r.subfolder(&s, dir, name, DataFile, 1)
		case name == "spec":
			r.subfolder(&s, dir, name, SpecFile, 1)
		default:
			r.misnamed(dir, name, RuleFile)
		}
	}
	return s
}

// subfolder adds the files of a folder of the pack, and of those below it.
func (r *reader) subfolder(s *source, dir, sub string, kind FileKind, depth int) {
	at := path.Join(dir, sub)
	if info, err := r.tree.Stat(at); err == nil && !info.IsDir() {
		return
	}
	for _, e := range r.entries(s, at) {
		file := path.Join(sub, e.Name())
		info, err := r.tree.Stat(path.Join(dir, file))
		switch {
		case err == nil && info.IsDir():
			if depth > 1 {
				r.subfolder(s, dir, file, kind, depth-1)
			}
		case err != nil && (e.IsDir() || isLink(e)) && depth > 1:
			s.broken = append(s.broken, r.unreadable(path.Join(dir, file), err))
		case kind == DataFile && dataFormat(file) == "", kind != DataFile && !strings.HasSuffix(file, ".lua"):
			r.misnamed(at, e.Name(), kind)
		default:
			r.add(s, path.Join(dir, file), file, kind)
		}
	}
}

// entries lists a pack's folder without what is ignored, sorted.
func (r *reader) entries(s *source, dir string) []fs.DirEntry {
	if s.full {
		return nil
	}
	entries, err := r.tree.ReadDir(dir)
	s.seen += len(entries)
	if crowded := (*crowdedError)(nil); errors.As(err, &crowded) || s.seen > maxEntries {
		s.refuse(fmt.Sprintf("the pack holds more than %d files and folders", maxEntries), "move out of its folder what is not the pack's; many values belong into one file of data/")
		return nil
	}
	if err != nil {
		s.broken = append(s.broken, r.unreadable(dir, err))
	}
	return r.wanted(dir, entries)
}

// add reads a file into the source, or notes why it can't be read.
func (r *reader) add(s *source, at, name string, kind FileKind) {
	if s.full {
		return
	}
	b, err := r.read(at)
	s.bytes += int64(len(b))
	r.bytes += int64(len(b))
	switch {
	case s.bytes > maxPackBytes:
		r.bytes -= s.bytes
		s.refuse(fmt.Sprintf("the pack holds more than %d MiB", maxPackBytes>>20), "move out of its folder what is not the pack's")
		return
	case r.bytes > maxFolderBytes:
		r.bytes -= s.bytes
		s.refuse(fmt.Sprintf("it is not read: with the packs before it, it holds more than %d MiB", maxFolderBytes>>20), "make files of the packs smaller")
		return
	}
	if err != nil {
		s.broken = append(s.broken, r.unreadable(at, err))
		return
	}
	s.files = append(s.files, File{Name: name, Path: r.path(at), Kind: kind, Bytes: b})
}

func (r *reader) read(name string) ([]byte, error) {
	// A named pipe or a device would hold up whoever opens it.
	info, err := r.tree.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a folder")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	f, err := r.tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > maxFileSize {
		return nil, fmt.Errorf("it is larger than %d MiB", maxFileSize>>20)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(b) > maxFileSize {
		err = fmt.Errorf("it is larger than %d MiB", maxFileSize>>20)
	}
	return b, err
}

func (r *reader) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// unreadable says why a file can't be read, in particular that a link leads out.
func (r *reader) unreadable(name string, err error) diag.Diagnostic {
	d := diag.Diagnostic{File: r.path(name), Severity: diag.SeverityError, Message: "it can't be read: " + cause(err)}
	d.Hint = luabind.OpenFilesHint(err)
	if errors.Is(err, fs.ErrPermission) {
		d.Hint = makeReadable(d.File)
	}
	if info, lerr := r.tree.Lstat(name); lerr != nil || info.Mode()&fs.ModeSymlink == 0 {
		return d
	}
	target, _ := r.tree.Readlink(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Message = fmt.Sprintf("it is a symlink to %s, which is not there", target)
	case escapes(err):
		d.Message = fmt.Sprintf("it is a symlink to %s, which leaves the rules folder", target)
		d.Hint = "copy the file into the folder; a link may lead to anything within it"
	default:
		d.Message = fmt.Sprintf("it is a symlink to %s, which can't be read: %s", target, cause(err))
	}
	return d
}

// folderDiagnostic says why a folder of rules can't be read.
func folderDiagnostic(dir string, err error) diag.Diagnostic {
	d := diag.Diagnostic{File: dir, Severity: diag.SeverityError, Message: "it can't be read: " + cause(err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Message = "there is no such file or folder"
		d.Hint = "the folder of the rules is ./rules, or rules.dir in chertd.yaml"
	case strings.Contains(cause(err), "not a directory"):
		d.Message = "it is not a folder"
		d.Hint = "move it away, and put the folder with the rules back; or name that in rules.dir in chertd.yaml"
	case errors.Is(err, fs.ErrPermission):
		d.Hint = makeReadable(dir)
	default:
		d.Hint = luabind.OpenFilesHint(err)
	}
	return d
}

// makeReadable is the hint for a file or folder that the process may not read.
func makeReadable(path string) string {
	return "the user that chertd runs as needs to read it: chmod -R a+rX " + diag.ShellWord(path)
}

// cause is an error without the path, which stands before it in a diagnostic.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// folderName is the name of a folder given in any form, such as ".".
func folderName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

func isSpec(name string) bool { return strings.HasSuffix(name, "_spec.lua") }

func isLink(e fs.DirEntry) bool { return e.Type()&fs.ModeSymlink != 0 }

// mayBePack reports whether an entry that can't be looked at may be a pack.
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
		return false // the link is to a file, and that is none of a pack's
	}
	return true
}
