package live

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"chertd/rules"
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

// snap makes a snapshot of what was read.
func snap(r *rules.Folder) snapshot {
	s := snapshot{
		content: r.Content(), readable: !r.Diagnostics().Errors(),
		files: map[string][sha256.Size]byte{}, parts: map[string]string{}, partOf: map[string]string{},
	}
	for _, f := range r.Ignore() {
		s.files[f.Path] = sha256.Sum256(f.Bytes)
	}
	for _, src := range r.Packs() {
		part := partOf(filepath.Base(src.Path))
		s.parts[part] += src.Content
		for _, f := range src.Files {
			s.files[f.Path] = sha256.Sum256(f.Bytes)
			s.partOf[f.Path] = part
		}
	}
	s.parts[""] = r.Rest()
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
