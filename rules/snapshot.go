package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"chertd/luabind"
)

// snapshot is what a rules folder held at one moment, exactly as loading sees it.
type snapshot struct {
	content  string                       // hash of all of it
	readable bool                         // the folder itself could be read
	files    map[string][sha256.Size]byte // by path
}

// content hashes what was read. Two readings with the same hash load alike.
func (r *reading) content() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %q %s", contentOf(r.sources, r.diags), r.others, r.ignored, versionOf(r.ignore))
	return hex.EncodeToString(h.Sum(nil))
}

// contentOf hashes packs as they were read.
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
func snap(r reading) snapshot {
	s := snapshot{content: r.content(), readable: !r.diags.Errors(), files: map[string][sha256.Size]byte{}}
	for _, f := range r.ignore {
		s.files[f.Path] = sha256.Sum256(f.Bytes)
	}
	for _, src := range r.sources {
		for _, f := range src.files {
			s.files[f.Path] = sha256.Sum256(f.Bytes)
		}
	}
	return s
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
