package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/spec"
)

// Daemon carries out the requests of the API. An error of type *UserError is the
// caller's: it names what was wrong with the request, and the fix.
type Daemon interface {
	Status(ctx context.Context) (Status, error)
	Packs(ctx context.Context) ([]Pack, error)
	// Reload reads the rules folder now and returns what became of it.
	Reload(ctx context.Context) (Reload, error)
	// ReloadSettings reads the configuration and its secret files again, and returns once
	// the changed settings are in force.
	ReloadSettings(ctx context.Context) (Settings, error)
	// SettingsInUse compares the settings in use with the configuration as it is now.
	SettingsInUse(ctx context.Context) (SettingsInUse, error)
	// Remove removes a pack whose files are gone.
	Remove(ctx context.Context, pack string, keepPending bool) (live.Dropped, error)
	// Rollback makes an earlier version live, or undoes that.
	Rollback(ctx context.Context, pack string, in RollbackRequest) (Changed, error)
	// SetMode sets the mode live, shadow or off, or resets it.
	SetMode(ctx context.Context, pack string, in ModeRequest) (Changed, error)
	// Shadow has a version of a pack run in shadow beside the live one. The error is a
	// *RefusedError if its files do not pass as an edit.
	Shadow(ctx context.Context, pack string, in CandidateRequest) (Changed, error)
	// EndShadow ends the candidate of a pack.
	EndShadow(ctx context.Context, pack string, keepPending bool) (Changed, error)
	// Differences returns the newest events on which what a pack requested in shadow differs
	// from what its live version requested, at most limit.
	Differences(ctx context.Context, pack string, limit int) (Differences, error)
	// Rules returns what rules did.
	Rules(ctx context.Context, q RulesQuery) (Rules, error)
	// RetryErrors begins to run the events again that a pack failed on or missed.
	RetryErrors(ctx context.Context, pack string, in RetryErrorsRequest) (Retried, error)
	// ErrorsRetried returns how far the last RetryErrors of a pack is, once it has ended, or
	// after wait.
	ErrorsRetried(ctx context.Context, pack string, wait time.Duration) (Retried, error)
	// Forget removes what chertd keeps about a chat or a person.
	Forget(ctx context.Context, in ForgetRequest) (Forgotten, error)
	// Lists returns the lists that chertd.yaml declares or the store has, by name.
	Lists(ctx context.Context) ([]List, error)
	// List returns a list and members of it.
	List(ctx context.Context, name string, q ListQuery) (ListShown, error)
	// ListHistory returns the newest changes of a list, at most limit.
	ListHistory(ctx context.Context, name string, limit int) (ListHistory, error)
	// ListAdd adds members, or replaces their ends and reasons. The error is a
	// *RefusedError if rows are wrong: then it has added none.
	ListAdd(ctx context.Context, name string, in ListAddRequest) (ListChanged, error)
	// ListRemove removes members. The error is a *RefusedError if some can be none.
	ListRemove(ctx context.Context, name string, in ListRemoveRequest) (ListChanged, error)
	// Pause stops all calls, or lets them resume, also across a restart.
	Pause(ctx context.Context, on bool) error
	// Drain begins to drain the daemon, which then stops. It returns immediately.
	Drain(ctx context.Context) (Drain, error)
	// Drained returns how far that is, once the daemon has stopped, or after wait.
	Drained(ctx context.Context, wait time.Duration) (Drain, error)
	// Hold keeps a chat unread for a time, whichever pack requests a read. A hold in
	// force that ends later stays.
	Hold(ctx context.Context, in HoldRequest) (Held, error)
	// Release ends the hold of a chat, whoever set it. Dropped reads do not return.
	Release(ctx context.Context, in ReleaseRequest) (Released, error)
	// Read requests that a chat be marked as read.
	Read(ctx context.Context, in ReadRequest) (ReadRequested, error)
	// Apply requests reads that rules would have requested of past events.
	Apply(ctx context.Context, in ApplyRequest) (ApplyResult, error)
	// Signal takes a signal in, as an event of its chat. It returns once that is on disk.
	Signal(ctx context.Context, in SignalRequest) (Signaled, error)
	// HoldSelection keeps the chats of a selection unread for a time, also those that come
	// later.
	HoldSelection(ctx context.Context, in HoldRequest) (HeldSelection, error)
	// ReleaseSelection ends holds of selections. Holds of single chats stay.
	ReleaseSelection(ctx context.Context, in ReleaseRequest) (ReleasedSelection, error)
	// Waiting counts and lists what waits.
	Waiting(ctx context.Context, q WaitingQuery) (Waiting, error)
	// CancelWaiting drops waiting actions, and HurryWaiting makes them due: one batch
	// of those that a request chooses.
	CancelWaiting(ctx context.Context, in WaitingRequest) (WaitingChanged, error)
	HurryWaiting(ctx context.Context, in WaitingRequest) (WaitingChanged, error)
	// Quarantined returns the newest deliveries in quarantine, at most limit.
	Quarantined(ctx context.Context, limit int, bodies bool) (Quarantine, error)
	// RetryQuarantined takes deliveries in again, oldest first.
	RetryQuarantined(ctx context.Context, in QuarantineRequest) (QuarantineRetried, error)
	DropQuarantined(ctx context.Context, in QuarantineRequest) (QuarantineDropped, error)
	// Explain returns what became of an event, or of the newest ones of a chat, and why.
	Explain(ctx context.Context, q ExplainQuery) (Explained, error)
	// Dead returns dead actions, the newest events first, and what packs have missed.
	Dead(ctx context.Context, q DeadQuery) (Dead, error)
	// RetryDead makes dead actions wait again, or ends them by what has happened since.
	RetryDead(ctx context.Context, in DeadRequest) (DeadRetried, error)
	DropDead(ctx context.Context, in DeadRequest) (DeadDropped, error)
	// RecordChat returns the newest events of a chat and what became of them, for a spec.
	RecordChat(ctx context.Context, q RecordQuery) (spec.Recording, error)
	// Tail begins a tail. ctx bounds only the beginning.
	Tail(ctx context.Context, q TailQuery) (TailLines, error)
}

// UserError is the error of a request that can't be carried out as it is.
type UserError struct {
	// Status is the HTTP status of the answer: 404 if what the request names does not
	// exist, 409 if the current state does not allow it; 0 is 400.
	Status  int    `json:"-"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (e *UserError) Error() string { return e.Message }

// Status is the status of the daemon.
type Status struct {
	Version  string    `json:"version"`
	Since    time.Time `json:"since"`
	Draining bool      `json:"draining,omitempty"` // chertd is stopping and takes in no more events
	InFlight int       `json:"in_flight"`          // calls until their answers are stored
	Ready    bool      `json:"ready"`
	NotReady []string  `json:"not_ready,omitempty"` // why not
	NoCalls  []string  `json:"no_calls,omitempty"`  // why calls are not made
	Blocked  []Blocked `json:"blocked,omitempty"`   // packs that block reads
	Notes    []string  `json:"notes,omitempty"`
	Paused   bool      `json:"paused"`
	Calls    Calls     `json:"calls"`
	Events   int64     `json:"events"`  // in the journal
	Pending  int64     `json:"pending"` // not handled yet
	// Early counts events that were acknowledged while older ones are read from the events
	// log. They are journaled after those; Events and Pending do not count them yet.
	Early  int64  `json:"early"`
	Intake string `json:"intake"` // whether events are taken in as fast as they come: IntakeOpen …
	// Missed counts, over all packs, the events that a pack has missed because it was
	// broken, failed or suspended, and that have not run through it since.
	Missed int64 `json:"missed"`
	// Retrying is the retry-errors under way; nil: none is.
	Retrying *Retried `json:"retrying,omitempty"`
	Chats    int64    `json:"chats"`
	// Actions counts actions by status: waiting, done, dead …
	Actions     map[string]int64 `json:"actions"`
	Quarantined int64            `json:"quarantined"`
	Bytes       int64            `json:"bytes"` // of the store on disk
	// Unknown is why Events, Pending, Chats, Actions, Quarantined, Bytes, Holds and
	// Postponed could not be read from the store; they are empty then.
	Unknown   string     `json:"unknown,omitempty"`
	Holds     *Holds     `json:"holds,omitempty"`     // chats that are held; nil: see Unknown
	Postponed *Postponed `json:"postponed,omitempty"` // chats with postponed reads; nil: see Unknown
	// HeldSelections are the holds of selections in force, those that end last first.
	HeldSelections []SelectionHold `json:"held_selections,omitempty"`
	// Notify has the targets of chert.notify, by name; nil: there are none.
	Notify  []NotifyTarget `json:"notify,omitempty"`
	Packs   int            `json:"packs"`
	Webhook *Webhook       `json:"webhook,omitempty"` // nil: there is no webhook
	Catchup *Catchup       `json:"catchup,omitempty"` // nil: the events log is not read
	Stream  *Stream        `json:"stream,omitempty"`  // nil: events are not taken from the stream
	File    *File          `json:"file,omitempty"`    // nil: events are not read from a file
	Signals Signals        `json:"signals"`           // since the start
	NotLive int            `json:"not_live"`          // packs with an edit that is not live
	// Ignored has the files and folders that are not loaded because of their names.
	Ignored []Ignored `json:"ignored,omitempty"`
	// Switches are the modes that commands set, of packs and single rules.
	Switches []Switch `json:"switches,omitempty"`
}

// NotifyTarget is a target of chert.notify.
type NotifyTarget struct {
	Target  string `json:"target"`
	Waiting int    `json:"waiting"` // notifications that have not been delivered yet
	// Removed is set if the configuration has no such target now. Hint says what to do then.
	Removed bool   `json:"removed,omitempty"`
	Hint    string `json:"hint,omitempty"`
	// FailingSince is since when deliveries fail, and Error the last error; zero: they do not.
	FailingSince time.Time `json:"failing_since,omitzero"`
	Error        string    `json:"error,omitempty"`
}

// Holds are the chats that are held. Their reads are dropped.
type Holds struct {
	Total int64 `json:"total"` // CountedHolds: at least as many
	// First has those that end last, at most ShownHolds.
	First []Hold `json:"first"`
}

const (
	// ShownHolds is how many holds are listed.
	ShownHolds = 20
	// CountedHolds is the largest number that is counted.
	CountedHolds = store.CountedHolds
	// ShownPostponed is how many postponed chats are listed. A policy for the night has
	// thousands that are alike.
	ShownPostponed = 5
)

// Hold is a chat that is held.
type Hold struct {
	Chat   string    `json:"chat"`
	By     string    `json:"by"` // PACK/RULE, or operator; the pack may be gone
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// Postponed are the chats whose reads a rule has postponed.
type Postponed struct {
	Total int64 `json:"total"` // CountedHolds: at least as many
	// First has those that wait longest, at most ShownPostponed.
	First []Postponement `json:"first"`
}

// Postponement is a chat with postponed reads, and the rule that postponed them
// longest.
type Postponement struct {
	Chat   string    `json:"chat"`
	By     string    `json:"by"` // PACK/RULE
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// Ignored is a file or folder that is not loaded because of its name.
type Ignored struct {
	File string `json:"file"`
	Why  string `json:"why"`
	Hint string `json:"hint"` // what to do if it should be loaded
}

// Values of Status.Intake.
const (
	IntakeOpen   = "open"
	IntakeSlowed = "slowed" // acknowledgements are delayed: events arrive faster than they are handled
	IntakeFull   = "full"   // too many events wait: deliveries are answered 503
)

// Values of Calls.State.
const (
	CallsGoOut   = "going_out"
	CallsPaused  = "paused"      // by command
	CallsWait    = "waiting"     // until Calls.Until, after a 429
	CallsStopped = "stopped"     // every call would fail; one probe at a time goes out
	CallsFail    = "failing"     // and are retried
	CallsDrain   = "draining"    // chertd is stopping: only calls in flight end
	CallsCatchUp = "catching_up" // until Calls.Until at most, for events that may have been missed
)

// Calls is the state of the calls to Chert.
type Calls struct {
	State   string    `json:"state"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Cause   string    `json:"cause,omitempty"`
	Answer  string    `json:"answer,omitempty"` // the last one, of Chert's or foreign
	HTTP    int       `json:"http,omitempty"`
	Code    int       `json:"code,omitempty"` // Chert's error code
	TraceID string    `json:"trace_id,omitempty"`
	Fix     string    `json:"fix,omitempty"`
	// LastConfirmed is when Chert last confirmed a call; zero: not since the start.
	LastConfirmed time.Time `json:"last_confirmed,omitzero"`
	Ceiling       float64   `json:"ceiling"`                // calls per second, chert.rate.limit; 0: none
	Learned       float64   `json:"learned_rate,omitempty"` // calls per second at most, if 429s have shown that it is less
	// Lines has the phone lines whose calls have stopped because they fail.
	Lines []LineStop `json:"lines,omitempty"`
}

// LineStop is a phone line whose calls wait, apart from one probe at a time, because they
// fail.
type LineStop struct {
	Line    string    `json:"line"` // "": chats whose line is not known
	Since   time.Time `json:"since"`
	HTTP    int       `json:"http,omitempty"` // status of the last answer; 0: there was none
	Code    int       `json:"code,omitempty"` // Chert's error code
	Error   string    `json:"error"`
	TraceID string    `json:"trace_id,omitempty"`
}

// Blocked is a pack that blocks reads: it can veto, and it does not run on events, or
// failed on some of the last hour.
type Blocked struct {
	Pack   string    `json:"pack"`
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
	Events int64     `json:"events"` // missed, and not run since
	Reads  int64     `json:"reads"`  // blocked because of it, as of a few seconds ago
	Fix    []string  `json:"fix"`    // commands, most likely first, and what each does
	// Cause is Why without what a rule raised, which may quote a message.
	Cause string `json:"-"`
}

// String returns one line for people.
func (b *Blocked) String() string {
	return fmt.Sprintf("pack %s blocks reads since %s: %s; %s", b.Pack, b.Since.UTC().Format(time.RFC3339), b.Why, strings.Join(b.Fix, "; "))
}

// Pack is the status of one pack.
type Pack struct {
	Name    string    `json:"name"`
	Path    string    `json:"path"`
	Version string    `json:"version"`        // the live one; "": none
	Since   time.Time `json:"since,omitzero"` // when it became live; zero: none is
	Mode    string    `json:"mode"`
	// Share is the share of the chats in which a live pack or, if it has one, its candidate
	// runs live, such as "10%"; in the others it runs in shadow. "": the pack in all chats.
	Share    string `json:"share,omitempty"`
	ModeBy   string `json:"mode_by"`             // "command", "chertd.yaml", "pack.yaml", "default", or why chertd set it
	ModeHint string `json:"mode_hint,omitempty"` // how to reset it, if chertd set it
	Rules    int    `json:"rules"`
	Events   int64  `json:"events"`   // handled by the live version
	Failures int64  `json:"failures"` // of them
	// Suspended has the rules of the live version that do not run, and SuspendedHint the
	// fix where Why does not name it.
	Suspended     []RuleSuspension `json:"suspended,omitempty"`
	SuspendedHint string           `json:"suspended_hint,omitempty"`
	Pinned        bool             `json:"pinned"` // by a rollback
	PinnedUntil   string           `json:"pinned_until,omitempty"`
	Promoted      bool             `json:"promoted,omitempty"` // Pinned by making a candidate live
	// Candidate is the version that runs beside the live one; nil: none does.
	Candidate *Candidate `json:"candidate,omitempty"`
	// Comparison compares what runs in shadow with the live version or, if there is none,
	// with what became of the chats; nil: nothing runs in shadow.
	Comparison *Comparison `json:"comparison,omitempty"`
	Gone       bool        `json:"gone"` // its files are gone, and the last version stays live
	// Unread is set while the rules folder can't be read, so that the state of the pack's
	// files is unknown. The live version stays live.
	Unread bool `json:"unread,omitempty"`
	// NotLive is why the current files of the pack are not live; "": they are.
	NotLive string `json:"not_live,omitempty"`
	// Blocked is set while the pack blocks reads.
	Blocked *Blocked `json:"blocked,omitempty"`
	// Missed is how many events the pack has missed. Those of the last hour run through
	// it once another version is live, or its rules are no longer suspended.
	Missed int64 `json:"missed,omitempty"`
	// MissedEarlier is how many of them it missed more than an hour ago, and
	// BlockedEarlier how many reads are blocked because of these. Neither continues
	// automatically.
	MissedEarlier  int64 `json:"missed_earlier,omitempty"`
	BlockedEarlier int64 `json:"blocked_earlier,omitempty"`
	// Unknown is why Events, Failures and Versions could not be read from the store;
	// they are empty then.
	Unknown     string    `json:"unknown,omitempty"`
	Diagnostics diag.List `json:"diagnostics,omitempty"`
	// Edit is what files that are not live change in the live version; nil: nothing, or no
	// version is live.
	Edit *Edit `json:"edit,omitempty"`
	// Change is what the last edit changed that went live since the start.
	Change   *rules.Change `json:"change,omitempty"`
	Versions []PackVersion `json:"versions,omitempty"`
	// Switches are the modes that commands set, of the pack and of single rules.
	Switches []Switch `json:"switches,omitempty"`
}

// Candidate is a version of a pack that runs beside the live one.
type Candidate struct {
	Version  string `json:"version"`
	Rules    int    `json:"rules"`
	Events   int64  `json:"events"`   // that its rules ran on
	Failures int64  `json:"failures"` // of them
	// LimitReached is the limits.reads for which the share of the candidate ended, in words.
	LimitReached string `json:"limit_reached,omitempty"`
	Suspended    int    `json:"suspended,omitempty"`   // rules that do not run, because they fail again and again or take too much
	NotRunning   string `json:"not_running,omitempty"` // why it does not run; "": it does
}

// Values of Pack.PinnedUntil: what ends a rollback.
const (
	PinnedUntilEdit = "next_edit" // the next edit that passes is live
	PinnedUntilUndo = "undo"      // edits are not live until rollback --undo, or another rollback
)

// Reload is the result of reading the rules folder.
type Reload struct {
	Packs   []Pack     `json:"packs"`
	Live    []LiveEdit `json:"live,omitempty"`    // versions that became live
	Removed []string   `json:"removed,omitempty"` // packs whose files are gone
	// Folder has why the folder could not be read completely.
	Folder diag.List `json:"folder,omitempty"`
}

// LiveEdit is a version of a pack that became live, and what it changed.
type LiveEdit struct {
	Pack    string `json:"pack"`
	Version string `json:"version"`
	Was     string `json:"was,omitempty"` // the version before
	rules.Change
}

// Changed is the status of a pack after a command, and which of its pending actions the
// command dropped.
type Changed struct {
	Pack
	Dropped live.Dropped `json:"dropped"`
	Ended   *Ended       `json:"ended,omitempty"` // what a rollback has ended; nil: neither of these
	// Warnings are about the name of a rule of which the command set the mode.
	Warnings []string `json:"warnings,omitempty"`
}

// Ended is what a rollback has ended besides, or instead of, a version.
type Ended struct {
	Candidate string `json:"candidate,omitempty"` // version that ran beside the live one
	Share     string `json:"share,omitempty"`     // of the chats in which it, or the pack, was live
}

// Removed is the answer to DELETE packs/{pack}.
type Removed struct {
	Removed string       `json:"removed"`
	Dropped live.Dropped `json:"dropped"`
}

// RuleSuspension is a rule that does not run until an event probes it.
type RuleSuspension struct {
	Rule string `json:"rule"` // "": all of the pack
	// Scope is for which events: "all_chats", "one_chat", or "no_chat" for those
	// without a chat.
	Scope string    `json:"scope"`
	Chat  string    `json:"chat,omitempty"` // of one_chat
	Until time.Time `json:"until"`          // then the next event is the probe
	// Probing is set once Until has passed, until that event comes.
	Probing bool   `json:"probing,omitempty"`
	Why     string `json:"why"`
}

// PackVersion is a version that a pack can be rolled back to.
type PackVersion struct {
	Version    string    `json:"version"`
	Since      time.Time `json:"since"`
	Last       time.Time `json:"last"`
	Events     int64     `json:"events"`
	Failures   int64     `json:"failures"`
	RolledBack bool      `json:"rolled_back,omitempty"`
	Candidate  bool      `json:"candidate,omitempty"` // it was tried, and never live in all chats
}
