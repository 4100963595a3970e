package store

import (
	"context"

	"chertd/engine/live"
	"chertd/rules"
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
}

// Types of package rules that a store keeps.
type (
	Version     = live.KeptVersion
	VersionFile = rules.File
	PackState   = live.PackState
)

// KeptVersions is how many versions of a pack are kept.
const KeptVersions = live.KeptVersions
