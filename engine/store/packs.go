package store

import (
	"context"
	"time"
)

// Packs is what a store remembers of rule packs: every version that was live,
// so that it can go live again, and what operators said about each pack.
type Packs interface {
	// SaveVersion keeps a version that goes live, with its files. One that is
	// kept already gets its Last moved; its files, Since and counts stay.
	SaveVersion(ctx context.Context, v Version) error
	// Version returns a kept version; the given one may be a unique beginning
	// of its hash. ok is false if there is none.
	Version(ctx context.Context, pack, version string) (v Version, ok bool, err error)
	// Versions returns a pack's versions without their files, the one that was
	// live last first, at most limit.
	Versions(ctx context.Context, pack string, limit int) ([]Version, error)
	// PackStates returns what is remembered of each pack, by name.
	PackStates(ctx context.Context) ([]PackState, error)
	// SetPackState replaces what is remembered of a pack. Versions beyond the
	// last KeptVersions of the pack are dropped, the live and the pinned one not.
	SetPackState(ctx context.Context, s PackState) error
	// ForgetPack drops what is remembered of a pack's being there. Its state, kv
	// and versions stay.
	ForgetPack(ctx context.Context, pack string) error

	// Concerned returns the chats in which a pack has actions or timers that
	// wait; version "" is every version.
	Concerned(ctx context.Context, pack, version string) (chats []string, err error)

	// Flag and SetFlag keep an operator's switch, such as "paused".
	Flag(ctx context.Context, name string) (on bool, err error)
	SetFlag(ctx context.Context, name string, on bool) error
}

// KeptVersions is how many versions of a pack are kept.
const KeptVersions = 50

// Version is one version of a pack that was live at some time.
type Version struct {
	Pack    string
	Version string // hash of its content
	Files   []VersionFile
	Since   time.Time // first live
	Last    time.Time // made live last
	// Counted with every decision the version takes part in, by Commit.
	Events   int64
	Failures int64
	// RolledBack is when it was rolled back, by itself or by hand; zero: never,
	// or it was made live by hand since. It does not come back by itself.
	RolledBack time.Time
}

// VersionFile is one file of a version.
type VersionFile struct {
	Name  string // relative to the pack, with slashes
	Kind  string // a rules.FileKind
	Bytes []byte
}

// PackState is what is remembered of a pack besides its versions.
type PackState struct {
	Pack string
	Live string // the version that is live, or was when the daemon last ran; "": none ever
	Mode string // by command: live, shadow, off; "": as chertd.yaml and pack.yaml say
	Why  string // of Mode, where chertd set it itself: "more than 300 reads in 10m"
	// Pinned is the version that a rollback made live; "": none. It stays until
	// the pack's files are other than PinnedOver, for good if that is "".
	Pinned     string
	PinnedOver string // hash of the pack's files when it was pinned
}
