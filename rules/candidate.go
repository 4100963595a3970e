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

// Candidate is a version of a pack that is built from its files and may go live.
// Until Compile only its manifest has been read.
type Candidate struct{ *builder }

// KeptCandidate returns a candidate for a version of which the files were kept.
func KeptCandidate(pack, path string, files []File, o Options) *Candidate {
	return &Candidate{build(sourceOf(pack, path, files), o)}
}

// Pack returns the pack, as far as it is built.
func (c *Candidate) Pack() *Pack { return c.pack }

// Diagnostics returns what is wrong with the files so far, and what they are warned
// of.
func (c *Candidate) Diagnostics() diag.List { return c.diags }

// Compile compiles and loads the files, and checks what they subscribe to.
func (c *Candidate) Compile() { c.compile() }

// Named reports whether the pack's name is known: it may stand in a pack.yaml that
// can't be read.
func (c *Candidate) Named() bool { return c.named() }

// As returns the candidate of another pack's name, where its own is not known.
func (c *Candidate) As(pack string) *Candidate {
	src := c.src
	src.name = pack
	return &Candidate{build(src, c.opts)}
}

// IsFolder reports whether the pack is a folder, and not a single file.
func (c *Candidate) IsFolder() bool { return c.src.folder }

// Broken reports whether the files could not be read to their end.
func (c *Candidate) Broken() bool { return c.src.broken.Errors() }

// Empty reports whether the files load, and have no rules.
func (c *Candidate) Empty() bool { return c.empty }

// Lacks lists the permissions that the pack needs and does not have.
func (c *Candidate) Lacks() []string { return c.lacks }

// GrantsInVain lists the permissions that chertd.yaml grants and for which the pack
// does not ask.
func (c *Candidate) GrantsInVain() []string { return c.grantsInVain() }

// NameTaken adds the error that another pack has the same name, and returns it.
func (c *Candidate) NameTaken(other *Candidate) diag.Diagnostic {
	c.nameTaken(other.builder)
	return c.diags[len(c.diags)-1]
}

// MayVeto reports whether files that may not even compile use a veto: the reads
// of events such a pack can't look at are blocked. What can't be read might hold
// anything.
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

// Unwritten reports whether the pack's rule files have yet to be written: there are
// none, or none has more in it than blanks and the beginning of a comment.
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

// Key tells two readings of an edit apart, specs and configuration included.
func (c *Candidate) Key() string {
	return c.pack.built + contentOf([]source{c.src}, c.diags)
}

// Content tells edits apart, by the files alone.
func (c *Candidate) Content() string { return contentOf([]source{c.src}, nil) }

// Refit builds the candidate again without the settings that it does not take, and
// with the given ones in place of those in chertd.yaml unless they are nil. A pack
// that can veto keeps each setting that it has: with its default it might let
// through what the operator's would not. It returns nil if the candidate still does
// not load.
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

// sourceOf is a pack as it was found on disk, of files as they are kept.
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

// cutShort reports whether a source ends before it is complete, so that the rest
// might hold a veto: within a block, or in the last line of a pack that has no
// rules yet.
func (c *Candidate) cutShort(f File) bool {
	return luabind.EndsEarly(f.Bytes) || c.empty && !endsLine(f.Bytes) && luabind.HasCode(f.Bytes)
}
