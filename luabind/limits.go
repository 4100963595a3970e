package luabind

import (
	"time"

	lua "github.com/yuin/gopher-lua"
)

// The defaults of Limits.
const (
	DefaultSteps  = 1_000_000
	DefaultMemory = 32 << 20
	DefaultWall   = time.Second
)

const (
	// loadFactor is the ratio of the budget of loading a pack to that of a call:
	// files build their tables once, handlers run for each event.
	loadFactor = 10

	// maxString is the maximum length of a string that a library function returns, in
	// bytes. It is less than the memory budget, so that one result never uses all of it.
	maxString = 8 << 20
	// maxResults is the maximum number of values that one call of unpack or string.byte
	// returns (about 8000 in Lua 5.1).
	maxResults = 4000
	// maxPcall is the maximum nesting of pcall and xpcall: each level has its own Lua
	// stack and uses the Go stack, whose overflow can't be recovered.
	maxPcall = 60
	// maxHandlers is the maximum number of subscriptions of the files of a VM, and
	// maxDiagnostics the number of their errors that are reported.
	maxHandlers    = 20_000
	maxDiagnostics = 100
	// maxMessage is the length in bytes to which error texts and log lines are truncated.
	maxMessage = 4 << 10
	// maxPrints is the maximum number of lines that one call may print or log.
	maxPrints = 100
	// maxLogged is the maximum size of these lines in bytes. They are stored with the
	// decision: 800 KB per event saturated the store.
	maxLogged = 32 << 10
	// logSteps is the cost of a logged byte in steps: it is encoded, stored and
	// printed.
	logSteps = 2
)

// stateOptions are the options of every Lua state. Small stacks are cheap, and grow.
var stateOptions = lua.Options{
	CallStackSize:    128,
	RegistrySize:     512,
	RegistryMaxSize:  32768,
	RegistryGrowStep: 1024, // 32, the default, makes growing quadratic
	SkipOpenLibs:     true,
}

// These two variables of gopher-lua hold for the whole process. init sets them
// before any state exists. Nothing else in the process may use gopher-lua.
func init() {
	// A number key below it goes to the array part, which is filled with nils
	// up to the key: t[67108863] = 1 would take 10 s and 3.3 GB. # sees the array
	// part only, so this is also how long a list can be.
	lua.MaxArrayIndex = 1 << 18
	// gopher-lua would make the table `arg` of Lua 5.0, uncharged, at each call of a
	// vararg function that does not use `...`.
	lua.CompatVarArg = false
}

// withDefaults returns the limits with defaults for the fields that are zero.
func (l Limits) withDefaults() Limits {
	if l.Steps <= 0 {
		l.Steps = DefaultSteps
	}
	if l.Memory <= 0 {
		l.Memory = DefaultMemory
	}
	if l.Retained <= 0 {
		l.Retained = l.Memory * 3 / 4
	}
	if l.Wall <= 0 {
		l.Wall = DefaultWall
	}
	return l
}

// forLoading returns the limits for loading all files of a pack together.
func (l Limits) forLoading() Limits {
	l.Steps *= loadFactor
	l.Wall *= loadFactor
	return l
}
