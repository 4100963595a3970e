package live

import (
	"fmt"
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Input is something that happens to a pack. Each reading of the folder is one of
// Found, Refused and Missing. Compiled, Gated and Recalled are results of commands that
// Step returned. SetMode, Rollback and Remove are commands of operators; the first two
// are also given because of a limit or a trial. Swap and NotKept are the Manager's.
type Input interface{ apply(*step) }

// Found is a reading that found the pack's files.
type Found struct {
	Edit     Edit
	Waited   bool      // files that still look half written have had their time
	Starting bool      // the process starts
	Again    bool      // an edit that was tried is tried again: somebody asked for a reload
	Back     time.Time // when Edit.Version was rolled back; zero: it was not, or that was not looked up
	Peers              // looked up only if Standing.Tried is of this edit
}

// Peers are what a version that goes live is compared with.
type Peers struct {
	Before Record // how the live version did
	Like   Like   // of a new pack
}

// Like names a live pack that is nearly the same as a new one, which may be a copy of
// it. The zero Like names none.
type Like struct {
	Pack    string
	Warning diag.Diagnostic
}

// Refused is a reading that found something else than the files of one pack: several
// packs of its name, or nothing with rules in the place of the files. A failed mount and
// an unfinished copy look like the latter, so the pack stays live; who deletes a pack
// deletes its folder, too.
type Refused struct {
	Edit    Edit // of the one that was live, or the first; its Content and MayVeto are of all
	Verdict Verdict
}

// Missing is a reading that did not find the pack's files.
type Missing struct {
	Unread    bool          // the folder was not read to its end
	Others    bool          // other packs are there
	PathTaken bool          // the pack's path is another pack's
	Ignored   rules.Ignored // what is ignored in its place, if anything
	IsIgnored bool          // it is the pack's own file
}

// Compiled is the result of Commands.Compile.
type Compiled struct {
	Edit    Edit
	Version Version // zero: it does not load, and Refused says why
	Refused Verdict
	// Diagnostics are all that is wrong, and the warnings.
	Diagnostics diag.List
	MayVeto     bool // as the compiled code shows
	Empty       bool
	// What is kept of the version, if Known.
	Known    bool
	Back     time.Time    // when it was rolled back
	Last     time.Time    // made live last
	Kept     []rules.File // its files with the specs that it went live with; nil: these are the same
	KeptSpec string       // hash of those specs
	Resume   *Trial       // the trial that it was on when the process ended
	Peers
}

// Gated is the result of Commands.RunGate, on Standing.Trying.
type Gated struct {
	GateResult
	Peers
	Cut bool // specs were not run to the end
}

// Recalled is the result of Commands.Recall.
type Recalled struct {
	Recall Recall
	Failed bool // the store failed: nothing is known
	Same   bool // the live version is as the configuration has it
	Fitted Fitted
	// If Fitted has no version:
	Lost        Lost
	MayVeto     bool // the version may veto
	Granted     bool // it needs no permission that is not granted
	LiveGranted bool // nor does the live one
	// Less is the last good version that needs no more than is granted; Lacks what the
	// version lacks, and Asks all that it needs.
	Less        Fitted
	Lacks, Asks []string
}

// Fitted is a kept version that loads, with settings that fit it.
type Fitted struct {
	Version  Version
	Unfit    diag.List // what does not fit it in chertd.yaml
	Defaults bool      // it runs without those, and not with what it had before
	Since    time.Time
}

// SetMode sets the pack's mode.
type SetMode struct {
	Mode rules.Mode // "" takes it back
	// Share is the share of the chats in which the pack is live, if Mode is.
	Share rules.Share
	// Limit is the limit that the pack has reached, if chertd sets the mode because of
	// it: only if the pack is live, and the limit was not raised since.
	Limit       rules.Rate
	KeepPending bool
	// For is how long the mode holds; 0: until another command.
	For    time.Duration
	Author // At is the time of the step
}

// SetRuleMode sets the mode of a single rule.
type SetRuleMode struct {
	Rule        string
	Mode        rules.Mode // "" takes it back
	For         time.Duration
	KeepPending bool
	Author
}

// TimeUp ends the modes for a time whose time is up.
type TimeUp struct{}

// Rollback makes a kept version live.
type Rollback struct {
	To     Fitted
	Record Record // how it did when it was live
	Pin    bool   // it stays when the pack's files change
	// Undo undoes a rollback: To is the version of the files. If they were never live To
	// is zero: then the rollback ends, and they are considered as an edit.
	Undo        bool
	KeepPending bool
	Cause       Cause
}

// SetCandidate has a version of the pack run beside the live one, in shadow, in the place
// of the candidate that there is.
type SetCandidate struct {
	Version Version
	Known   bool // it is stored already
}

// EndCandidate ends the candidate of a pack. Without one it ends the share of a live pack,
// which is in shadow then.
type EndCandidate struct{ KeepPending bool }

// LimitCandidate ends the share of the candidate, which has reached its limit of reads: it is
// in shadow again. It does nothing if the limit was raised since.
type LimitCandidate struct{ Limit rules.Rate }

// CandidateLoaded is the result of loading the candidate under the configuration as it is
// now.
type CandidateLoaded struct {
	Version Version // zero: it does not load, and Lost says why
	Lost    Lost
}

// Remove forgets the pack. If Operator is set an operator removes it: then its mode is
// forgotten, too.
type Remove struct {
	Operator    bool
	KeepPending bool
}

// Swap ends a reading or an operator's command, before the live set is swapped. Mode
// is the pack's mode in the set that is live; "": it is not in that set.
type Swap struct {
	Mode   rules.Mode
	Passed bool // the trial is over, and the version stays live
}

// NotKept is an input whose Commands.Keep failed. The standing is the one from before
// that input. Input is nil if the store failed before files could be considered.
type NotKept struct{ Input Input }

// Commands is what the caller of Step has to do, in the order of the fields.
type Commands struct {
	// Keep must be durable before the new standing counts. If the store fails, the caller
	// discards the new standing and gives NotKept to the old one.
	Keep Keep
	Drop []Drop
	Log  []Line
	// LookAgain is when to read the folder again though it does not change; zero: never.
	LookAgain time.Time
	// Wake is when to give TimeUp, because a mode for a time ends; zero: never.
	Wake     time.Time
	StopGate bool // cancel the gate's run
	RunGate  bool // run the gate on Standing.Trying, then give Gated
	Forget   bool // the pack is no longer known
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
	// Candidate runs beside the live version from now on: with its files.
	Candidate *Version
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

// Drop cancels the pending work of a pack, or of one version or rule of it.
type Drop struct {
	Pack    string
	Version string // "": of every version
	Rule    string // "": of every rule
	// Outside, if it is not all chats, has the chats in which nothing is cancelled.
	Outside rules.Share
	Why     DropWhy
	// By says who or what decided that, for people: "by command", "by ann: wrong reads",
	// "by chertd.yaml".
	By string
	// Forget has the store forget the pack afterwards, except for Rest: what operators
	// set.
	Forget bool
	Rest   PackState
	// KeepPending cancels nothing: the pack is only forgotten.
	KeepPending bool
}

// Cause says why the pending work is dropped, and by whom.
func (d *Drop) Cause() (words string) {
	switch {
	case d.Why == DropRolledBack:
		words = "version " + rules.ShortOf(d.Version) + " was rolled back"
	case d.Why == DropRemoved:
		words = "the pack was removed"
	case d.Why == DropRuleDeleted:
		words = "an edit deleted its rule"
	case d.Outside != 0:
		words = fmt.Sprintf("the chat is not in the pack's share of %s", d.Outside)
	case d.Rule != "":
		words = "mode " + string(d.Why) + " of its rule"
	default:
		words = "mode " + string(d.Why)
	}
	if d.By != "" {
		words += ", " + d.By
	}
	return words
}

// DropWhy is why pending work is cancelled. It appears in logs as it is.
type DropWhy string

const (
	DropOff         DropWhy = "off"          // the pack's mode, or its version is not granted any more
	DropShadow      DropWhy = "shadow"       // the pack's mode, in the chats of the drop
	DropRolledBack  DropWhy = "rolled back"  // the version
	DropRemoved     DropWhy = "removed"      // the pack
	DropRuleDeleted DropWhy = "rule deleted" // only reads of rules that the pack does not have any more
)
