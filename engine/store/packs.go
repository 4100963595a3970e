package store

import (
	"context"

	"chertd/engine/live"
	"chertd/rules"
)

// Packs is what a store remembers of rule packs: every version that was live,
// so that it can go live again, and what operators said about each pack.
// Commit counts Events and Failures of the versions that take part in a decision.
type Packs interface {
	live.Keeper

	// Concerned returns the chats in which a pack has actions or timers that
	// wait, or reads that are blocked; version "" is every version. Of every version
	// are postponements, too: those that a single one asked for stay when it goes.
	Concerned(ctx context.Context, pack, version string) (chats []string, err error)

	// Flag and SetFlag keep an operator's switch, such as "paused".
	Flag(ctx context.Context, name string) (on bool, err error)
	SetFlag(ctx context.Context, name string, on bool) error
}

// What rules asks to be kept, by the names it has in a store.
type (
	Version     = live.KeptVersion
	VersionFile = rules.File
	PackState   = live.PackState
)

// KeptVersions is how many versions of a pack are kept.
const KeptVersions = live.KeptVersions
