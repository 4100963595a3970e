package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"chertd/luabind"
)

// snapshot is what a rules folder held at one moment, exactly as loading sees it.
type snapshot struct {
	content  string // hash of all of it
	readable bool   // the folder itself could be read
	packs    map[string]bool
	files    map[string]fileMark // by path
}

// fileMark is what is kept of a file to tell what became of it.
type fileMark struct {
	sum   [sha256.Size]byte
	size  int
	whole bool // empty, or its last line ends
}

// contentOf hashes what was read from a folder. Two readings with the same
// hash load alike.
func contentOf(sources []source, diags luabind.Diagnostics) string {
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
func snap(sources []source, diags luabind.Diagnostics) snapshot {
	s := snapshot{content: contentOf(sources, diags), readable: len(diags) == 0, packs: map[string]bool{}, files: map[string]fileMark{}}
	for _, src := range sources {
		s.packs[src.path] = true
		for _, f := range src.files {
			s.files[f.Path] = fileMark{
				sum:   sha256.Sum256(f.Bytes),
				size:  len(f.Bytes),
				whole: len(f.Bytes) == 0 || bytes.HasSuffix(f.Bytes, []byte("\n")),
			}
		}
	}
	return s
}

// unfinished returns the packs, by path, that look as if someone is still at
// them: a file that ends within a line or has shrunk by more than half, or a
// pack that is gone.
func (s snapshot) unfinished(before snapshot) map[string]bool {
	if !s.readable || !before.readable {
		return nil
	}
	packs := map[string]bool{}
	for path, now := range s.files {
		was, known := before.files[path]
		switch {
		case known && now.sum == was.sum:
		case known && now.size*2 < was.size, !now.whole && (!known || was.whole):
			packs[s.packOf(path)] = true
		}
	}
	for path := range before.packs {
		if !s.packs[path] {
			packs[path] = true
		}
	}
	return packs
}

// moved reports whether a pack is gone and another is new: then they may be one,
// and must not both run until it is known.
func (s snapshot) moved(before snapshot) bool {
	gone, fresh := false, false
	for path := range before.packs {
		gone = gone || !s.packs[path]
	}
	for path := range s.packs {
		fresh = fresh || !before.packs[path]
	}
	return gone && fresh
}

// packOf is the path of the pack that a file belongs to.
func (s snapshot) packOf(file string) string {
	if single := strings.TrimSuffix(file, "_spec.lua") + ".lua"; single != file+".lua" && s.packs[single] {
		return single
	}
	for path := range s.packs {
		if file == path || strings.HasPrefix(file, path+"/") {
			return path
		}
	}
	return file
}

// besides hashes all files but those of some packs.
func (s snapshot) besides(packs map[string]bool) string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		if !packs[s.packOf(path)] {
			fmt.Fprintf(h, "%q %x\n", path, s.files[path].sum)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// changes says in a few words what is different from before.
func (s snapshot) changes(before snapshot) string {
	if !s.readable {
		return "the folder can't be read"
	}
	var what []string
	for path, now := range s.files {
		if was, known := before.files[path]; !known {
			what = append(what, path+" is new")
		} else if was.sum != now.sum {
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
