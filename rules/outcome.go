package rules

import (
	"encoding/json"
	"slices"
	"time"

	"chertd/engine/event"
	"chertd/luabind"
	"chertd/rules/chat"
)

// Input is all that a rule set looks at.
type Input struct {
	Event  *event.Event
	Seq    int64 // of the journal; 0 in eval
	Now    time.Time
	First  time.Time  // when the event was first handled; zero: now
	Chat   *chat.Chat // for cooldowns; nil where there is no chat
	Memory Memory     // nil: nothing is remembered
	Lists  *Lists     // nil: all lists are empty
	// Suspensions are the rules that are suspended. Run only looks at it; nil: nothing is
	// ever suspended.
	Suspensions *Suspensions
	// Again is set when the event was run before and its outcome could not be
	// kept: a rule that fails again does not count as failing more often.
	Again bool
	// Pack, if set, is the only pack whose rules run: the event was missed by it.
	// Those in Ran do not, by name: they ran already, when others failed.
	Pack string
	Ran  []string
	// HideText keeps the text of the event out of explanations. Run ignores it.
	HideText bool
}

// Memory is what packs remember, as it was before the event. The rule set
// stages what handlers write: each sees what those of its pack before it wrote.
type Memory interface {
	State(pack, chat string) (json.RawMessage, error)
	Get(pack, key string) (Entry, error)
	// List is a page of live entries in the order of their keys, those after a key:
	// at most limit, and no more once their values come to bytes (one is always
	// given). next is what the following page is after; "": there is none.
	List(pack, prefix, after string, limit, bytes int) (page []Entry, next string, err error)
	// Usage is how many bytes the pack's live entries come to (Entry.Size), those
	// under the given keys left out. With none left out it may be more than that,
	// where to know it exactly would take another look at the store.
	Usage(pack string, without []string) (int64, error)
}

// Entry is one entry of a pack's kv.
type Entry struct {
	Key     string
	Value   json.RawMessage // nil: none, or deleted
	Expires time.Time       // zero: never
	Version int64           // of the entry that was read; 0: never written
}

// Result is what a rule set says to an event.
type Result struct {
	Outcomes []Outcome // of the rules that passed where, in the order they ran
	// Block is set when a pack that can veto is among Missed.
	Block bool
	// Missed are the packs that did not get to look at the event though they run
	// live: those that can veto, those of which rules are suspended, and those of
	// which no version is loaded.
	Missed []Missed
	// Lists are the versions of the lists that conditions and handlers looked at, 0 of one
	// that never had members; nil: they looked at none.
	Lists ListVersions
}

// Ran reports whether any handler was called.
func (r *Result) Ran() bool {
	return slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return o.Skipped == "" })
}

// Missed is a pack that did not get to look at an event.
type Missed struct {
	Pack    string
	Version string // of its files, if it is not loaded
	Why     MissedWhy
	CanVeto bool
	CanHold bool
}

// MissedWhy is why a pack did not get to look at an event.
type MissedWhy string

const (
	MissedNotLoaded MissedWhy = "not_loaded" // no version of the pack is live
	MissedFailed    MissedWhy = "failed"     // a handler of it failed
	MissedSuspended MissedWhy = "suspended"  // rules of it are suspended, and none failed
)

// miss notes that rules of a pack did not get to look at the event.
func (r *Result) miss(p *Pack, why MissedWhy) {
	r.Block = r.Block || p.CanVeto
	if n := len(r.Missed); n > 0 && r.Missed[n-1].Pack == p.Name {
		if why == MissedFailed {
			r.Missed[n-1].Why = why
		}
		return
	}
	r.Missed = append(r.Missed, Missed{Pack: p.Name, Version: p.Version, Why: why, CanVeto: p.CanVeto, CanHold: p.CanHold})
}

// Outcome is what became of one rule that passed where.
type Outcome struct {
	Pack    string
	Version string
	Rule    string
	Place   string // file:line
	Shadow  bool   // its pack is in shadow mode, or not live in this chat, or the rule is in shadow
	// Candidate is set in shadow if the rule is of a version that runs beside the live one.
	Candidate bool
	// CandidateLive is set if it is of such a version, and live in the chat as part of its share.
	CandidateLive bool
	Skipped       string // not run: "cooldown", "sample", "outside its hours", "suspended", "rule_off", "pack_off", or its not_on or max_age
	// SkippedWhy says since when it is suspended and why; "" for other values of Skipped, of
	// which Pack.SkipOf says more.
	SkippedWhy string
	// Note is by which command the rule does not run as its pack does, or the pack is not live
	// in the chat; "": by none.
	Note string

	Failure  *luabind.Failure // it failed: everything below but Logs and Steps is empty
	Requests []Request
	Rest     *chat.Cooldown // its cooldown, from now
	State    json.RawMessage
	StateSet bool    // State is to be kept (nil deletes)
	Reads    []Entry // kv entries it read, with the versions it saw
	Writes   []Entry // kv entries it wrote
	KVLimit  int64   // what its pack may keep in kv, in bytes; 0: no limit
	Logs     []Log
	Steps    int64

	by runBy
}

// runBy is what Suspensions.Note needs to know of a rule that ran or was suspended.
type runBy struct {
	pack  *Pack // nil: the rule neither ran nor was suspended
	rule  *Rule
	probe bool // it was suspended, and ran to see whether it works again
	// excused is whether its failure says nothing about the rule: its memory could
	// not be read, or the event ran before.
	excused bool
	steps   int64 // VM steps of all its tries, and of VMs made for them
}

// Saw reports whether a rule of a live pack ran on the event and did not fail.
func (o *Outcome) Saw() bool { return o.Skipped == "" && o.Failure == nil && !o.Shadow }

// Role is how the rule ran.
func (o *Outcome) Role() Role { return RoleOf(o.Shadow, o.Candidate) }

// MemoryPack is the pack under which what the rule keeps is kept. In shadow, and as a
// candidate, a pack remembers apart, so that what it tries does not change what it knows
// when it is live.
func (o *Outcome) MemoryPack() string { return o.Role().Key(o.Pack) }

// Request is a request and the chat it is for, which need not be the event's.
type Request struct {
	Chat string
	chat.Request
}

// Log is a line a rule logged.
type Log struct {
	Level  string         `json:"level"`
	Msg    string         `json:"msg"`
	Fields map[string]any `json:"fields,omitempty"`
}
