package rules

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"chertd/luabind/diag"
)

// reader reads packs below an opened folder.
type reader struct {
	tree    Tree
	bytes   int64  // read so far
	dir     string // as given; diagnostics have paths below it
	ignore  ignoreRules
	ignored []Ignored
	diags   diag.List
}

// single reads a single-file pack and its spec.
func (r *reader) single(name string) source {
	s := source{name: strings.TrimSuffix(name, ".lua"), path: r.path(name)}
	r.add(&s, name, name, RuleFile)
	spec := s.name + "_spec.lua"
	// If it can't be examined it may exist: reading it reports why.
	if _, err := r.tree.Lstat(spec); !errors.Is(err, fs.ErrNotExist) {
		r.add(&s, spec, spec, SpecFile)
	}
	return s
}

// folder reads a pack's folder. The source has no files if the folder has none of a
// pack's.
func (r *reader) folder(dir string) source {
	s := source{path: r.path(dir), folder: true}
	for _, e := range r.entries(&s, dir) {
		switch name := e.Name(); {
		case name == "pack.yaml":
			r.add(&s, path.Join(dir, name), name, ManifestFile)
		case name == "pack.yml":
			s.broken = append(s.broken, diag.Diagnostic{File: r.path(path.Join(dir, name)), Severity: diag.SeverityError,
				Message: "a pack's settings are read from pack.yaml, not pack.yml", Hint: "rename it to pack.yaml"})
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

// subfolder adds the files of a subfolder of the pack, and of those below it.
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

// entries lists a pack's folder without the ignored entries, sorted.
func (r *reader) entries(s *source, dir string) []fs.DirEntry {
	if s.full {
		return nil
	}
	entries, err := r.tree.ReadDir(dir)
	s.seen += len(entries)
	if crowded := (*crowdedError)(nil); errors.As(err, &crowded) || s.seen > MaxEntries {
		s.refuse(fmt.Sprintf("the pack holds more than %d files and folders", MaxEntries), "move everything else out of its folder; put many values into one file in data/")
		return nil
	}
	if err != nil {
		s.broken = append(s.broken, r.unreadable(dir, err))
	}
	return r.wanted(dir, entries)
}

// add reads a file into the source, or records why it can't be read.
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
		s.refuse(fmt.Sprintf("the pack holds more than %d MiB", maxPackBytes>>20), "move everything else out of its folder")
		return
	case r.bytes > maxFolderBytes:
		r.bytes -= s.bytes
		s.refuse(fmt.Sprintf("it is not read: together with the packs before it, it holds more than %d MiB", maxFolderBytes>>20), "make the packs' files smaller")
		return
	}
	if err != nil {
		s.broken = append(s.broken, r.unreadable(at, err))
		return
	}
	s.files = append(s.files, File{Name: name, Path: r.path(at), Kind: kind, Bytes: b})
}

func (r *reader) read(name string) ([]byte, error) {
	// Opening a named pipe or a device may block.
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
