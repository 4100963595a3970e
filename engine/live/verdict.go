package live

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Verdict is why the present files of a pack are not live. The zero Verdict means that
// they are live.
type Verdict struct {
	Kind        Kind
	Diagnostics diag.List     // errors and warnings of the files
	Lacks       []string      // LacksPermission
	Time        time.Duration // HalfWritten: how long chertd waits for their writer
	Pin         string        // Pinned, RolledBack, CandidateLive: the version that is live instead
	Cause       Cause         // RolledBack
	Ignored     rules.Ignored // FilesGone, FilesIgnored: the ignored file in their place
}

// Kind is the kind of a verdict.
type Kind int

// Kinds of verdicts. FilesLive means that the files are live; each other kind is a
// reason why they are not.
const (
	FilesLive       Kind = iota
	Unreadable           // they could not be read
	HalfWritten          // someone seems to be writing them
	NoRules              // they load, and have no rules
	LacksPermission      // they need a permission that the pack does not have
	UnfitSettings        // the settings in chertd.yaml do not fit them
	LoadFails            // they do not load
	NameTaken            // two packs have the same name
	GateRuns             // specs and checks are running
	GateCut              // specs and checks were not run to the end
	SpecsFail            // the gate refuses them: their specs fail
	ChecksFail           // the gate refuses them: chertd check finds errors
	KeepFailed           // the store failed
	Pinned               // a rollback with --pin holds
	RolledBack           // a rollback holds until the next edit
	CandidateLive        // a candidate was made live in their place
	FilesGone            // they are gone
	FilesIgnored         // they are there, and ignored
	FolderUnread         // the rules folder can't be read
)

// sentences are the kinds for people; those that vary are in String.
var sentences = map[Kind]string{
	Unreadable:    "it can't be read",
	NoRules:       "it has no rules",
	UnfitSettings: "it does not take what chertd.yaml sets",
	LoadFails:     "it does not load",
	NameTaken:     "two packs have this name",
	GateRuns:      "its specs are running",
	GateCut:       "its specs were not run to the end",
	SpecsFail:     "its specs fail",
	ChecksFail:    "chertd check finds errors",
	KeepFailed:    "it could not be kept",
	FolderUnread:  "the rules folder can't be read",
}

// String returns the verdict for people, without its diagnostics; "" for FilesLive.
func (v Verdict) String() string {
	switch v.Kind {
	case HalfWritten:
		return fmt.Sprintf("it looks half written; chertd loads it as it is after %s", diag.Duration(v.Time))
	case LacksPermission:
		return "it needs a permission that it does not have: " + strings.Join(v.Lacks, ", ")
	case Pinned:
		return "pinned to " + rules.ShortOf(v.Pin) + " by rollback --pin"
	case RolledBack:
		text := "rolled back to " + rules.ShortOf(v.Pin)
		if cause := v.Cause.String(); cause != "" {
			text += ": " + cause
		}
		return text
	case CandidateLive:
		return "the candidate " + rules.ShortOf(v.Pin) + " was made live instead"
	case FilesGone:
		if v.Ignored.Path != "" {
			return fmt.Sprintf("%s, and %s is ignored: %s", filesGone, filepath.Base(v.Ignored.Path), v.Ignored.Why)
		}
		return filesGone
	case FilesIgnored:
		return "its files are ignored: " + v.Ignored.Why
	}
	return sentences[v.Kind]
}

const filesGone = "its files are gone"

// Cause is why a pack was rolled back. The zero Cause is unknown: an earlier process
// rolled the pack back.
type Cause struct {
	Kind             CauseKind
	Failures, Events int64 // TrialFailed
}

// CauseKind is the kind of a cause.
type CauseKind int

const (
	NotKnown    CauseKind = iota
	ByCommand             // an operator rolled back
	Undone                // an operator undid a rollback
	TrialFailed           // the version failed on too many of its first events
)

// String returns the cause for people; "" if it is not known.
func (c Cause) String() string {
	switch c.Kind {
	case ByCommand:
		return "by command"
	case Undone:
		return "undone by command"
	case TrialFailed:
		return fmt.Sprintf("it failed on %d of its first %d events, and the version before did not", c.Failures, c.Events)
	}
	return ""
}

// Lost is the version that should be live and can't be loaded, and why. The zero Lost
// means that there is none.
type Lost struct {
	Pack, Version string
	Diagnostics   diag.List // the errors; nil: the version is not kept
}

// Err returns the reason as an *UnknownVersionError or a *LoadError; nil for the zero
// Lost.
func (l Lost) Err() error {
	switch {
	case l.Version == "":
		return nil
	case l.Diagnostics == nil:
		return &UnknownVersionError{Pack: l.Pack, Version: l.Version}
	}
	return &LoadError{Version: l.Version, Diagnostics: l.Diagnostics}
}

// same reports whether two have the same text for people, which is of their first errors.
func (l Lost) same(m Lost) bool {
	return l.Version == m.Version && len(l.Diagnostics) == len(m.Diagnostics) && (len(l.Diagnostics) == 0 || l.Diagnostics[0] == m.Diagnostics[0])
}

// Errors of commands.
var (
	ErrNoPack        = errors.New("there is no such pack")
	ErrNoEarlier     = errors.New("no earlier version is stored")                      // to roll back to
	ErrNotRolledBack = errors.New("it was not rolled back: its files are live")        // there is no rollback to undo
	ErrNoFiles       = errors.New("its files are gone")                                // so that a rollback can't be undone
	ErrShare         = errors.New("it is live in a share of the chats")                // and can have no candidate
	ErrNotLive       = errors.New("no version of it is live, or its mode is not live") // that a candidate could run beside
	ErrSameVersion   = errors.New("these files are the live version")
	ErrIdle          = errors.New("its candidate does not run")
	ErrNoCandidate   = errors.New("it has no candidate")
	ErrPresent       = errors.New("its files are in the rules folder") // of a pack that is to be removed
)

// AmbiguousVersionError is returned for a beginning of the hashes of several versions.
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

// LoadError is why a stored version can't be loaded.
type LoadError struct {
	Version     string
	Diagnostics diag.List // the errors
}

// Error returns one line, with the first of the errors.
func (e *LoadError) Error() string {
	first := e.Diagnostics[0]
	first.Hint = ""
	more := ""
	if n := len(e.Diagnostics) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Sprintf("load version %s: %s%s", rules.ShortOf(e.Version), first, more)
}

// Hint returns the fix of the first of the errors; it may be "".
func (e *LoadError) Hint() string { return e.Diagnostics[0].Hint }

// FolderUnreadError is returned when a pack is to be removed and the rules folder
// can't be read: it is unknown whether the pack's files are gone.
type FolderUnreadError struct {
	Pack   string
	Folder diag.Diagnostic // the error of the folder
}

func (e *FolderUnreadError) Error() string {
	return fmt.Sprintf("remove pack %q: it is unknown whether its files are gone: %s: %s", e.Pack, e.Folder.File, e.Folder.Message)
}

// UnknownVersionError is returned for a version that is not stored.
type UnknownVersionError struct{ Pack, Version string }

func (e *UnknownVersionError) Error() string {
	version := e.Version // as it was typed
	if len(version) > 2*rules.ShortDigits {
		version = rules.ShortOf(version) + "…"
	}
	return fmt.Sprintf("pack %q has no stored version %s", e.Pack, version)
}
