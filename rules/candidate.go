package rules

import (
	"bytes"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// Candidate is a version of a pack that is built from its files and may go live. Before
// Compile only its manifest has been read.
type Candidate struct{ *builder }

// KeptCandidate returns a candidate for a version from its stored files.
func KeptCandidate(pack, path string, files []File, o Options) *Candidate {
	return &Candidate{build(sourceOf(pack, path, files), o)}
}

// Pack returns the pack, as far as it is built.
func (c *Candidate) Pack() *Pack { return c.pack }

// Diagnostics returns the errors and warnings found so far.
func (c *Candidate) Diagnostics() diag.List { return c.diags }

// Compile compiles and loads the files, and checks what they subscribe to.
func (c *Candidate) Compile() { c.compile() }

// Named reports whether the pack's name is known. It is not if it may be in a pack.yaml
// that can't be read.
func (c *Candidate) Named() bool {
	return c.pack.Manifest.Name != "" || !c.manifestBroken && !c.src.broken.Errors()
}

// As returns the candidate under another pack's name, for one that is not Named.
func (c *Candidate) As(pack string) *Candidate {
	src := c.src
	src.name = pack
	return &Candidate{build(src, c.opts)}
}

// IsFolder reports whether the pack is a folder, and not a single file.
func (c *Candidate) IsFolder() bool { return c.src.folder }

// Broken reports whether not all files could be read completely.
func (c *Candidate) Broken() bool { return c.src.broken.Errors() }

// Empty reports whether the files load, and have no rules.
func (c *Candidate) Empty() bool { return c.empty }

// Lacks returns the permissions that the pack needs and does not have.
func (c *Candidate) Lacks() []string { return c.lacks }

// GrantsInVain returns the permissions that chertd.yaml grants and the pack does not
// request.
func (c *Candidate) GrantsInVain() []string { return c.grantsInVain() }

// NameTaken adds the error that another pack has the same name, and returns it.
func (c *Candidate) NameTaken(other *Candidate) diag.Diagnostic {
	c.nameTaken(other.builder)
	return c.diags[len(c.diags)-1]
}

// MayVeto reports whether the files use a veto, or might: a file that can't be read or
// does not compile may contain anything. While such a pack is not live, reads are blocked.
func (c *Candidate) MayVeto() bool {
	switch c.pack.Manifest.FailurePolicy {
	case FailClosed:
		return true
	case FailOpen:
		return false
	}
	return c.src.broken.Errors() || c.manifestBroken || c.pack.CanVeto ||
		slices.ContainsFunc(c.pack.Files, func(f File) bool {
			return (f.Kind == RuleFile || f.Kind == LibFile) && (luabind.MayVeto(f.Bytes) || c.cutShort(f))
		})
}

// Unwritten reports whether the pack has no rule file yet with more in it than blanks
// and the beginning of a comment, and a file other than specs.
func (c *Candidate) Unwritten() bool {
	begun := false
	for _, f := range c.pack.Files {
		if f.Kind == RuleFile && (luabind.HasCode(f.Bytes) || len(bytes.TrimSpace(f.Bytes)) > 0 && endsLine(f.Bytes)) {
			return false
		}
		begun = begun || f.Kind != SpecFile
	}
	return begun
}

// Key returns a hash of the files, specs included, and of the pack's configuration.
func (c *Candidate) Key() string {
	return c.pack.built + contentOf([]source{c.src}, c.diags)
}

// Content returns a hash of the files alone, specs included.
func (c *Candidate) Content() string { return contentOf([]source{c.src}, nil) }

// Refit builds the candidate again without the settings that do not fit it, and with the
// given settings, unless they are nil, in place of those in chertd.yaml. For a pack that
// may veto, it leaves out only unknown settings: with a default in place of an operator's
// value it might not veto. It returns nil if the candidate still does not load.
func (c *Candidate) Refit(settings map[string]any) *Candidate {
	o := c.opts
	if settings != nil {
		mine := c.mine
		mine.Config = settings
		o.Packs = maps.Clone(o.Packs)
		if o.Packs == nil {
			o.Packs = map[string]PackOptions{}
		}
		o.Packs[c.pack.Name] = mine
	}
	if o.leave = leaveUnfit; c.MayVeto() {
		o.leave = leaveUnknown
	}
	left := build(c.src, o)
	if left.compile(); left.diags.Errors() {
		return nil
	}
	return &Candidate{left}
}

// sourceOf returns the source of stored files, as if they were read from disk.
func sourceOf(name, path string, files []File) source {
	single := slices.ContainsFunc(files, func(f File) bool {
		return f.Kind == RuleFile && f.Name == filepath.Base(path) && strings.HasSuffix(path, ".lua")
	})
	src := source{name: name, path: path, folder: !single}
	dir := path
	if single {
		dir = filepath.Dir(path)
	}
	for _, f := range files {
		f.Path = filepath.Join(dir, filepath.FromSlash(f.Name))
		src.files = append(src.files, f)
	}
	return src
}

// cutShort reports whether a source is incomplete, so that the rest may contain a veto:
// it ends within a block, or in the middle of a line of a pack without rules.
func (c *Candidate) cutShort(f File) bool {
	return luabind.EndsEarly(f.Bytes) || c.empty && !endsLine(f.Bytes) && luabind.HasCode(f.Bytes)
}
