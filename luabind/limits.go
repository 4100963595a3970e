package luabind

import (
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Defaults of Limits.
const (
	DefaultSteps  = 1_000_000
	DefaultMemory = 32 << 20
	DefaultWall   = time.Second
)

const (
	// loadFactor is how much more than a call the loading of a pack may use:
	// files build their tables once, handlers run for each event.
	loadFactor = 10

	// maxString is the longest string a library function makes. It stays below
	// the byte budget so that one result is never the whole of it.
	maxString = 8 << 20
	// maxResults is how many values one function may return or take from a
	// table or string at once (Lua 5.1 has about 8000).
	maxResults = 4000
	// maxPcall is how deep pcall and xpcall may nest: each level has stacks of
	// its own, and nests on the Go stack, whose overflow could not be recovered.
	maxPcall = 60
	// maxHandlers is how many subscriptions the files of a VM may make, and
	// maxDiagnostics how many errors of theirs are told.
	maxHandlers    = 20_000
	maxDiagnostics = 100
	// maxMessage is where error texts and log lines are cut.
	maxMessage = 4 << 10
	// maxPrints is how many lines one call may print or log.
	maxPrints = 100
	// maxLogged is how many bytes they may come to: they are kept with the
	// event's decision, and 800 KB an event took all the store's time.
	maxLogged = 32 << 10
	// logSteps is what a byte of them costs in steps: it is encoded, written to
	// the store, and printed.
	logSteps = 2
)

// Options of every Lua state. Small stacks are cheap to make, and grow.
var stateOptions = lua.Options{
	CallStackSize:    128,
	RegistrySize:     512,
	RegistryMaxSize:  32768,
	RegistryGrowStep: 1024, // 32, the default, makes growing quadratic
	SkipOpenLibs:     true,
}

// gopher-lua keeps these two for the whole process. They are set once, before
// any state exists, and nothing else in the process may use gopher-lua.
func init() {
	// A number key below it goes to the array part, which is filled with nils
	// up to the key: t[67108863] = 1 would take 10 s and 3.3 GB. # sees the array
	// part only, so this is also how long a list can be.
	lua.MaxArrayIndex = 1 << 18
	// The table `arg` of Lua 5.0 is made at each call of a vararg function that
	// does not say `...`, behind the meter's back.
	lua.CompatVarArg = false
}

// withDefaults fills zero fields.
func (l Limits) withDefaults() Limits {
	if l.Steps <= 0 {
		l.Steps = DefaultSteps
	}
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	if l.Kept <= 0 {
		l.Kept = l.Memory * 3 / 4
	}
	if l.Wall <= 0 {
		l.Wall = DefaultWall
	}
	return l
}

// forLoading is what all files of a pack may use together while they load.
func (l Limits) forLoading() Limits {
	l.Steps *= loadFactor
	l.Wall *= loadFactor
	return l
}
