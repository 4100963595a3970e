package store

import (
	"context"
	"time"

	"chertd/engine/live"
	"chertd/rules"
	"chertd/rules/turn"
)

// Packs keeps every version of a rule pack that was live, so that it can become
// live again, and what operators decided about each pack. Commit counts Events and
// Failures of the versions that take part in a decision.
type Packs interface {
	live.Keeper

	// Concerned returns the ids of chats in which a version of a pack ("": any) has
	// actions or timers that wait, or reads that are blocked; with "", also those in
	// which it has postponed reads: what a version has postponed stays when another
	// one replaces it.
	Concerned(ctx context.Context, pack, version string) (chats []string, err error)
	// Comparison returns how what a version of a pack requested in shadow compares with a
	// live version of it ("": with what became of the chats), as Commit has counted it, and
	// at most limit of the newest events on which they differ.
	Comparison(ctx context.Context, pack, version, against string, limit int) (Comparison, error)
}

// Comparison counts events that a version in shadow and a live version ran on.
type Comparison struct {
	Since   time.Time // the first event; zero: there is none
	Results map[turn.Difference]int64
	Newest  []Differing // the newest first, of at most KeptDifferences of the pack
}

// Differing is an event on which two versions differ.
type Differing struct {
	Seq    int64
	Result turn.Difference
}

// KeptDifferences is how many differing events of a pack are kept.
const KeptDifferences = 100

// Types of package rules that a store keeps.
type (
	Version     = live.KeptVersion
	VersionFile = rules.File
	PackState   = live.PackState
)

// KeptVersions is how many versions of a pack are kept.
const KeptVersions = live.KeptVersions
