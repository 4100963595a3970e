package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"chertd/luabind/diag"
)

// snapshot is what a rules folder held at one moment, exactly as loading sees it.
type snapshot struct {
	content  string                       // hash of all of it
	readable bool                         // the folder itself could be read
	files    map[string][sha256.Size]byte // by path
	// parts are hashes of what each pack's file or folder holds, by its name in the
	// rules folder; "" is all else: what is ignored, what is wrong.
	parts  map[string]string
	partOf map[string]string // of files, by path
}

// partOf is the part that a file or folder in the rules folder belongs to.
func partOf(name string) string {
	if stem, spec := strings.CutSuffix(name, "_spec.lua"); spec {
		return stem + ".lua"
	}
	if strings.HasPrefix(name, ".") {
		return "" // .chertignore, and a config map's ..data
	}
	return name
}

// content hashes what was read. Two readings with the same hash load alike.
func (r *reading) content() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %q %s", contentOf(r.sources, r.diags), r.others, r.ignored, versionOf(r.ignore))
	return hex.EncodeToString(h.Sum(nil))
}

// contentOf hashes packs as they were read.
func contentOf(sources []source, diags diag.List) string {
	h := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(h, "pack %q %q %t\n", s.name, s.path, s.folder)
		for _, f := range s.files {
			fmt.Fprintf(h, "%q %s %d\n", f.Name, f.Kind, len(f.Bytes))
			h.Write(f.Bytes)
		}
		fmt.Fprintf(h, "%q\n", s.broken)
	}
	fmt.Fprintf(h, "%q", diags)
	return hex.EncodeToString(h.Sum(nil))
}

// snap makes a snapshot of what was read.
func snap(r reading) snapshot {
	s := snapshot{
		content: r.content(), readable: !r.diags.Errors(),
		files: map[string][sha256.Size]byte{}, parts: map[string]string{}, partOf: map[string]string{},
	}
	for _, f := range r.ignore {
		s.files[f.Path] = sha256.Sum256(f.Bytes)
	}
	for _, src := range r.sources {
		part := partOf(filepath.Base(src.path))
		s.parts[part] += contentOf([]source{src}, nil)
		for _, f := range src.files {
			s.files[f.Path] = sha256.Sum256(f.Bytes)
			s.partOf[f.Path] = part
		}
	}
	rest := r
	rest.sources = nil
	s.parts[""] = rest.content()
	return s
}

// differing are the parts that are not as they were before, sorted.
func (s snapshot) differing(before snapshot) (parts []string) {
	for part, now := range s.parts {
		if before.parts[part] != now {
			parts = append(parts, part)
		}
	}
	for part := range before.parts {
		if _, still := s.parts[part]; !still {
			parts = append(parts, part)
		}
	}
	slices.Sort(parts)
	return parts
}

// take takes over some parts of another snapshot. The content is that of all.
func (s *snapshot) take(now snapshot, parts []string) {
	s.readable, s.content = now.readable, now.content
	for _, part := range parts {
		if hash, there := now.parts[part]; there {
			s.parts[part] = hash
		} else {
			delete(s.parts, part)
		}
		for path, of := range s.partOf {
			if of == part {
				delete(s.files, path)
				delete(s.partOf, path)
			}
		}
		for path, of := range now.partOf {
			if of == part {
				s.files[path], s.partOf[path] = now.files[path], part
			}
		}
	}
	if !slices.Contains(parts, "") {
		return
	}
	for path := range s.files {
		if _, ofPack := s.partOf[path]; !ofPack {
			delete(s.files, path)
		}
	}
	for path, sum := range now.files {
		if _, ofPack := now.partOf[path]; !ofPack {
			s.files[path] = sum
		}
	}
}

// clone is a copy that take may change.
func (s snapshot) clone() snapshot {
	s.files, s.parts, s.partOf = maps.Clone(s.files), maps.Clone(s.parts), maps.Clone(s.partOf)
	return s
}

// changes says in a few words what is different from before.
func (s snapshot) changes(before snapshot) string {
	switch {
	case !s.readable && len(s.parts) <= 1:
		return "the folder can't be read"
	case s.readable && !before.readable:
		return "the folder can be read again"
	}
	var what []string
	for path, now := range s.files {
		if was, known := before.files[path]; !known {
			what = append(what, path+" is new")
		} else if was != now {
			what = append(what, path+" changed")
		}
	}
	for path := range before.files {
		if _, still := s.files[path]; !still {
			what = append(what, path+" is gone")
		}
	}
	slices.Sort(what)
	const most = 3
	switch {
	case len(what) == 0:
		return "the folder changed"
	case len(what) > most+1:
		return fmt.Sprintf("%s and %d more", strings.Join(what[:most], ", "), len(what)-most)
	}
	return strings.Join(what, ", ")
}
