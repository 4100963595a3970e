package luabind

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// stalled is a world whose kv.get waits.
type stalled struct {
	world
	begun, proceed chan struct{}
}

func (w *stalled) Get(string) (json.RawMessage, error) {
	close(w.begun)
	<-w.proceed
	return nil, nil
}

// Of the handlers of one pack that run simultaneously, on several shards, only one at a
// time allocates much, so that all of them stay within the pack's limit and the small
// parts. Handlers that allocate little, and those of other packs, don't wait.
func TestLargeCallsExcludeEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const source = `
chert.on("large", function(ev) local s = ("x"):rep(8000000) log.info("begins") kv.get("a") end)
chert.on("small", function(ev) local s = ("x"):rep(1000) log.info("begins") end)
chert.on("fails", function(ev) local s = ("x"):rep(8000000) error("x") end)
chert.on("overruns", function(ev) while true do local s = ("x"):rep(8000000) end end)`
		pack, other := NewMemoryBudget(), NewMemoryBudget()
		on := func(a *MemoryBudget) *loadedRules { return loadRules(t, Config{Budget: a}, source) }
		first, second, third := on(pack), on(pack), on(pack)

		w := &stalled{begun: make(chan struct{}), proceed: make(chan struct{})}
		ended := make(chan error, 2)
		go func() { ended <- first.callIn(0, w) }()
		<-w.begun
		waits := &stalled{begun: make(chan struct{}), proceed: make(chan struct{})}
		close(waits.proceed)
		go func() { ended <- second.callIn(0, waits) }()
		synctest.Wait()
		if len(waits.said) > 0 {
			t.Error("two large calls of a pack run simultaneously")
		}
		if err := third.call(1, &world{}); err != nil {
			t.Errorf("a small call: %v", err)
		}
		if err := on(other).call(2, &world{}); err == nil || !strings.Contains(err.Error(), "x") {
			t.Errorf("a large call of another pack: %v", err)
		}
		close(w.proceed)
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("a large call: %v", err)
			}
		}
		if len(waits.said) != 1 {
			t.Error("the one that waited did not run")
		}
		// Whatever way a large call ends, the next one begins.
		for _, index := range []int{2, 3} {
			if third.call(index, &world{}) == nil {
				t.Error("no failure")
			}
		}
		done := &stalled{begun: make(chan struct{}), proceed: make(chan struct{})}
		close(done.proceed)
		if err := first.callIn(0, done); err != nil {
			t.Error(err)
		}
	})
}

func (r *loadedRules) callIn(index int, w interface {
	Effects
	Memory
}) error {
	return r.vm.Call(index, &Call{Event: testEvent(r.subs[index].Types0()), Now: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), Effects: w, Memory: w})
}

// A spec and the pack that it tests run on one goroutine: a large call within a large
// call does not wait for itself.
func TestNestedBudgetDoesNotWaitForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewMemoryBudget().Nested()
		inner := loadRules(t, Config{Budget: a}, `chert.on("x", function(ev) local s = ("x"):rep(8000000) end)`)
		p := compiled(t, "a_spec.lua", `run(function() local s = ("x"):rep(8000000) inner() inner() end)`)
		h := &Host{Functions: map[string]HostFunc{
			"run": func(u *HostCall) []lua.LValue { u.Owner().(*holder).fn, _ = u.Function(1); return nil },
			"inner": func(u *HostCall) []lua.LValue {
				if err := inner.call(0, &world{}); err != nil {
					t.Error(err)
				}
				return nil
			},
		}}
		own := &holder{}
		s, err := LoadScript(Config{Budget: a}, p, h, own)
		if err != nil {
			t.Fatal(err)
		}
		s.Begin()
		if f := s.Call(own.fn); f != nil {
			t.Error(f)
		}
		s.End()
		if a.large.owner != nil || a.large.n != 0 {
			t.Errorf("the turn is still taken %d times", a.large.n)
		}
	})
}

// What all VMs of a pack retain between events reduces what its handlers may allocate. A
// VM that is discarded no longer counts.
func TestRetainedMemoryCountsTowardsTheLimit(t *testing.T) {
	t.Parallel()
	account := NewMemoryBudget()
	limits := Limits{Memory: 16 << 20, Retained: 6 << 20, Steps: 1 << 40}
	on := func() *loadedRules {
		return loadRules(t, Config{Budget: account, Limits: limits}, `
local keep = {}
chert.on("keep", function(ev) for i = 1, 4 do keep[i] = ("x"):rep(1000000) end end)
chert.on("use", function(ev) for i = 1, 12 do local s = ("x"):rep(1000000) end end)`)
	}
	first, second := on(), on()
	if err := first.call(1, &world{}); err != nil {
		t.Errorf("nothing is kept: %v", err)
	}
	for _, r := range []*loadedRules{first, second} {
		if err := r.call(0, &world{}); err != nil {
			t.Fatal(err)
		}
	}
	if kept := account.kept.Load(); kept < 8_000_000 || kept > 9_000_000 {
		t.Errorf("two VMs keep 4 MB each, counted are %d bytes", kept)
	}
	f, ok := second.call(1, &world{}).(*Failure)
	if !ok || f.Kind != OutOfMemory || !strings.Contains(f.Message, "stopped after allocating 8 MiB, its memory budget of 16 MiB less the 7 MiB that the pack keeps between events") {
		t.Errorf("8 MB are kept: %v", f)
	}
	if kept := account.kept.Load(); kept < 4_000_000 || kept > 4_500_000 {
		t.Errorf("the second VM overran, and %d bytes are counted", kept)
	}
	first.vm.Discard()
	if kept := account.kept.Load(); kept != 0 {
		t.Errorf("both VMs are gone, and %d bytes are counted", kept)
	}
	if err := on().call(1, &world{}); err != nil {
		t.Errorf("nothing is kept any more: %v", err)
	}
}

// Files that retain too much after loading are an error of Load, not a VM that is loaded
// again for each event.
func TestFilesThatRetainTooMuchDoNotLoad(t *testing.T) {
	t.Parallel()
	_, err := tryLoad(Config{Limits: Limits{Memory: 8 << 20, Retained: 1 << 20, Steps: 1 << 40}}, `t = {} for i = 1, 3 do t[i] = ("x"):rep(1000000) end`)
	if err == nil || !strings.Contains(err.Error(), "rule.lua") || !strings.Contains(err.Error(), "after loading, it keeps 2 MiB between events, more than its 1 MiB") || !strings.Contains(err.Error(), "data.load") {
		t.Errorf("got %v", err)
	}
}

// A chain of __index or __newindex costs steps in every instruction and function that
// follows it.
func TestChainsOfMetatablesCostSteps(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"t.name":     `local x = t.nope`,
		"t[key]":     `local x = t[key]`,
		"t:name()":   `pcall(function() t:nope() end)`,
		"t.name = v": `n.x = 1 base.x = nil`,
		"t[key] = v": `n[key] = 1 base[key] = nil`,
		"gsub":       `("k"):gsub("k", t)`,
		"re.gsub":    `re.gsub("k", "k", t)`,
	} {
		steps := func(length int) int64 {
			r := loadRules(t, Config{Limits: Limits{Steps: 1 << 40}}, fmt.Sprintf(`
local base, key = {}, "k"
local t, n = {}, base
for i = 1, %d do t = setmetatable({}, { __index = t }) n = setmetatable({}, { __newindex = n }) end
chert.on("x", function(ev) for i = 1, 100 do %s end end)`, length, body))
			if err := r.call(0, &world{}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return r.vm.Steps()
		}
		short, long := steps(0), steps(90)
		if hop := float64(long-short) / 9000; hop < 1.5 || hop > 6 {
			t.Errorf("%s: a table in the chain costs %.2f steps", name, hop)
		}
	}
}

// The size of a VM's patterns is bounded and counts as retained. Not parallel, because
// the test measures the heap.
func TestPatternsAreBounded(t *testing.T) {
	r := loadRules(t, Config{Limits: Limits{Steps: 1 << 40, Memory: 1 << 40}}, `
chert.on("x", function(ev) for i = 1, 150 do re.gsub("(a{1,900})" .. i, "xxxxxx" .. i, "y") end end)`)
	before := heapLive()
	if err := r.call(0, &world{}); err != nil {
		t.Fatal(err)
	}
	if p := &r.vm.bound.patterns; p.size > maxPatternsSize || len(p.compiled) == 0 {
		t.Errorf("%d patterns of %d states", len(p.compiled), p.size)
	}
	if held := heapLive() - before; held > 8<<20 || retainedBytes(r.vm) < r.vm.bound.patterns.bytes() {
		t.Errorf("they hold %d bytes; %d count as kept", held, retainedBytes(r.vm))
	}
}

// holder retains a function that a script has passed.
type holder struct{ fn *lua.LFunction }

// Every instruction that reads a whole string costs steps in proportion to its length.
func TestLongStringsCostSteps(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"t[s]":     `local x = t[s]`,
		"t[s] = v": `t[s] = nil`,
		"s == s":   `local x = s == other`,
		"s < s":    `local x = s < other`,
		"s .. s":   `local x = s .. other`,
		"rawget":   `rawget(t, s)`,
	} {
		steps := func(length int) int64 {
			r := loadRules(t, Config{Limits: Limits{Steps: 1 << 40, Memory: 1 << 40}}, fmt.Sprintf(`
local s, other, t = ("x"):rep(%d), ("x"):rep(%[1]d - 1) .. "y", {}
chert.on("x", function(ev) for i = 1, 10 do %s end end)`, length, body))
			if err := r.call(0, &world{}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return r.vm.Steps()
		}
		if more := (steps(1_000_000) - steps(1)) / 10; more < 2000 || more > 200_000 {
			t.Errorf("%s: a string of 1 MB costs %d steps", name, more)
		}
	}
}
