// Package luabind makes Lua safe and fast for rules: a sandbox in which no
// script can end, stall or outgrow the process, and the modules that rules see.
//
// It knows no packs and no engine. What a handler asks for and remembers goes
// to the interfaces of a Call; what a file subscribes to goes to a Registrar.
// The same programs, VMs and limits serve running, checking, specs and eval.
package luabind

import (
	"encoding/json"
	"time"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

// Limits bounds one VM. Zero fields take the defaults.
type Limits struct {
	Steps  int64         // VM steps a call; default 1,000,000, about 20 ms
	Memory int64         // bytes a call may allocate and the pack keep between calls; default 32 MiB
	Kept   int64         // of them, bytes this VM may keep; default three quarters
	Wall   time.Duration // aborts only, so that budgets stay deterministic; default 1 s
}

// Config is what a VM is made of. Programs and data are shared between VMs and
// never written.
type Config struct {
	Files    []*Program          // run once, in order
	Lib      map[string]*Program // by the name given to require
	Settings map[string]any      // config.NAME: string, float64, bool, []any, map[string]any
	// Data gives data.load its value, of the types of Settings. Called once a
	// name and VM; nil: there is no data.
	Data   func(name string) (any, error)
	Grants map[string]bool // "typing", "react", "send": chert.* that exist only if granted
	Zone   *time.Location  // default zone of windows, cron and chert.date; nil: UTC
	Limits Limits
	// Account is what the VMs of a pack share; nil: this one is alone.
	Account *Account
	// Print receives print and log.* while loading; nil drops them.
	Print func(level, msg string, fields map[string]any)
	// Cover is told each line that programs of Covered reach; nil: nobody is.
	Cover func(file string, line int)
}

// Registrar receives what a file subscribes to while it loads. Its error is
// reported at the place of the subscribing call; the load goes on to find more.
type Registrar interface {
	Subscribe(Subscription) error
}

// Subscription is one chert.on, chert.rule or chert.every, as written: values
// are checked for their Lua types only. Files are run anew for every VM and
// subscribe in the same order each time, so Index names a handler in all of them.
type Subscription struct {
	Index int    // counts from 0 in a VM
	Call  string // "chert.on", "chert.rule" or "chert.every"
	Name  string // "": none given
	Types []string
	Where map[string]any // nil: none given. Lua lists are []any
	// Data says which values of Where were given as they were loaded, by the key:
	// "where.from" → "data.vips".
	Data     map[string]string
	During   string
	Outside  string
	TZ       string
	NotOn    *Calendar     // nil: not given
	MaxAge   time.Duration // 0: not given
	Cooldown time.Duration
	Sample   float64 // 0: not given
	Every    string  // chert.every: duration or cron expression as written
	Missed   string  // chert.every: what becomes of missed runs, as written; "": not given
	File     string
	Line     int    // of the call
	RunLine  int    // where the handler function begins
	Digest   string // hash of what the handler does, whatever its place
}

// Call is one run of one handler: the event, and the world it may ask.
type Call struct {
	Event   *event.Event
	Now     time.Time // chert.now(), one value a call
	Seed    uint64    // of math.random
	Effects Effects
	Memory  Memory
}

// Effects takes a handler's wishes. Arguments are checked for type and form
// before; an error is raised in Lua at the place of the call. The implementor
// drops all of a call whose handler fails.
type Effects interface {
	MarkRead(chat string, o ReadOptions) error
	CancelRead(chat string) error
	Postpone(chat string, until time.Time, reason string) error
	KeepUnread(chat, reason string) error
	Hold(chat string, until time.Time, reason string) error
	Release(chat string) error
	After(due time.Time, name string, payload json.RawMessage) error
	CancelTimer(name string) error
	Typing(chat, state string) error
	React(message, kind string) error
	Send(chat, text string) error
	Log(level, msg string, fields map[string]any)
}

// ReadOptions is the second argument of chert.mark_read.
type ReadOptions struct {
	Due         time.Time // Call.Now plus after, or the next opening of at
	Delayed     bool      // after (more than 0) or at was given: the rule must have a name
	Reason      string
	EvenIfNewer bool
}

// Memory is what a pack keeps: ev.state of the event's chat, and kv. Values
// are JSON. An error is raised in Lua at the place of the call.
type Memory interface {
	State() (json.RawMessage, error) // nil: none yet
	SetState(json.RawMessage) error  // after the handler, if the table changed; nil deletes
	Get(key string) (json.RawMessage, error)
	// Set keeps a value for ttl; 0 is for good, KeepTTL as long as the entry
	// that stands would have been kept.
	Set(key string, value json.RawMessage, ttl time.Duration) error
	Delete(key string) error
	// List gives entries in the order of their keys, those after a key: a page of
	// at most limit, which ends once their values come to bytes (one is always
	// given). next is what the following page is after; "": there is none.
	List(prefix, after string, limit, bytes int) (page []Pair, next string, err error)
}

// KeepTTL leaves the expiry of an entry as it is: kv.incr counts within the time
// that its first count began.
const KeepTTL time.Duration = -1

// Pair is an entry of kv.list.
type Pair struct {
	Key   string
	Value json.RawMessage
}

// Failure is how a handler ended that did not end well.
type Failure struct {
	diag.Diagnostic
	Kind  FailureKind
	Stack []string // file:line of the Lua frames, innermost first
}

// FailureKind says what ended a handler.
type FailureKind string

const (
	Raised    FailureKind = "error"      // a Lua error
	Steps     FailureKind = "steps"      // the step budget was used up
	Bytes     FailureKind = "memory"     // the byte budget was used up
	Timeout   FailureKind = "wall"       // aborted after Limits.Wall: worth one more try
	NotLoaded FailureKind = "not loaded" // its file could not be loaded, so it never ran
)

func (f *Failure) Error() string { return f.Diagnostic.String() }
