package live

import (
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Input is something that happens to a pack. Each reading of the folder is one of
// Found, Clashed, Emptied and Missing. Compiled, Gated and Recalled are results of
// commands that Step returned. SetMode, Rollback, Unpin and Remove are commands of
// operators. Limited and Failing come from the events. Manager gives the others.
type Input interface{ input() }

// Found is a reading that found the pack's files.
type Found struct {
	Edit     Edit
	Waited   bool      // files that still look half written have had their time
	Starting bool      // the process starts
	Back     time.Time // when Edit.Version was rolled back; zero: it was not, or that was not looked up
	// Before is how the live version did. It is looked up only if Standing.Tried is of
	// this edit.
	Before Record
	Like   Like // of a new pack
}

// Like names a live pack that is nearly the same as a new one, which may be a copy of
// it. The zero Like names none.
type Like struct {
	Pack    string
	Warning diag.Diagnostic
}

// Clashed is a reading that found several packs of the same name.
type Clashed struct {
	Edit    Edit   // of the one that was live, or the first
	Content string // of all
	MayVeto bool   // one of them may veto
	// Diagnostics are the errors.
	Diagnostics diag.List
}

// Emptied is a reading that found something without rules in the place of the pack's
// files. A failed mount and an unfinished copy look like this, so the pack stays live;
// who deletes a pack deletes its folder, too.
type Emptied struct{ Diagnostics diag.List }

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
	Before   Record       // of the version that is live
	Like     Like         // of a new pack
}

// Unanswered is a store failure before the files could be considered.
type Unanswered struct{}

// Gated is the result of Commands.RunGate, on Standing.Trying.
type Gated struct {
	Cut         bool // specs were not run to the end
	Refused     Kind // SpecsFail or ChecksFail; FilesLive: it passes
	Diagnostics diag.List
	Before      Record // of the version that is live
	Like        Like   // of a new pack
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
	Mode        rules.Mode // "" takes it back
	Limit       rules.Rate // that was reached, where chertd sets the mode itself; zero: an operator does
	KeepPending bool
}

// Limited is a limit that the pack reached, for which it goes to shadow.
type Limited struct{ Limit rules.Rate }

// Failing is a version that failed on too many events of its trial.
type Failing struct {
	Version          string
	Events, Failures int64
}

// Rollback makes a kept version live.
type Rollback struct {
	To          Fitted
	Record      Record // how it did when it was live
	Pin         bool   // it stays when the pack's files change
	Undo        bool   // it is what the files are: nothing is pinned
	KeepPending bool
	Cause       Cause
}

// Unpin ends a rollback that an operator undoes, where the pack's files were never live:
// they are considered as an edit.
type Unpin struct{}

// Remove forgets the pack. If Operator is set an operator removes it: then its mode is
// forgotten, too.
type Remove struct {
	Operator    bool
	KeepPending bool
}

// Reconfigured is the configuration as it was read again.
type Reconfigured struct {
	Revision int
	Mode     rules.Mode
	Gate     bool
	Settle   time.Duration
}

// Started ends the start of a process. Pending work that the process before had to drop
// is dropped.
type Started struct{}

// Tended ends a reading or an operator's command, before the live set is swapped. Mode
// is the pack's mode in the set that is live; "": it is not in that set.
type Tended struct {
	Mode   rules.Mode
	Passed bool // the trial is over, and the version stays live
}

// NotKept is an input whose Commands.Keep failed. The standing is the one from before
// that input.
type NotKept struct{ Input Input }

func (Found) input()        {}
func (Clashed) input()      {}
func (Emptied) input()      {}
func (Missing) input()      {}
func (Compiled) input()     {}
func (Unanswered) input()   {}
func (Gated) input()        {}
func (Recalled) input()     {}
func (SetMode) input()      {}
func (Limited) input()      {}
func (Failing) input()      {}
func (Rollback) input()     {}
func (Unpin) input()        {}
func (Remove) input()       {}
func (Reconfigured) input() {}
func (Started) input()      {}
func (Tended) input()       {}
func (NotKept) input()      {}
