// Package luabind runs rules written in Lua 5.1 in a sandbox, and provides the
// modules that rules use. No script can end or stall the process, or exceed its
// limits of steps and memory.
//
// Compile turns a source file into a Program. Load makes a VM from the programs
// of a pack and reports each subscription of the files to a Registrar. VM.Call
// runs one handler for one event: the actions that the handler requests go to the
// Effects of the Call, and what it stores goes to the Memory. Other scripts, such
// as specs, run in the same sandbox with LoadScript and the functions of a Host.
//
// The package also reads the durations, windows, days and schedules that rules
// write. It reads no clock, except to abort a handler that runs for too long.
package luabind

import (
	"encoding/json"
	"time"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

// Limits are the limits of one VM. A field that is zero has its default.
type Limits struct {
	Steps    int64         // VM steps per call; default 1,000,000, about 20 ms
	Memory   int64         // bytes that a call may allocate and the pack may retain between calls, together; default 32 MiB
	Retained int64         // bytes of Memory that this VM may retain; default three quarters of it
	Wall     time.Duration // time after which a call is aborted; it decides nothing else; default 1 s
}

// Config holds what a VM is made of. VMs share programs and data, and never
// write to them.
type Config struct {
	Files    []*Program          // run once, in order
	Lib      map[string]*Program // modules of require, by name
	Settings map[string]any      // values of config: string, float64, bool, []any, map[string]any
	// Data returns the value of data.load, of the types of Settings. A VM calls it
	// once per name. If it is nil, there is no data.
	Data   func(name string) (any, error)
	Grants map[string]bool // permissions granted to the pack: "typing", "react", "send", "notify"
	Zone   *time.Location  // default time zone of windows, cron and chert.date; nil is UTC
	Limits Limits
	// Budget is the memory budget that the VMs of a pack share. If it is nil, the
	// VM has one of its own.
	Budget *MemoryBudget
	// Print receives the lines of print and log.* while files load. If it is nil,
	// they are dropped.
	Print func(level, msg string, fields map[string]any)
	// Cover, if not nil, receives each line that a program of Covered runs.
	Cover func(file string, line int)
}

// Registrar receives the subscriptions of files while they load. An error of
// Subscribe is reported at the line of the call, and loading continues.
type Registrar interface {
	Subscribe(Subscription) error
}

// Subscription is one call of chert.on, chert.rule or chert.every, with the
// arguments as written: only their Lua types are checked. Each VM runs the files
// again and they subscribe in the same order, so Index identifies a handler in
// every VM of a pack.
type Subscription struct {
	Index int    // from 0
	Call  string // "chert.on", "chert.rule" or "chert.every"
	Name  string // "": not given
	Types []string
	Where map[string]any // Lua lists are []any, chert.list(name) is a ListRef; nil: not given
	// Data names the source of values of Where that come from data.load or config,
	// by key: "where.from" → "data.vips".
	Data     map[string]string
	During   string
	Outside  string
	TZ       string
	NotOn    *Calendar     // nil: not given
	MaxAge   time.Duration // 0: not given
	Cooldown time.Duration
	Sample   float64 // 0: not given
	Every    string  // chert.every: duration or cron expression as written
	Missed   string  // chert.every: what happens to missed runs, as written; "": not given
	File     string
	Line     int    // of the call
	RunLine  int    // first line of the handler function
	Digest   string // hash of the code of the handler, independent of its place
}

// Call holds the event and the environment of one run of one handler.
type Call struct {
	Event   *event.Event
	Now     time.Time // value of chert.now() during the call
	Seed    uint64    // seed of math.random
	Effects Effects
	Memory  Memory // nil: the handler can't store anything
	Lists   Lists  // nil: there are none
}

// Effects receives the actions that a handler requests and the lines that it
// logs. The arguments have valid types and forms. An error is raised in Lua at
// the line of the call, with the hint of HintOf. If the handler fails, the caller
// of VM.Call drops all actions of the call.
type Effects interface {
	MarkRead(chat string, o ReadOptions) error
	CancelRead(chat string) error
	Postpone(chat string, until time.Time, reason string) error
	KeepUnread(chat, reason string) error
	Hold(chat string, until time.Time, reason string) error
	Release(chat string) error
	SetTimer(due time.Time, name string, payload json.RawMessage) error
	CancelTimer(name string) error
	Typing(chat, state string) error
	React(message, kind string) error
	Send(chat, text string) error
	// Notify has fields as a JSON object, or nil.
	Notify(target, text string, fields json.RawMessage) error
	Log(level, msg string, fields map[string]any)
}

// ReadOptions holds the options of chert.mark_read.
type ReadOptions struct {
	Due         time.Time // Call.Now plus after, or the next opening of at
	Delayed     bool      // whether at or an after greater than 0 is given: the rule needs a name
	Latest      time.Time // Call.Now plus at_most; zero: not given
	OnlyIf      string    // "answered" or "unanswered"; "": not given
	Reason      string
	EvenIfNewer bool
}

// Memory stores the data of a pack: ev.state for the chat of the event, and the
// entries of kv. Values are JSON. An error is raised in Lua at the line of the
// call.
type Memory interface {
	// State returns the stored ev.state, or nil if there is none.
	State() (json.RawMessage, error)
	// SetState stores ev.state; nil deletes it. The VM calls it after a handler that
	// succeeded, if the handler changed the table.
	SetState(json.RawMessage) error
	// Get returns the value of a key, or nil if there is none.
	Get(key string) (json.RawMessage, error)
	// Set stores a value. It expires after ttl; 0 means never, KeepTTL means when
	// the current value of the key would have expired.
	Set(key string, value json.RawMessage, ttl time.Duration) error
	Delete(key string) error
	// List returns a page of the entries with a prefix whose keys come after a key,
	// in key order. A page has at most limit entries, and ends with the entry at
	// which its values reach bytes. next is the after of the following page, or ""
	// if there is none.
	List(prefix, after string, limit, bytes int) (page []Entry, next string, err error)
}

// KeepTTL is a ttl that leaves the expiry of an entry unchanged. kv.incr uses it,
// so that a counter expires after the ttl of its first count.
const KeepTTL time.Duration = -1

// Entry is one entry of kv.
type Entry struct {
	Key   string
	Value json.RawMessage
}

// Failure is the error of a handler that did not succeed. The Diagnostic has the
// line that failed.
type Failure struct {
	diag.Diagnostic
	Kind  FailureKind
	Stack []string // file:line of the Lua frames, innermost first
}

// FailureKind is the reason why a handler did not succeed.
type FailureKind string

const (
	LuaError    FailureKind = "error"      // it raised a Lua error
	OutOfSteps  FailureKind = "steps"      // it used up its step budget
	OutOfMemory FailureKind = "memory"     // it used up its memory budget
	TimedOut    FailureKind = "wall"       // it was aborted after Limits.Wall; another try may succeed
	NotLoaded   FailureKind = "not loaded" // its file did not load, so it did not run
)

func (f *Failure) Error() string { return f.Diagnostic.String() }
