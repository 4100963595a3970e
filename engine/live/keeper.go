package live

import (
	"context"
	"slices"
	"time"

	"chertd/rules"
)

// Keeper remembers packs beyond the life of the process: every version that
// was live, and what operators set of each pack. Its errors name what was
// being done, and with which pack: who returns them does not repeat it.
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

// unpinned returns the state without its rollback.
func (p PackState) unpinned() PackState {
	p.Pinned, p.PinnedOver, p.PinStays, p.PinnedWithoutFiles = "", "", false, false
	return p
}

// blank reports whether nothing is remembered but what is pending.
func (p PackState) blank() bool {
	p.PendingKept, p.RulesDeleted = false, false
	return p == PackState{Pack: p.Pack}
}
