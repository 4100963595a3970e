package luabind

import (
	"math"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// meter counts what a call uses, and trips when a budget is used up. The counts of
// steps and bytes are exact and the same on every machine. The meter reads the clock
// every checkEvery steps, only to abort calls.
//
// gopher-lua calls ctx.Done() before each instruction, so the meter is the context:
// it needs no deadline, timer or goroutine, and allocates nothing. Library functions
// charge the same meter for their work.
//
// A tripped meter stays tripped until the VM is discarded: each further instruction
// raises the overrun again, so pcall can't hide it. The meter, not the error that a
// call returns, reports whether it exceeded a budget.
type meter struct {
	left      int64 // steps of the budget that are left
	nextCheck int64 // checkLimits runs when left is below it
	bytes     int64 // bytes of the budget that are left
	small     int64 // when bytes is below it, the call is large: see MemoryBudget

	armed  bool        // the next check is the first of a protected call
	trip   FailureKind // the budget that is used up; "": none
	where  place       // the line where the meter tripped
	prints int         // lines printed or logged
	logged int         // bytes of these lines

	limits Limits
	large  bool  // the call holds the pack's lock of large calls
	used   int64 // bytes charged by earlier calls: see checkRetained

	now     func() time.Time
	started time.Time // time of the first check; zero before it
	samples [8]sample // lines seen by checks: the most frequent ones
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

// checkEvery is the number of steps between two checks of the clock. 512 steps take
// about 10 µs for plain instructions. Expensive ones are charged so that they take
// less than 100 times that.
const checkEvery = 512

// tripped is the closed channel that Done returns after the meter has tripped.
var tripped = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// reset sets a new budget. It does not read the clock: short calls never do.
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

// arm makes the first instruction of a protected call run checkLimits, which sets
// our Panic. The Panic that PCall sets discards the place of an error. To set ours
// from a Go function in between, as pcall does, would double the cost of an empty
// call.
func (m *meter) arm() {
	if m.trip == "" {
		m.armed, m.nextCheck = true, m.left
	}
}

// steps returns the number of steps used since the last reset.
func (m *meter) steps() int64 { return m.limits.Steps - max(m.left, 0) }

// allocated returns the number of bytes charged since the last reset.
func (m *meter) allocated() int64 { return m.limits.Memory - m.bytes }

// stop trips the meter. It can't be undone.
func (m *meter) stop(t *thread, kind FailureKind) {
	if m.trip != "" {
		return
	}
	m.trip = kind
	m.where = t.place()
	m.nextCheck = math.MaxInt64 // checkLimits runs at every step from now on
}

// take charges bytes before they are allocated. It returns false if fewer are left.
func (m *meter) take(t *thread, bytes int64) bool {
	m.bytes -= bytes
	if m.bytes >= m.small {
		return true
	}
	if m.bytes < 0 {
		m.bytes = -1 // the excess is not allocated, so it does not count
		return false
	}
	if !m.large {
		m.large = true
		began := m.now()
		t.vm.account.large.lock(t.vm.account.owner(t.vm))
		HeavyWork()
		if !m.started.IsZero() {
			m.started = m.started.Add(m.now().Sub(began)) // time spent waiting does not count
		}
	}
	return true
}

// end ends a call. It releases the lock of large calls.
func (m *meter) end(vm *VM) {
	limit, kept := vm.limits.Memory, vm.account.kept.Load()-vm.account.held
	if m.allocated() > limit/heavyCall || kept > limit/heavyPack {
		HeavyWork()
	}
	if m.large {
		m.large = false
		vm.account.large.unlock()
	}
}

// checkLimits runs every checkEvery steps, and at every step after the meter has tripped.
func (m *meter) checkLimits(t *thread) {
	t.showHidden()
	switch {
	case m.trip != "":
		return
	case m.left < 0:
		m.stop(t, OutOfSteps)
		return
	case m.bytes < 0:
		m.stop(t, OutOfMemory)
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
		m.stop(t, TimedOut)
	}
}

// sample counts a line. If there are more than eight, it replaces the least frequent
// one, so the line that took most of the time is always among them.
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

// hottest returns the line seen most often, and its share of all samples in percent.
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

// overrun is the error of a tripped meter.
type overrun FailureKind

func (o overrun) Error() string {
	switch FailureKind(o) {
	case OutOfSteps:
		return "the step budget is used up"
	case OutOfMemory:
		return "the memory budget is used up"
	}
	return "aborted: it took too long"
}

// charge charges steps and bytes for the work that a library function is about to
// do. It raises the overrun if the budget does not suffice.
func charge(L *lua.LState, steps, bytes int) {
	t := L.Context().(*thread)
	m := t.m
	// The excess is not done, so it does not count.
	m.left = max(m.left-int64(steps), -1)
	if !m.take(t, int64(bytes)) && m.trip == "" {
		m.stop(t, OutOfMemory)
	}
	if m.left < m.nextCheck {
		m.checkLimits(t)
		if m.trip != "" {
			L.RaiseError("%s", overrun(m.trip).Error())
		}
	}
}
