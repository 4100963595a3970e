package live

import (
	"time"

	"chertd/luabind/diag"
)

// Commands is what a step wants done besides remembering the standing, in the order
// of the fields.
type Commands struct {
	// Keep must be durable before the new standing counts. If that fails the standing
	// stays as it was, and is given NotKept.
	Keep Keep
	Drop []Drop
	Log  []LogEntry
	// LookAgain is when the folder is to be read again without a change of it; zero:
	// never.
	LookAgain time.Time
	StopGate  bool // the gate's run is of no use any more
	RunGate   bool // it is to run on Standing.Trying, and Gated to be given
	Forget    bool // the pack is not known any more
	// At most one of these two asks for an answer.
	Compile *Edit   // Compiled is to be given
	Recall  *Recall // Recalled is to be given
}

// Recall asks for a kept version to be loaded, under the configuration as it is now.
type Recall struct {
	Version string
	// After, if not nil, is a refusal that is to be logged once it is known what is live
	// instead.
	After *Refusal
}

// Refusal is a refusal of an edit that is to be logged.
type Refusal struct {
	News      bool // it is not what was logged last
	Lost      Lost
	InsteadOf string // as they were before
}

// Keep is what is to be kept.
type Keep struct {
	State   *State
	Version *Version // goes live now: with its files
	Marks   []Mark
	// Pending says, of the versions that it has, whether what waits was kept when they
	// went. The version "" is the pack's mode.
	Pending map[string]bool
	// RulesGone says that reads of deleted rules are to be dropped. That it can't be kept
	// matters only if the process ends before they are.
	RulesGone bool
}

// Mark changes what is kept of a version, if it is kept.
type Mark struct {
	Version string
	Live    bool // it is live from now on; else it was rolled back
}

// Empty reports whether there is nothing to keep.
func (k *Keep) Empty() bool {
	return k.State == nil && k.Version == nil && len(k.Marks) == 0 && len(k.Pending) == 0
}

// Drop says that what a pack, or one version of it, has waiting is not carried out.
type Drop struct {
	Version string // "": of every version
	Why     DropWhy
	// Forget says that the pack is forgotten afterwards, but for what operators said of
	// it, which is Said.
	Forget bool
	Said   State
	// KeepPending says that nothing is dropped: the pack is only forgotten.
	KeepPending bool
}

// DropWhy is why pending work is dropped. It appears as it is in logs.
type DropWhy string

const (
	DropOff         DropWhy = "off"          // the pack's mode, or its version is not granted any more
	DropShadow      DropWhy = "shadow"       // the pack's mode
	DropRolledBack  DropWhy = "rolled back"  // the version
	DropRemoved     DropWhy = "removed"      // the pack
	DropRuleDeleted DropWhy = "rule deleted" // only reads of rules that the pack does not have any more
)

// LogEntry is something that is logged, once. What is not in it is in the standing.
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
