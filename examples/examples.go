// Package examples holds the rule packs people start from. README.md beside it
// says which solves what.
package examples

import "embed"

// Packs are those that the demo shows, so that it runs from the binary alone.
// The others are not among them: some would keep it from reading anything.
//
//go:embed codes.lua settle
var Packs embed.FS
