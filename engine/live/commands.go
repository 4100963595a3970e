package live

import (
	"time"

	"chertd/luabind/diag"
)

// Commands is what the caller of Step has to do, in the order of the fields.
type Commands struct {
	// Keep must be durable before the new standing counts. If the store fails, the caller
	// discards the new standing and gives NotKept to the old one.
	Keep Keep
	Drop []Drop
	Log  []LogEntry
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

// LogEntry is a past event to be logged. What it lacks is in the standing.
type LogEntry struct {
	Kind        LogKind
	Version     Version   // it is about
	From        string    // the version that was live before; "": none
	Verdict     Verdict   // on files that are gone
	Diagnostics diag.List // warnings
	Like        Like
	Half        HalfSign
	Record      Record // of Version, when it was live before
	Cause       Cause
	At          time.Time
	Lacks, Asks []string // permissions
	Was         string   // why the pack was in shadow
	Veto        bool     // the pack could veto reads
	NoVeto      bool     // the version before could, and this one can't
	NeverLive   bool     // the pack never loaded
}

// LogKind is the kind of a LogEntry.
type LogKind int

const (
	LogNotLive          LogKind = iota // an edit is not live: Standing.Verdict
	LogPinned                          // an edit is not live because of a rollback
	LogBack                            // the files are again as what is live
	LogHalf                            // an edit looks half written
	LogRestores                        // an edit restores a version that was rolled back At
	LogLike                            // the pack is nearly the same as another
	LogSpecs                           // the specs alone changed, and pass
	LogUnmatched                       // rules match less than they list
	LogLost                            // the version that ought to be live can't be loaded
	LogUnfit                           // settings do not fit the live version
	LogLess                            // a version is live that needs less
	LogRolledBack                      // a version was made live by a rollback
	LogGoneKept                        // the files are gone, and the pack is kept
	LogRemoved                         // the pack was removed: its files are gone
	LogRemovedByCommand                // an operator removed the pack
	LogLimitEnds                       // shadow mode ended because the limit was raised
)
