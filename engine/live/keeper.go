package live

import (
	"context"
	"slices"
	"time"

	"chertd/rules"
)

// Keeper remembers packs beyond the life of the process: every version that
// was live, and what operators said about each pack. Its errors say what was
// being done, and with which pack: who returns them does not say it again.
type Keeper interface {
	// SaveVersion keeps a version that goes live, with its files. Of one that is
	// kept already Last and RolledBack are replaced; its files, Since, counts and
	// PendingKept stay.
	SaveVersion(ctx context.Context, v KeptVersion) error
	// Version returns a kept version with its files; the given one may be a
	// unique beginning of its hash. ok is false if there is none.
	Version(ctx context.Context, pack, version string) (v KeptVersion, ok bool, err error)
	// Versions returns a pack's versions without their files, the one that was
	// live last first, at most limit.
	Versions(ctx context.Context, pack string, limit int) ([]KeptVersion, error)
	// PackStates returns what is remembered of each pack, by name.
	PackStates(ctx context.Context) ([]PackState, error)
	// SetPackState replaces what is remembered of a pack, except PendingKept and
	// RulesDeleted, which have methods of their own. It drops the pack's versions
	// beyond the last KeptVersions, but not the live and the pinned one.
	SetPackState(ctx context.Context, s PackState) error
	// ForgetPack drops what is remembered of a pack's being there. Its state, kv
	// and versions stay.
	ForgetPack(ctx context.Context, pack string) error
	// SetPendingKept sets PendingKept of a version of a pack or, if version is "",
	// of the pack.
	SetPendingKept(ctx context.Context, pack, version string, kept bool) error
	// SetRulesDeleted sets RulesDeleted of a pack.
	SetRulesDeleted(ctx context.Context, pack string, deleted bool) error
	// IgnoreFile returns the content of .chertignore as SetIgnoreFile last set it;
	// nil: there was no such file.
	IgnoreFile(ctx context.Context) ([]byte, error)
	SetIgnoreFile(ctx context.Context, content []byte) error
}

// KeptVersions is how many versions of a pack are kept.
const KeptVersions = 50

// KeptVersion is one version of a pack that was live at some time.
type KeptVersion struct {
	Pack    string
	Version string       // Pack.Version
	Path    string       // of its file or folder
	Files   []rules.File // Name, Kind and Bytes alone
	Since   time.Time    // first live
	Last    time.Time    // made live last
	// Counted with every decision the version takes part in.
	Events   int64
	Failures int64
	// RolledBack is when it was rolled back, automatically or by hand; zero: never,
	// or it was live since, by hand or by an edit.
	RolledBack time.Time
	// PendingKept is whether the version was rolled back and its pending reads and
	// timers stay (--keep-pending). SaveVersion does not set it.
	PendingKept bool
}

// record is how the version did.
func (v *KeptVersion) record() Record {
	return Record{Version: v.Version, Events: v.Events, Failures: v.Failures}
}

// failing reports whether the version failed on more events than a new one may.
func (v *KeptVersion) failing() bool {
	r := v.record()
	return r.failing()
}

// filesOver are the files as they are now, but for specs: those are as kept.
func (v *KeptVersion) filesOver(now []rules.File) []rules.File {
	isSpec := func(f rules.File) bool { return f.Kind == rules.SpecFile }
	files := slices.DeleteFunc(slices.Clone(now), isSpec)
	return append(files, slices.DeleteFunc(slices.Clone(v.Files), func(f rules.File) bool { return !isSpec(f) })...)
}

// PackState is what the store has of a pack besides its versions.
type PackState struct {
	Pack string
	Live string     // the version that is live, or was when the daemon last ran; "": none ever
	Mode rules.Mode // by command; "": chertd.yaml and pack.yaml decide
	Why  string     // of Mode, where chertd set it itself: "more than 300 reads in 10m"
	// Limit is the limit of reads that the pack had reached, where that is why; zero:
	// it is not.
	Limit rules.Rate
	// Pinned is the version that a rollback made live; "": none. It stays live until
	// the pack's files are other than PinnedOver.
	Pinned     string
	PinnedOver string // Version of the pack's files at the rollback; "" with the next two
	PinStays   bool   // no edit ends the rollback (--pin)
	// PinnedWithoutFiles is whether the pack had no files at the rollback.
	PinnedWithoutFiles bool
	// Settings is what chertd.yaml set of the pack when that fitted the live version
	// last, as JSON; "": not known.
	Settings string
	// PendingKept is whether the pack is not live and its pending reads and timers
	// stay (--keep-pending). SetPackState does not set it.
	PendingKept bool
	// RulesDeleted is whether pending reads of rules that were deleted from the pack
	// are still to be dropped. SetPackState does not set it.
	RulesDeleted bool
}

// State is the part of a PackState by which a step decides.
type State struct {
	Pack string
	Live string     // the version that ought to be live; "": none ever was
	Set  rules.Mode // the mode that was set; "": chertd.yaml and pack.yaml decide
	// Limit is the limit of reads that the pack has reached, if chertd set the mode
	// because of it.
	Limit    rules.Rate
	Pin      Pin
	Settings string
}

// why returns why chertd set the mode itself; "" if it did not.
func (s State) why() string {
	if s.Limit == (rules.Rate{}) {
		return ""
	}
	return s.Limit.Reached()
}

// Pin is a rollback that is in force. The zero Pin is none.
type Pin struct {
	Version string // that it made live
	Until   PinEnd
	Over    string // UntilEdit: the version of the files when it began
}

// PinEnd is what ends a rollback, beside the next one and undo.
type PinEnd int

const (
	UntilEdit          PinEnd = iota // other files than Pin.Over
	UntilUndone                      // nothing else: rollback --pin
	UntilFiles                       // files: there were none
	UntilUndoneNoFiles               // nothing else, and there were no files
)

// Stays reports whether edits do not end the rollback.
func (p Pin) Stays() bool {
	return p.Version != "" && (p.Until == UntilUndone || p.Until == UntilUndoneNoFiles)
}

// stateOf returns the State of a stored row.
func stateOf(row PackState) State {
	s := State{Pack: row.Pack, Live: row.Live, Set: row.Mode, Limit: row.Limit, Settings: row.Settings, Pin: Pin{Version: row.Pinned}}
	switch {
	case row.Pinned == "":
	case row.PinStays && row.PinnedWithoutFiles:
		s.Pin.Until = UntilUndoneNoFiles
	case row.PinStays:
		s.Pin.Until = UntilUndone
	case row.PinnedWithoutFiles:
		s.Pin.Until = UntilFiles
	default:
		s.Pin.Over = row.PinnedOver
	}
	return s
}

// row returns the state as it is stored.
func (s State) row() PackState {
	row := PackState{Pack: s.Pack, Live: s.Live, Mode: s.Set, Why: s.why(), Limit: s.Limit, Settings: s.Settings, Pinned: s.Pin.Version}
	if s.Pin.Version != "" {
		row.PinnedOver, row.PinStays = s.Pin.Over, s.Pin.Stays()
		row.PinnedWithoutFiles = s.Pin.Until == UntilFiles || s.Pin.Until == UntilUndoneNoFiles
	}
	return row
}
