package store

import "context"

// Erasure removes what people wrote by command, however new it is. What is removed stays in
// the files until Scrub.
type Erasure interface {
	// EraseTexts removes from handled events what PruneTexts removes, and besides what rules
	// asked for in words, and errors and reasons of actions. An event that
	// is pending or missed must not be among them: it would run without its text. It returns
	// how many of the events it has changed.
	EraseTexts(ctx context.Context, seqs []int64) (int, error)

	// StatePacks returns the packs that have a state of a chat, by name.
	StatePacks(ctx context.Context, chat string) ([]string, error)

	// KVPacks returns the packs that have entries in kv, by name.
	KVPacks(ctx context.Context) ([]string, error)

	// Scrub makes what was removed unreadable in the store's files. It is done when it
	// returns without an error. If ctx ends first, a part is done, and another call
	// continues.
	Scrub(ctx context.Context) error
}
