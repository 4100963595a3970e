package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"chertd/luabind/diag"
)

// VersionOf returns the hash of a version's files. Specs are not part of it: they do not
// change what the pack does.
func VersionOf(files []File) string {
	h := sha256.New()
	for _, f := range files {
		if f.Kind != SpecFile {
			fmt.Fprintf(h, "%q %s %d\n", f.Name, f.Kind, len(f.Bytes))
			h.Write(f.Bytes)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ContentOf returns a hash of files, specs included.
func ContentOf(files []File) string { return contentOf([]source{{files: files}}, nil) }

// content returns a hash of all that was read. Readings with the same hash load alike.
func (r *reading) content() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %q %s", contentOf(r.sources, r.diags), r.others, r.ignored, VersionOf(r.ignore))
	return hex.EncodeToString(h.Sum(nil))
}

// contentOf returns a hash of packs and diagnostics.
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
