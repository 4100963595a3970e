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
	// RollBack is a version to roll back to, by Rollback; "": none.
	RollBack string
	// At most one of these two is set.
	Compile *Edit   // compile it, then give Compiled
	Recall  *Recall // load it, then give Recalled
}

// Recall loads a kept version under the current configuration.
type Recall struct {
	Version string
	// After, if not nil, is a refusal that is logged after Recalled: the log line names the
	// version that is live instead.
	After *Refusal
}

// Refusal is a refused edit that has not been logged yet.
type Refusal struct {
	News      bool   // it differs from Standing.Logged
	Lost      Lost   // before the refusal
	InsteadOf string // before the refusal
}

// Keep is what the store has to keep.
type Keep struct {
	State   *PackState
	Version *Version // goes live now: with its files
	Marks   []Mark
	// Pending maps versions that are no longer live to whether their pending work was
	// kept; the version "" stands for the pack's mode.
	Pending map[string]bool
	// RulesGone notes that reads of deleted rules have to be dropped, in case the process
	// ends before that. A store failure does not undo the step.
	RulesGone bool
}

// Mark changes the record of a version, if the store has it.
type Mark struct {
	Version string
	Live    bool // it is live from now on; else it was rolled back
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
