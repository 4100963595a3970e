package luabind

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// raised is the last error that was raised, recorded while its frames existed.
type raised struct {
	object   lua.LValue
	at       place
	stack    []place
	text     string // message to which hint belongs
	hint     string
	failedOp failedOp // instruction that raised the last error of an instruction
	exact    bool     // the value being raised is a script's own
}

// throw raises a script's own value unchanged. RaiseError is for our own messages: it
// puts the position before them.
func throw(L *lua.LState, v lua.LValue) {
	vmOf(L).raised.exact = true
	L.Error(v, 0)
}

// raise raises an error at the line of the current Lua call. A script that catches
// the error sees only the message; the hint is for people.
func raise(L *lua.LState, hint, format string, args ...any) {
	vm := vmOf(L)
	vm.raised.text, vm.raised.hint = cut(fmt.Sprintf(format, args...)), hint
	L.RaiseError("%s", vm.raised.text)
}

// raisedTrace is the StackTrace of errors that onRaise has recorded.
const raisedTrace = "-"

// onRaise records an error. gopher-lua calls it for every error, with the value on
// top of the stack, while all frames exist. A non-empty StackTrace keeps PCall from
// formatting one.
func (vm *VM) onRaise(L *lua.LState) {
	obj := L.Get(-1)
	exact := vm.raised.exact
	vm.raised.exact = false
	if s, ok := obj.(lua.LString); ok && !exact {
		// A Go function that pcall calls directly has no position: RaiseError puts a
		// space in its place.
		msg := cut(strings.TrimPrefix(string(s), " "))
		if file, line, rest, ok := vm.prefixed(msg); ok {
			text, hint, failedOp := rewriteMessage(L, rest)
			if hint != "" || failedOp.what != "" {
				vm.raised.text, vm.raised.hint, vm.raised.failedOp = text, hint, failedOp
			}
			msg = fmt.Sprintf("%s:%d: %s", file, line, text)
		}
		obj = lua.LString(msg)
	}
	r := &vm.raised
	r.object, r.stack = obj, r.stack[:0]
	for t := len(vm.running) - 1; t >= -1 && len(r.stack) < maxStack; t-- {
		thread := vm.L
		if t >= 0 {
			thread = vm.running[t]
		}
		for f := topFrame(thread).luaFrame(); f.p != nil && len(r.stack) < maxStack; f = f.caller().luaFrame() {
			r.stack = append(r.stack, place{f.fn().Proto.SourceName, f.line()})
		}
	}
	r.at = place{}
	if len(r.stack) > 0 {
		r.at = r.stack[0]
	}
	panic(&lua.ApiError{Type: lua.ApiErrorRun, Object: obj, StackTrace: raisedTrace})
}

// resetRaised forgets the error of the last call. An error that no Lua code raises
// gets the place of the handler.
func (vm *VM) resetRaised(h *subscribed) {
	r := &vm.raised
	*r = raised{stack: r.stack[:0]}
	if h.fn.Proto != nil {
		r.at = place{h.fn.Proto.SourceName, h.fn.Proto.LineDefined}
	}
}

// maxStack is the maximum number of frames in Failure.Stack.
const maxStack = 20

// failure converts an error of protect to a Failure.
func (vm *VM) failure(err error) *Failure {
	f := &Failure{Kind: LuaError, Diagnostic: diag.Diagnostic{Severity: diag.SeverityError}}
	var o overrun
	var ae *lua.ApiError
	switch {
	case errors.As(err, &o):
		vm.explainOverrun(f, FailureKind(o))
	case errors.As(err, &ae) && ae.Type == lua.ApiErrorPanic:
		f.Message = "a library function failed: " + cut(firstLine(ae.Object.String()))
		f.Hint = "this is a bug in chertd, not in your rule"
		f.File, f.Line = vm.raised.at.file, vm.raised.at.line
	case errors.As(err, &ae):
		r := &vm.raised
		f.File, f.Line = r.at.file, r.at.line
		for _, p := range r.stack {
			f.Stack = append(f.Stack, fmt.Sprintf("%s:%d", p.file, p.line))
		}
		f.Message = vm.message(ae.Object)
		if ae.StackTrace != raisedTrace {
			f.Message = strings.TrimPrefix(f.Message, " ") // of a Go function without a position: see onRaise
		}
		if file, line, rest, ok := vm.prefixed(f.Message); ok {
			f.File, f.Line, f.Message = file, line, rest
		}
		if f.Message == r.text {
			f.Hint = r.hint
		}
		vm.nameValue(f, r.failedOp)
	default:
		f.Message = err.Error()
		f.File, f.Line = vm.raised.at.file, vm.raised.at.line
	}
	if f.Col == 0 && f.Line > 0 {
		f.Col = vm.indent(f.File, f.Line)
	}
	return f
}

// explainOverrun sets the message of a failure to the budget that was used up.
func (vm *VM) explainOverrun(f *Failure, kind FailureKind) {
	m := &vm.meter
	f.Kind = kind
	f.File, f.Line = m.where.file, m.where.line
	switch kind {
	case OutOfSteps:
		f.Message = fmt.Sprintf("stopped after %s steps, its budget", thousands(m.limits.Steps))
		f.Hint = "a loop that does not end, or too much work for one event"
	case OutOfMemory:
		f.Message = fmt.Sprintf("stopped after allocating %s, its memory budget", megabytes(vm.limits.Memory))
		if kept := vm.limits.Memory - m.limits.Memory; kept > vm.limits.Memory/16 {
			f.Message = fmt.Sprintf("stopped after allocating %s, its memory budget of %s less the %s that the pack keeps between events",
				megabytes(m.limits.Memory), megabytes(vm.limits.Memory), megabytes(kept))
		}
		f.Hint = "use less memory: join with table.concat, and keep only the parts of strings you need"
	case TimedOut:
		f.Message = fmt.Sprintf("aborted after %s, having used %s of %s steps", diag.Duration(m.limits.Wall), thousands(m.steps()), thousands(m.limits.Steps))
		f.Hint = "the machine was busy, or single operations took very long"
	}
	if p, percent := m.hottest(); percent > 0 && p.line > 0 {
		f.Message += fmt.Sprintf("; %d%% of the time went to %s:%d", percent, p.file, p.line)
	}
}

// message returns the message of an error's value.
func (vm *VM) message(obj lua.LValue) string {
	switch v := obj.(type) {
	case lua.LString:
		return cut(string(v))
	case lua.LNumber:
		return numberText(v)
	case *lua.LTable:
		for _, key := range []string{"message", "msg", "error"} {
			if s, ok := v.RawGetString(key).(lua.LString); ok {
				return cut(string(s))
			}
		}
	}
	return fmt.Sprintf("the script raised a value of type %s, not a string", obj.Type())
}

// prefixed splits "file:12: message" if the VM has run the file: messages of scripts
// may contain colons, too.
func (vm *VM) prefixed(s string) (file string, line int, rest string, ok bool) {
	file, line, rest, ok = prefixed(s)
	if ok && vm.programs[file] == nil {
		return "", 0, s, false
	}
	return file, line, rest, ok
}

// prefixed splits "file:12: message", the form of error() and gopher-lua.
func prefixed(s string) (file string, line int, rest string, ok bool) {
	for i := 1; i < len(s); i++ {
		if s[i] != ':' {
			continue
		}
		number, _, found := strings.Cut(s[i+1:min(len(s), i+12)], ":")
		n, err := strconv.Atoi(number)
		if after := i + 1 + len(number) + 1; found && err == nil && strings.HasPrefix(s[after:], " ") {
			return s[:i], n, s[after+1:], true
		}
	}
	return "", 0, s, false
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// cut truncates a text that people will read to maxMessage.
func cut(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "…"
}

// shorten truncates a name for use in a message.
func shorten(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:60], "") + "…"
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func megabytes(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
