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
)

// Daemon is what commands ask of a running daemon. An error of the kind
// *UserError is the caller's: it names what was wrong and the mend.
type Daemon interface {
	Status(ctx context.Context) (Status, error)
	Packs(ctx context.Context) ([]Pack, error)
	// Reload reads the rules folder now and reports how that went.
	Reload(ctx context.Context) (Reload, error)
	// Remove forgets a pack that is gone from the folder.
	Remove(ctx context.Context, pack string, keepPending bool) (live.Dropped, error)
	// Rollback makes a version live that was live before, or undoes that.
	Rollback(ctx context.Context, pack string, in RollbackRequest) (Changed, error)
	// SetMode sets live, shadow or off by command; "" takes that back.
	SetMode(ctx context.Context, pack, mode string, keepPending bool) (Changed, error)
	// Pause stops all calls, or lets them go on, also across a restart.
	Pause(ctx context.Context, on bool) error
	// Hold keeps a chat unread for a time, whoever asks for a read. A hold in force
	// that ends later stays.
	Hold(ctx context.Context, in HoldRequest) (Held, error)
	// Release ends the hold of a chat, whoever set it. Dropped reads do not return.
	Release(ctx context.Context, in ReleaseRequest) (Released, error)
}

// UserError is a request that can't be done as asked.
type UserError struct {
	// Status is the HTTP status it is answered with: 404 if what it names does
	// not exist, 409 if it can't be done as things stand; 0 is 400.
	Status  int    `json:"-"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (e *UserError) Error() string { return e.Message }

// Status is how the daemon stands.
type Status struct {
	Version  string    `json:"version"`
	Since    time.Time `json:"since"`
	Draining bool      `json:"draining,omitempty"` // chertd stops: no more events are taken in
	InFlight int       `json:"in_flight"`          // calls on the wire
	Ready    bool      `json:"ready"`
	NotReady []string  `json:"not_ready,omitempty"` // why not
	NoCalls  []string  `json:"no_calls,omitempty"`  // why calls can't be made
	Blocked  []Blocked `json:"blocked,omitempty"`   // packs because of which reads are blocked
	Notes    []string  `json:"notes,omitempty"`
	Paused   bool      `json:"paused"`
	Calls    Calls     `json:"calls"`
	Events   int64     `json:"events"`  // in the journal
	Pending  int64     `json:"pending"` // not handled yet
	// Missed counts, over all packs, the events that a pack has not run on because it
	// was broken, failed or suspended, and which it has not made up for.
	Missed int64 `json:"missed"`
	Chats  int64 `json:"chats"`
	// Actions counts actions by how far they have come: waiting, done, dead …
	Actions     map[string]int64 `json:"actions"`
	Quarantined int64            `json:"quarantined"`
	Bytes       int64            `json:"bytes"` // of the store on disk
	// Unknown says why the store can't tell Events, Pending, Chats, Actions,
	// Quarantined, Bytes, Holds and Postponed, which are empty then.
	Unknown   string     `json:"unknown,omitempty"`
	Holds     *Holds     `json:"holds,omitempty"`     // chats that are held; nil: none is
	Postponed *Postponed `json:"postponed,omitempty"` // chats of which reads wait; nil: there is none
	Packs     int        `json:"packs"`
	Webhook   *Webhook   `json:"webhook,omitempty"` // nil: there is none
	NotLive   int        `json:"not_live"`          // packs with an edit that is not live
	// Ignored are files and folders that would be rules but for their names.
	Ignored []Ignored `json:"ignored,omitempty"`
}

// Holds are chats that are held: reads of them are dropped.
type Holds struct {
	Total int64 `json:"total"` // how many there are; CountedHolds: at least so many
	// First are those that end last, at most ShownHolds.
	First []Hold `json:"first"`
}

const (
	// ShownHolds is how many holds are listed.
	ShownHolds = 20
	// CountedHolds is up to how many are counted.
	CountedHolds = store.CountedHolds
	// ShownPostponed is how many postponed chats are listed: a policy for the night
	// has thousands, all of them alike.
	ShownPostponed = 5
)

// Hold is a chat that is held.
type Hold struct {
	Chat   string    `json:"chat"`
	By     string    `json:"by"` // PACK/RULE, or operator; the pack may be gone
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// Postponed are chats of which reads wait because a rule has postponed them.
type Postponed struct {
	Total int64 `json:"total"` // how many there are; CountedHolds: at least so many
	// First are those that wait longest, at most ShownPostponed.
	First []Postponement `json:"first"`
}

// Postponement is a chat of which reads wait, and the rule for which they wait
// longest.
type Postponement struct {
	Chat   string    `json:"chat"`
	By     string    `json:"by"` // PACK/RULE
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// Webhook counts what the webhook has answered since the start.
type Webhook struct {
	Accepted    int64 `json:"accepted"`   // new events
	Duplicates  int64 `json:"duplicates"` // known ones
	Quarantined int64 `json:"quarantined"`
	Unavailable int64 `json:"unavailable"` // answered 503
	// Refused counts by reason what was answered 4xx: Chert does not send it again.
	Refused map[string]int64 `json:"refused,omitempty"`
}

// Ignored is a file or folder that is not loaded for its name.
type Ignored struct {
	File string `json:"file"`
	Why  string `json:"why"`
	Hint string `json:"hint"` // what to do if it is meant
}

// How calls stand: Calls.State.
const (
	CallsGoOut   = "going_out"
	CallsPaused  = "paused"   // by command
	CallsWait    = "waiting"  // as Chert asked (429), until Calls.Until
	CallsStopped = "stopped"  // every call would fail; one probe at a time finds out when that is over
	CallsFail    = "failing"  // each is tried again
	CallsDrain   = "draining" // chertd is stopping: those in flight end, and no other is made
)

// Calls is how the calls to Chert stand.
type Calls struct {
	State   string    `json:"state"`
	Since   time.Time `json:"since,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Cause   string    `json:"cause,omitempty"`
	Answer  string    `json:"answer,omitempty"` // Chert's last, or what answered instead
	HTTP    int       `json:"http,omitempty"`
	Code    int       `json:"code,omitempty"` // Chert's
	TraceID string    `json:"trace_id,omitempty"`
	Fix     string    `json:"fix,omitempty"`
	// LastConfirmed is when Chert last confirmed a call; zero: not since the start.
	LastConfirmed time.Time `json:"last_confirmed,omitzero"`
}

// Blocked is a pack that can veto and does not get to look at events, or failed
// on some of the last hour: their reads are blocked.
type Blocked struct {
	Pack   string    `json:"pack"`
	Since  time.Time `json:"since"`
	Why    string    `json:"why"`
	Events int64     `json:"events"` // it has missed, and not run since
	Reads  int64     `json:"reads"`  // that are blocked because of it, as of a few seconds ago
	Fix    []string  `json:"fix"`    // commands, the likeliest first, and what each does
}

// String is a line for people.
func (b *Blocked) String() string {
	return fmt.Sprintf("pack %s blocks reads since %s: %s; %s", b.Pack, b.Since.UTC().Format(time.RFC3339), b.Why, strings.Join(b.Fix, "; "))
}

// Pack is how one pack stands.
type Pack struct {
	Name     string    `json:"name"`
	Path     string    `json:"path"`
	Version  string    `json:"version"`        // live; "": none
	Since    time.Time `json:"since,omitzero"` // live since; zero: no version is
	Mode     string    `json:"mode"`
	ModeBy   string    `json:"mode_by"`             // "command", "chertd.yaml", "pack.yaml", "default", or why chertd set it
	ModeHint string    `json:"mode_hint,omitempty"` // how it is taken back, if chertd set it
	Rules    int       `json:"rules"`
	Events   int64     `json:"events"`   // the live version has handled
	Failures int64     `json:"failures"` // of them
	// Suspended are rules of the live version that do not run, and SuspendedHint
	// what to do about it where Why does not say.
	Suspended     []RuleSuspension `json:"suspended,omitempty"`
	SuspendedHint string           `json:"suspended_hint,omitempty"`
	Pinned        bool             `json:"pinned"` // by a rollback
	PinnedUntil   string           `json:"pinned_until,omitempty"`
	Gone          bool             `json:"gone"` // its files are gone; it is kept as it was
	// Unread is set while the rules folder can't be read: nobody knows how the
	// pack's files are, and it goes on as it was.
	Unread bool `json:"unread,omitempty"`
	// NotLive says why the pack's files, as they are now, are not live; "": they are.
	NotLive string `json:"not_live,omitempty"`
	// Blocked is set while reads are blocked because of the pack.
	Blocked *Blocked `json:"blocked,omitempty"`
	// Missed is how many events it has not got to look at, for which reads are
	// blocked or of which it had no version. Those of the last hour run through it
	// once another version is live, or its rules are no longer suspended.
	Missed int64 `json:"missed,omitempty"`
	// MissedEarlier is how many of them it missed more than an hour ago, and
	// BlockedEarlier how many reads are blocked because of these: neither goes on
	// automatically.
	MissedEarlier  int64 `json:"missed_earlier,omitempty"`
	BlockedEarlier int64 `json:"blocked_earlier,omitempty"`
	// Unknown says why the store can't tell Events, Failures and Versions, which
	// are empty then.
	Unknown     string    `json:"unknown,omitempty"`
	Diagnostics diag.List `json:"diagnostics,omitempty"`
	// Change is what the last edit that went live since the start changed.
	Change   *rules.Change `json:"change,omitempty"`
	Versions []PackVersion `json:"versions,omitempty"`
}

// What ends a rollback: Pack.PinnedUntil.
const (
	PinnedUntilEdit = "next_edit" // the next edit that passes is live
	PinnedUntilUndo = "undo"      // edits are not live until rollback --undo, or another rollback
)

// Reload is what became of the rules folder when it was read.
type Reload struct {
	Packs   []Pack     `json:"packs"`
	Live    []LiveEdit `json:"live,omitempty"`    // versions that became live
	Removed []string   `json:"removed,omitempty"` // packs whose files are gone
	// Folder is what keeps the folder from being read to its end.
	Folder diag.List `json:"folder,omitempty"`
}

// LiveEdit is a version of a pack that became live, and what it changed.
type LiveEdit struct {
	Pack    string `json:"pack"`
	Version string `json:"version"`
	Was     string `json:"was,omitempty"` // the version before
	rules.Change
}

// Changed is how a pack stands after a command, and what it had waiting that the
// command dropped.
type Changed struct {
	Pack
	Dropped live.Dropped `json:"dropped"`
}

// Removed is the answer of DELETE packs/{pack}.
type Removed struct {
	Removed string       `json:"removed"`
	Dropped live.Dropped `json:"dropped"`
}

// RuleSuspension is a rule that does not run until an event probes it.
type RuleSuspension struct {
	Rule string `json:"rule"` // "": all of the pack
	// Scope is for which events: "all_chats", "one_chat", or "no_chat", which are
	// those that concern none.
	Scope string    `json:"scope"`
	Chat  string    `json:"chat,omitempty"` // of one_chat
	Until time.Time `json:"until"`          // then the next event is the probe
	// Probing is set once Until is past, until that event comes.
	Probing bool   `json:"probing,omitempty"`
	Why     string `json:"why"`
}

// PackVersion is a version a pack can be rolled back to.
type PackVersion struct {
	Version    string    `json:"version"`
	Since      time.Time `json:"since"`
	Last       time.Time `json:"last"`
	Events     int64     `json:"events"`
	Failures   int64     `json:"failures"`
	RolledBack bool      `json:"rolled_back,omitempty"`
}
