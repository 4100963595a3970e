package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"chertd/luabind/diag"
)

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
