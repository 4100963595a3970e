package live

import (
	"context"
	"slices"
	"time"

	"chertd/rules"
)

// Keeper remembers packs beyond the life of the process: every version that
// was live, and what operators set of each pack. Its errors name the
// operation and the pack, so callers do not add them.
type Keeper interface {
	// SaveVersion stores a version that goes live, or a candidate, with its files. Of a
	// version that is stored already it replaces Last and RolledBack; its files, Since, counts and
	// PendingKept stay.
	SaveVersion(ctx context.Context, v KeptVersion) error
	// Version returns a kept version with its files; the given one may be a
	// unique beginning of its hash. ok is false if there is none.
	Version(ctx context.Context, pack, version string) (v KeptVersion, ok bool, err error)
	// Versions returns at most limit of a pack's versions, without their files, the one
	// that was live last first.
	Versions(ctx context.Context, pack string, limit int) ([]KeptVersion, error)
	// PackStates returns the stored state of each pack, by name.
	PackStates(ctx context.Context) ([]PackState, error)
	// SetPackState replaces the stored state of a pack, except PendingKept and
	// RulesDeleted, which have methods of their own. It drops the pack's versions
	// beyond the last KeptVersions, but not the live one, the pinned one and the candidate.
	SetPackState(ctx context.Context, s PackState) error
	// ForgetPack records that a pack is not there any more. Its state, kv and versions
	// stay.
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

// KeptVersion is one version of a pack that was live at some time, or a candidate.
type KeptVersion struct {
	Pack    string
	Version string       // Pack.Version
	Path    string       // of its file or folder
	Files   []rules.File // Name, Kind and Bytes alone
	Rules   []string     // their names, which SaveVersion notes; the other methods leave them out
	Since   time.Time    // first live; of a Candidate: when it was first tried
	Last    time.Time    // made live last
	// Counted with every decision the version takes part in.
	Events   int64
	Failures int64
	// RolledBack is when it was rolled back, automatically or by hand; zero: never,
	// or it was live since, by hand or by an edit.
	RolledBack time.Time
	// Candidate is whether the version ran beside a live one, and was never live in all
	// chats. SaveVersion does not set it of a stored version, but resets it.
	Candidate bool
	// PendingKept is whether the version was rolled back and its pending reads and
	// timers stay (--keep-pending). SaveVersion does not set it.
	PendingKept bool
}

// record returns the version's counts of events.
func (v *KeptVersion) record() Record {
	return Record{Version: v.Version, Events: v.Events, Failures: v.Failures}
}

// failing reports whether the version failed on more events than a new one may.
func (v *KeptVersion) failing() bool {
	r := v.record()
	return r.failing()
}

// filesOver returns the files as they are now, except for specs: those are as stored.
func (v *KeptVersion) filesOver(now []rules.File) []rules.File {
	files := slices.DeleteFunc(slices.Clone(now), isSpec)
	return append(files, slices.DeleteFunc(slices.Clone(v.Files), func(f rules.File) bool { return !isSpec(f) })...)
}

// PackState is a pack's state in the store, without its versions.
type PackState struct {
	Pack string
	Live string     // the version that is live, or was when the daemon last ran; "": none ever
	Mode rules.Mode // by command; "": chertd.yaml and pack.yaml decide
	Why  string     // of Mode, where chertd set it itself: "more than 300 reads in 10m"
	// Author is who set the mode; zero where chertd set it, or no command did. Until is when the
	// mode ends, and Under what returns then; zero: it has no end.
	Author
	Until time.Time
	Under Under
	// RuleModes are the modes of single rules.
	RuleModes RuleModes
	// Share is the share of the chats in which the pack is live, by the same command; with a
	// Candidate, of those in which that is. It is kept while a limit of reads has the pack
	// in shadow.
	Share rules.Share
	// Candidate is the version that runs beside the live one; "": none does.
	Candidate string
	// Limit is the limit of reads that the pack had reached, if that is the reason or, of a
	// pack that is not in shadow, the one for which the share of its Candidate ended; else
	// zero.
	Limit rules.Rate
	// Pinned is the version that a rollback made live; "": none. It stays live until
	// the pack's files are other than PinnedOver.
	Pinned     string
	PinnedOver string // Version of the pack's files at the rollback; "" with the next two
	PinStays   bool   // no edit ends the rollback (--pin)
	// PinnedWithoutFiles is whether the pack had no files at the rollback.
	PinnedWithoutFiles bool
	Promoted           bool // Pinned is a candidate that a command made live
	// Settings are the pack's settings in chertd.yaml when they last fitted the live
	// version, as JSON; "": not known.
	Settings string
	// PendingKept is whether the pack is not live, or not in all chats, and its pending
	// reads and timers stay (--keep-pending). SetPackState does not set it.
	PendingKept bool
	// RulesDeleted is whether pending reads of rules that were deleted from the pack
	// are still to be dropped. SetPackState does not set it.
	RulesDeleted bool
}

// acts reports whether what a version requests is carried out, in some chats at least.
func (p *PackState) acts(version string) bool {
	return version == p.Live || version == p.Candidate && p.Share != 0
}

// unpinned returns the state without its rollback.
func (p PackState) unpinned() PackState {
	p.Pinned, p.PinnedOver, p.PinStays, p.PinnedWithoutFiles, p.Promoted = "", "", false, false, false
	return p
}

// blank reports whether the state has nothing but flags of pending work.
func (p PackState) blank() bool {
	p.PendingKept, p.RulesDeleted = false, false
	return p == PackState{Pack: p.Pack}
}
