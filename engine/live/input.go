package live

import (
	"time"

	"chertd/luabind/diag"
	"chertd/rules"
)

// Input is something that happens to a pack. A reading of the folder gives each pack
// one of Found, Clashed, Emptied and Missing; a command is answered by Compiled,
// Gated or Recalled; an operator's command is one of SetMode, Rollback, Unpin and
// Remove; the others come from Manager.
type Input interface{ input() }

// Found says that a reading found the pack's files.
type Found struct {
	Edit     Edit
	Waited   bool      // files that looked half written, and still do, have had their time
	Starting bool      // the process starts
	Back     time.Time // when Edit.Version was rolled back; zero: it was not, or that was not looked up
	// Before is how the live version did. It is looked up only if Standing.Tried is of
	// this edit.
	Before Record
	Like   Like // of a new pack
}

// Like says that a new pack is nearly the same as one that is live: it may be a copy
// whose name does not show it. The zero Like says that it is not.
type Like struct {
	Pack    string
	Warning diag.Diagnostic
}

// Clashed says that several packs have the name.
type Clashed struct {
	Edit    Edit   // of the one that was live, or the first
	Content string // of all
	MayVeto bool   // one of them may veto
	// Diagnostics are the errors.
	Diagnostics diag.List
}

// Emptied says that something without rules stands where the pack's files were. A
// mount that failed and a copy under way look like this: a pack that is to go takes
// its folder along.
type Emptied struct{ Diagnostics diag.List }

// Missing says that a reading did not find the pack's files.
type Missing struct {
	Unread    bool          // the folder was not read to its end
	Others    bool          // other packs are there
	PathTaken bool          // the pack's path is another pack's
	Ignored   rules.Ignored // what is ignored in its place, if anything
	IsIgnored bool          // it is the pack's own file
}

// Compiled answers Compile.
type Compiled struct {
	Edit    Edit
	Version Version // zero: it does not load, and Refused says why
	Refused Verdict
	// Diagnostics are all that is wrong, and the warnings.
	Diagnostics diag.List
	MayVeto     bool // now that it is known better
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

// Unanswered says that the store failed before a reading or a command could go on.
type Unanswered struct{}

// Gated is the verdict of the gate on Standing.Trying.
type Gated struct {
	Cut         bool // specs were not run to the end
	Refused     Kind // SpecsFail or ChecksFail; FilesLive: it passes
	Diagnostics diag.List
	Before      Record // of the version that is live
	Like        Like   // of a new pack
}

// Recalled answers Recall.
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

// SetMode sets how the pack runs, by command or because of why.
type SetMode struct {
	Mode        rules.Mode // "" takes it back
	Why         string     // "": by command
	KeepPending bool
}

// Limited says that the pack reached a limit. It goes to shadow.
type Limited struct{ Why string }

// Rollback makes a kept version live.
type Rollback struct {
	To          Fitted
	Record      Record // how it did when it was live
	Pin         bool   // it stays when the pack's files change
	Undo        bool   // it is what the files are: nothing is pinned
	KeepPending bool
	Cause       Cause
}

// Unpin ends a rollback whose undoing makes files live that never were: they are an
// edit like any other.
type Unpin struct{}

// Remove forgets the pack: Operator says that it was removed by command, and then
// what operators said of it is forgotten, too.
type Remove struct {
	Operator    bool
	KeepPending bool
}

// Reconfigured says that the configuration was read again.
type Reconfigured struct {
	Revision int
	Mode     rules.Mode
	Gate     bool
	Settle   time.Duration
}

// Started says that the process has started: what is to be dropped may not have been.
type Started struct{}

// Tended says that all packs have been looked at. Mode is how the pack runs in the
// set that is live; "": it is not in it.
type Tended struct{ Mode rules.Mode }

// NotKept says that what Step asked to be kept because of an input could not be: the
// standing is still what it was before.
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
func (Rollback) input()     {}
func (Unpin) input()        {}
func (Remove) input()       {}
func (Reconfigured) input() {}
func (Started) input()      {}
func (Tended) input()       {}
func (NotKept) input()      {}
