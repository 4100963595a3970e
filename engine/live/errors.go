package live

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// ErrNoPack is returned for a pack that is not there.
var ErrNoPack = errors.New("there is no such pack")

// ErrNoEarlier is returned if there is no version to roll back to.
var ErrNoEarlier = errors.New("no earlier version is stored")

// ErrNotRolledBack is returned if there is no rollback to undo.
var ErrNotRolledBack = errors.New("it was not rolled back: its files are live")

// ErrNoFiles is returned if a rollback is to be undone and the pack has no files.
var ErrNoFiles = errors.New("its files are gone")

// AmbiguousVersionError is returned for a beginning that several versions have.
type AmbiguousVersionError struct {
	Pack, Version string
	Candidates    []KeptVersion // the one that was live last first
}

func (e *AmbiguousVersionError) Error() string {
	words := make([]string, len(e.Candidates))
	for i, v := range e.Candidates {
		digits := max(rules.ShortDigits, len(e.Version))
		for slices.ContainsFunc(e.Candidates, func(o KeptVersion) bool { return o.Version != v.Version && o.Version[:digits] == v.Version[:digits] }) {
			digits++
		}
		words[i] = fmt.Sprintf("%s (live until %s)", v.Version[:digits], v.Last.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("pack %q has %d versions that begin with %s: %s", e.Pack, len(words), e.Version, strings.Join(words, ", "))
}

// LoadError says why a version that is kept can't be loaded.
type LoadError struct {
	Version     string
	Diagnostics diag.List // the errors
}

// Error is one line, with the first of them.
func (e *LoadError) Error() string {
	first := e.Diagnostics[0]
	first.Hint = ""
	more := ""
	if n := len(e.Diagnostics) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("load version %s: %s%s", rules.ShortOf(e.Version), first, more)
}

// Hint is what fixes the first of them; it may be "".
func (e *LoadError) Hint() string { return e.Diagnostics[0].Hint }

// ErrPresent is returned when a pack is to be removed whose files are there.
var ErrPresent = errors.New("its files are in the rules folder")

// FolderUnreadError is returned when a pack is to be removed and nobody knows
// whether its files are gone: the rules folder can't be read.
type FolderUnreadError struct {
	Pack   string
	Folder diag.Diagnostic // what is wrong with the folder
}

func (e *FolderUnreadError) Error() string {
	return fmt.Sprintf("remove pack %q: nobody knows whether its files are gone: %s: %s", e.Pack, e.Folder.File, e.Folder.Message)
}

// UnknownVersionError is returned for a version that is not kept.
type UnknownVersionError struct{ Pack, Version string }

func (e *UnknownVersionError) Error() string {
	version := e.Version // as it was typed
	if len(version) > 2*rules.ShortDigits {
		version = rules.ShortOf(version) + "…"
	}
	return fmt.Sprintf("pack %q has no stored version %s", e.Pack, version)
}
