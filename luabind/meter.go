package luabind

import (
	"context"
	"math"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// meter counts what a call uses, and trips once a budget is used up. Steps and
// bytes are counted exactly and the same on every machine; the clock is looked
// at now and then, and only aborts.
//
// gopher-lua asks ctx.Done() before each instruction, so the meter is the
// context: no deadline, no timer, no goroutine, and nothing allocated. Library
// functions charge the same meter for the work they do.
//
// Once tripped it stays so until the VM is thrown away: every further
// instruction raises the overrun again, which is why no pcall can swallow it.
// Whether a call went well is asked of the meter, not of the error it returned.
type meter struct {
	left      int64 // steps of the budget not used yet
	nextCheck int64 // when left is below it, look at the clock and the line
	bytes     int64 // of the byte budget not used yet
	small     int64 // when bytes is below it, the call is a large one: see Account

	armed  bool        // the next look is the first of a protected call
	trip   FailureKind // "": fine
	where  place       // where it tripped
	prints int         // lines printed or logged
	logged int         // bytes of them

	limits Limits
	large  bool  // the call has the turn of the pack's large calls
	used   int64 // bytes charged by all calls, for the walk of what is kept

	now     func() time.Time
	started time.Time // of the first look; zero before it
	samples [8]sample // the lines it was seen at, the most frequent kept
}

// place is a line of a file.
type place struct {
	file string
	line int
}

type sample struct {
	place
	n int
}

// checkEvery is how many steps pass between two looks at the clock. 512 steps
// are about 10 µs of plain instructions, and the most expensive ones are
// charged so that they don't take 100 times that.
const checkEvery = 512

// tripped is what Done gives once a meter has tripped: closed from the start.
var tripped = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// reset gives a new budget. The clock is not read: a short call never does.
func (m *meter) reset(l Limits) {
	if m.trip != "" {
		return
	}
	m.used += m.allocated()
	m.limits = l
	m.left, m.bytes = l.Steps, l.Memory
	m.small = l.Memory - l.Memory/smallPart
	m.nextCheck = m.left - checkEvery
	m.prints, m.logged = 0, 0
	m.started = time.Time{}
	if m.samples[0].n != 0 {
		m.samples = [8]sample{}
	}
}

// arm makes the first instruction of a protected call look closer. PCall sets a
// Panic of its own that throws away where an error was raised; the look sets
// ours. A Go function in between, as pcall uses, would cost as much as the rest
// of an empty call.
func (m *meter) arm() {
	if m.trip == "" {
		m.armed, m.nextCheck = true, m.left
	}
}

// steps is how many steps of the budget are used.
func (m *meter) steps() int64 { return m.limits.Steps - max(m.left, 0) }

// allocated is how many bytes were charged since the last reset.
func (m *meter) allocated() int64 { return m.limits.Memory - m.bytes }

// stop trips the meter, for good.
func (m *meter) stop(t *thread, kind FailureKind) {
	if m.trip != "" {
		return
	}
	m.trip = kind
	m.where = t.place()
	m.nextCheck = math.MaxInt64 // every step looks closer from now on
}

// take takes bytes off the budget, before they are allocated. It returns false if
// there are not so many left.
func (m *meter) take(t *thread, bytes int64) bool {
	m.bytes -= bytes
	if m.bytes >= m.small {
		return true
	}
	if m.bytes < 0 {
		m.bytes = -1 // what goes beyond the budget is not done, so it is not counted
		return false
	}
	if !m.large {
		m.large = true
		began := m.now()
		t.vm.account.large.lock(t.vm.account.owner(t.vm))
		if !m.started.IsZero() {
			m.started = m.started.Add(m.now().Sub(began)) // others' time
		}
	}
	return true
}

// end ends a call: another large one of the pack may begin.
func (m *meter) end(vm *VM) {
	if m.large {
		m.large = false
		vm.account.large.unlock()
	}
}

// checkLimits runs each checkEvery steps, and at each step once tripped.
func (m *meter) checkLimits(t *thread) {
	t.showHidden()
	switch {
	case m.trip != "":
		return
	case m.left < 0:
		m.stop(t, Steps)
		return
	case m.bytes < 0:
		m.stop(t, Bytes)
		return
	case m.armed:
		m.armed = false
		m.nextCheck = max(m.left-checkEvery, 0)
		t.L.Panic = t.vm.panics
		return
	}
	m.nextCheck = max(m.left-checkEvery, 0)
	t.chargeGrowth()
	t.open = openUpvalues(t.L)
	m.sample(t.place())
	now := m.now()
	if m.started.IsZero() {
		m.started = now
	} else if now.Sub(m.started) > m.limits.Wall {
		m.stop(t, Timeout)
	}
}

// sample counts a line. Of more than eight, those seen least make room: what
// took most of the time is never lost.
func (m *meter) sample(p place) {
	least := 0
	for i := range m.samples {
		s := &m.samples[i]
		if s.n > 0 && s.place == p {
			s.n++
			return
		}
		if s.n < m.samples[least].n {
			least = i
		}
	}
	s := &m.samples[least]
	s.place, s.n = p, s.n+1
}

// hottest is the line seen most often, and its share of all looks in percent.
func (m *meter) hottest() (p place, percent int) {
	best, sum := 0, 0
	for i, s := range m.samples {
		sum += s.n
		if s.n > m.samples[best].n {
			best = i
		}
	}
	if sum == 0 {
		return m.where, 0
	}
	return m.samples[best].place, m.samples[best].n * 100 / sum
}

// thread is the context of one Lua thread. gopher-lua would derive a context
// with a goroutine for each thread it makes; each gets one of these instead.
type thread struct {
	vm *VM
	m  *meter
	L  *lua.LState

	registers int   // how many are paid for
	open      int   // how many upvalues were open then
	refused   error // an instruction that must not run: raised once, no overrun
	hidden    hidden
}

var _ context.Context = (*thread)(nil)

func newThread(vm *VM, L *lua.LState, free int) *thread {
	t := &thread{vm: vm, m: &vm.meter, L: L, registers: free}
	L.SetContext(t)
	return t
}

// chargeGrowth charges for registers beyond those a thread may keep between
// calls: what it had before makes no difference to what a call is charged.
func (t *thread) chargeGrowth() {
	if array, _ := registers(t.L); len(array) > t.registers {
		// They have grown by RegistryGrowStep at a time, copied each time.
		t.m.take(t, int64(len(array)*len(array)-t.registers*t.registers)/int64(2*stateOptions.RegistryGrowStep)*16)
		t.registers = len(array)
	}
}

// Done counts the instruction that is about to run, and what it will allocate.
// It returns nil, on which nothing waits, until the meter has tripped.
func (t *thread) Done() <-chan struct{} {
	m := t.m
	m.left--
	f := topFrame(t.L)
	inst := f.fn().Proto.Code[f.pc()-1]
	if chargedByOperands[inst>>26] {
		if m.chargeOperands(t, f, inst); t.refused != nil {
			return tripped
		}
	}
	if m.left < m.nextCheck {
		m.checkLimits(t)
		if m.trip != "" {
			return tripped
		}
	}
	return nil
}

// Err is what gopher-lua raises in the script once Done is closed.
func (t *thread) Err() error {
	if t.m.trip == "" {
		err := t.refused
		t.refused = nil
		return err
	}
	return overrun(t.m.trip)
}

func (t *thread) Deadline() (time.Time, bool) { return time.Time{}, false }
func (t *thread) Value(any) any               { return nil }

// place is the line of Lua that runs.
func (t *thread) place() place {
	f := topFrame(t.L).luaFrame()
	if f.p == nil {
		return place{}
	}
	return place{f.fn().Proto.SourceName, f.line()}
}

// overrun is the error of a tripped meter.
type overrun FailureKind

func (o overrun) Error() string {
	switch FailureKind(o) {
	case Steps:
		return "the step budget is used up"
	case Bytes:
		return "the memory budget is used up"
	}
	return "aborted: it took too long"
}

// charge takes steps and bytes off the budgets for work a library function is
// about to do, and raises the overrun if there is not enough.
func charge(L *lua.LState, steps, bytes int) {
	t := L.Context().(*thread)
	m := t.m
	// What goes beyond the budget is not done, so it is not counted.
	m.left = max(m.left-int64(steps), -1)
	if !m.take(t, int64(bytes)) && m.trip == "" {
		m.stop(t, Bytes)
	}
	if m.left < m.nextCheck {
		m.checkLimits(t)
		if m.trip != "" {
			L.RaiseError("%s", overrun(m.trip).Error())
		}
	}
}
