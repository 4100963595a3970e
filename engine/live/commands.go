package live

import (
	"time"
)

// Commands is what the caller of Step has to do, in the order of the fields.
type Commands struct {
	// Keep must be durable before the new standing counts. If the store fails, the caller
	// discards the new standing and gives NotKept to the old one.
	Keep Keep
	Drop []Drop
	Log  []Line
	// LookAgain is when to read the folder again though it does not change; zero: never.
	LookAgain time.Time
	StopGate  bool // cancel the gate's run
	RunGate   bool // run the gate on Standing.Trying, then give Gated
	Forget    bool // the pack is no longer known
	// At most one of these two is set.
	Compile *Edit   // compile it, then give Compiled
	Recall  *Recall // load it, then give Recalled
}

// Recall loads a kept version under the current configuration.
type Recall struct {
	Version string
	// Refused is whether a refused edit is still to be logged, by Recalled: the log line
	// names the version that is live instead.
	Refused bool
}

// Keep is what the store has to keep.
type Keep struct {
	State   *PackState
	Version *Version // goes live now: with its files
	// Marks changes the records of versions that the store has: true, it is live from now
	// on; false, it was rolled back.
	Marks map[string]bool
	// Pending maps versions that are no longer live to whether their pending work was
	// kept; the version "" stands for the pack's mode.
	Pending map[string]bool
	// RulesGone notes that reads of deleted rules have to be dropped, in case the process
	// ends before that. A store failure does not undo the step.
	RulesGone bool
}

// Empty reports whether there is nothing to keep.
func (k *Keep) Empty() bool {
	return k.State == nil && k.Version == nil && len(k.Marks) == 0 && len(k.Pending) == 0
}

// Drop cancels the pending work of a pack, or of one version of it.
type Drop struct {
	Version string // "": of every version
	Why     DropWhy
	// Forget has the store forget the pack afterwards, except for Said: what operators
	// set.
	Forget bool
	Said   PackState
	// KeepPending cancels nothing: the pack is only forgotten.
	KeepPending bool
}

// DropWhy is why pending work is cancelled. It appears in logs as it is.
type DropWhy string

const (
	DropOff         DropWhy = "off"          // the pack's mode, or its version is not granted any more
	DropShadow      DropWhy = "shadow"       // the pack's mode
	DropRolledBack  DropWhy = "rolled back"  // the version
	DropRemoved     DropWhy = "removed"      // the pack
	DropRuleDeleted DropWhy = "rule deleted" // only reads of rules that the pack does not have any more
)
