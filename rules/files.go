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

	"chertd/luabind"
)

const (
	// maxFileSize bounds a file of a pack; sources are held to less by luabind.
	maxFileSize = 8 << 20
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
	broken luabind.Diagnostics
}

// readFolder reads all packs of a rules folder, in the order of their names.
// What concerns no single pack is in the diagnostics. The folder itself may be
// a symlink; a link within it that leaves it is refused (os.Root sees to that,
// without a moment between look and read).
func readFolder(dir string) ([]source, luabind.Diagnostics) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, luabind.Diagnostics{folderDiagnostic(dir, err)}
	}
	defer root.Close()
	r := reader{root: root, dir: dir}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, luabind.Diagnostics{folderDiagnostic(dir, err)}
	}
	var sources []source
	for _, e := range entries {
		name := e.Name()
		if ignored(name) {
			continue
		}
		info, err := r.stat(name)
		if err != nil {
			if isLink(e) || strings.HasSuffix(name, ".lua") {
				sources = append(sources, source{name: strings.TrimSuffix(name, ".lua"), path: r.path(name), broken: luabind.Diagnostics{r.unreadable(name, err)}})
			}
			continue
		}
		switch {
		case info.IsDir():
			if s := r.folder(name); len(s.files) > 0 || len(s.broken) > 0 {
				s.name = name
				sources = append(sources, s)
			}
		case strings.HasSuffix(name, ".lua") && !isSpec(name):
			sources = append(sources, r.single(name))
		}
	}
	return sources, nil
}

// readPath reads what a command was given: a .lua file, a pack's folder or a
// rules folder. A folder is a pack if it has a pack.yaml, lib/, data/ or spec/.
func readPath(name string) ([]source, luabind.Diagnostics) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, luabind.Diagnostics{folderDiagnostic(name, err)}
	}
	if info.IsDir() && !isPackFolder(name) {
		return readFolder(name)
	}
	dir := name
	if !info.IsDir() {
		if !strings.HasSuffix(name, ".lua") {
			return nil, luabind.Diagnostics{{File: name, Severity: luabind.SeverityError, Message: "it is neither a folder nor a .lua file"}}
		}
		dir = filepath.Dir(name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, luabind.Diagnostics{folderDiagnostic(dir, err)}
	}
	defer root.Close()
	r := reader{root: root, dir: dir}
	if !info.IsDir() {
		return []source{r.single(filepath.Base(name))}, nil
	}
	s := r.folder(".")
	s.name = folderName(name)
	return []source{s}, nil
}

// reader reads packs below an opened folder.
type reader struct {
	root *os.Root
	dir  string // as given, for paths in diagnostics
}

func (r *reader) single(name string) source {
	s := source{name: strings.TrimSuffix(name, ".lua"), path: r.path(name)}
	r.add(&s, name, name, RuleFile)
	spec := s.name + "_spec.lua"
	if _, err := r.stat(spec); err == nil {
		r.add(&s, spec, spec, SpecFile)
	}
	return s
}

// folder reads a pack's folder. One without any file of a pack has no files.
func (r *reader) folder(dir string) source {
	s := source{path: r.path(dir), folder: true}
	for _, name := range r.names(&s, dir) {
		switch {
		case name == "pack.yaml":
			r.add(&s, path.Join(dir, name), name, ManifestFile)
		case name == "pack.yml":
			s.broken = append(s.broken, luabind.Diagnostic{File: r.path(path.Join(dir, name)), Severity: luabind.SeverityError,
				Message: "a pack's settings are read from pack.yaml, not pack.yml", Hint: "rename it"})
		case isSpec(name):
			r.add(&s, path.Join(dir, name), name, SpecFile)
		case strings.HasSuffix(name, ".lua"):
			r.add(&s, path.Join(dir, name), name, RuleFile)
		case name == "lib":
			r.tree(&s, dir, name, LibFile, maxLibDepth)
		case name == "data":
			r.tree(&s, dir, name, DataFile, 1)
		case name == "spec":
			r.tree(&s, dir, name, SpecFile, 1)
		}
	}
	return s
}

// tree adds the files of a folder of the pack, and of those below it.
func (r *reader) tree(s *source, dir, sub string, kind FileKind, depth int) {
	at := path.Join(dir, sub)
	if info, err := r.stat(at); err == nil && !info.IsDir() {
		return
	}
	for _, name := range r.names(s, at) {
		file := path.Join(sub, name)
		info, err := r.stat(path.Join(dir, file))
		switch {
		case err == nil && info.IsDir():
			if depth > 1 {
				r.tree(s, dir, file, kind, depth-1)
			}
		case kind == DataFile && dataFormat(name) == "", kind != DataFile && !strings.HasSuffix(name, ".lua"):
		default:
			r.add(s, path.Join(dir, file), file, kind)
		}
	}
}

// names lists a folder's entries that are not ignored, sorted.
func (r *reader) names(s *source, dir string) []string {
	entries, err := fs.ReadDir(r.root.FS(), dir)
	if err != nil {
		s.broken = append(s.broken, r.unreadable(dir, err))
	}
	var names []string
	for _, e := range entries {
		if !ignored(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// add reads a file into the source, or notes why it can't be read.
func (r *reader) add(s *source, at, name string, kind FileKind) {
	b, err := r.read(at)
	if err != nil {
		s.broken = append(s.broken, r.unreadable(at, err))
		return
	}
	s.files = append(s.files, File{Name: name, Path: r.path(at), Kind: kind, Bytes: b})
}

func (r *reader) read(name string) ([]byte, error) {
	// A named pipe or a device would hold up whoever opens it.
	info, err := r.stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a folder")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a regular file")
	}
	f, err := r.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err == nil && len(b) > maxFileSize {
		err = fmt.Errorf("it is larger than %d MiB", maxFileSize>>20)
	}
	return b, err
}

func (r *reader) stat(name string) (fs.FileInfo, error) {
	return r.root.Stat(filepath.FromSlash(name))
}

func (r *reader) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// unreadable says why a file can't be read, in particular that a link leads out.
func (r *reader) unreadable(name string, err error) luabind.Diagnostic {
	d := luabind.Diagnostic{File: r.path(name), Severity: luabind.SeverityError, Message: "it can't be read: " + cause(err)}
	if info, lerr := r.root.Lstat(filepath.FromSlash(name)); lerr != nil || info.Mode()&fs.ModeSymlink == 0 {
		return d
	}
	target, _ := r.root.Readlink(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		d.Message = fmt.Sprintf("it is a symlink to %s, which is not there", target)
		return d
	}
	d.Message = fmt.Sprintf("it is a symlink to %s, which leaves the rules folder", target)
	d.Hint = "copy the file into the folder; a link within it must be relative"
	return d
}

// folderDiagnostic says why a folder of rules can't be read.
func folderDiagnostic(dir string, err error) luabind.Diagnostic {
	d := luabind.Diagnostic{File: dir, Severity: luabind.SeverityError, Message: "it can't be read: " + cause(err)}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.Message = "there is no such file or folder"
		d.Hint = "the folder of the rules is ./rules, or rules.dir in chertd.yaml"
	case strings.Contains(cause(err), "not a directory"):
		d.Message = "it is not a folder"
	}
	return d
}

// cause is an error without the path, which stands before it in a diagnostic.
func cause(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// isPackFolder reports whether a folder is one pack rather than a folder of packs.
func isPackFolder(dir string) bool {
	if info, err := os.Stat(filepath.Join(dir, "pack.yaml")); err == nil && !info.IsDir() {
		return true
	}
	for _, sub := range []string{"lib", "data", "spec"} {
		if info, err := os.Stat(filepath.Join(dir, sub)); err == nil && info.IsDir() {
			return true
		}
	}
	return false
}

// folderName is the name of a folder given in any form, such as ".".
func folderName(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

// ignored reports whether an entry is hidden, or one of those that editors and
// tools leave beside what they write.
func ignored(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") || name == "4913" {
		return true // 4913 is how Vim finds out whether a folder can be written
	}
	if strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#") {
		return true
	}
	for _, ext := range []string{".swp", ".swo", ".swx", ".tmp", ".temp", ".bak", ".orig", ".rej", ".part"} {
		if strings.HasSuffix(strings.ToLower(name), ext) {
			return true
		}
	}
	return false
}

func isSpec(name string) bool { return strings.HasSuffix(name, "_spec.lua") }

func isLink(e fs.DirEntry) bool { return e.Type()&fs.ModeSymlink != 0 }
