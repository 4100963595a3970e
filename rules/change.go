package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"chertd/luabind"
)

// Change is what an edit changed of a pack, by rule.
type Change struct {
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Changed []string `json:"changed,omitempty"`
	// Files are those of the pack, but its rule files and specs, that were added,
	// removed or changed: lib, data and pack.yaml.
	Files []string `json:"files,omitempty"`
}

// changeOf compares two versions of a pack. A rule whose handler is as it was
// counts as changed if code of its file outside of all rules is another, and no
// rule of the file accounts for that. Comments and blanks change nothing.
func changeOf(from, to *Pack) (c Change) {
	if from == nil {
		from = &Pack{}
	}
	before := map[string]*Rule{}
	for _, r := range from.Rules {
		before[r.Name] = r
	}
	accounted := map[string]bool{} // files whose difference is a rule's
	fileOf := func(r *Rule) string { return filepath.Base(r.File) }
	for _, r := range to.Rules {
		was := before[r.Name]
		switch {
		case was == nil:
			c.Added = append(c.Added, r.Name)
		case was.digest != r.digest:
			c.Changed = append(c.Changed, r.Name)
		default:
			continue
		}
		accounted[fileOf(r)] = true
	}
	for _, r := range from.Rules {
		if !slices.ContainsFunc(to.Rules, func(n *Rule) bool { return n.Name == r.Name }) {
			c.Removed = append(c.Removed, r.Name)
			accounted[fileOf(r)] = true
		}
	}
	for _, r := range to.Rules {
		file := fileOf(r)
		if was := before[r.Name]; was != nil && !accounted[file] && fileOf(was) == file && from.digests[file] != to.digests[file] {
			c.Changed = append(c.Changed, r.Name)
		}
	}
	c.Files = otherFiles(from.Files, to.Files)
	return c
}

// otherFiles are the names of files but rules and specs that are not the same.
func otherFiles(from, to []File) (names []string) {
	differ := func(in, other []File) {
		for i := range in {
			f := &in[i]
			if f.Kind == RuleFile || f.Kind == SpecFile || slices.Contains(names, f.Name) {
				continue
			}
			if !slices.ContainsFunc(other, func(o File) bool { return o.Name == f.Name && bytes.Equal(o.Bytes, f.Bytes) }) {
				names = append(names, f.Name)
			}
		}
	}
	differ(to, from)
	differ(from, to)
	slices.Sort(names)
	return names
}

// digestOf hashes a subscription without its place.
func digestOf(sub luabind.Subscription) string {
	sub.Index, sub.File, sub.Line, sub.RunLine = 0, "", 0, 0
	text, err := json.Marshal(sub) // keys of maps are sorted
	if err != nil {
		return fmt.Sprintf("%+v", sub)
	}
	sum := sha256.Sum256(text)
	return string(sum[:])
}
