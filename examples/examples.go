// Package examples holds the rule packs people start from, so that the demo
// runs from the binary alone.
package examples

import "embed"

// Packs are the example packs, as they stand beside this file.
//
//go:embed *.lua settle
var Packs embed.FS
