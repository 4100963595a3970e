package luabind

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/luabind/diag"
)

// Each file in testdata/attacks is run as the body of a handler, and as a file
// that is loaded, after which its global function phase2, if it has one, is
// called as a handler until the VM is thrown away, 200 times at most. The
// process must live, each call must end, and what it allocates at all, garbage
// included, must be in proportion to its budgets.
//
// A line "-- expect: regexp" says how it ends as a handler: "ok", or the error.
func TestAttacks(t *testing.T) {
	files, err := filepath.Glob("testdata/attacks/*.lua")
	if err != nil || len(files) < 48 {
		t.Fatalf("found %d attacks: %v", len(files), err)
	}
	var latest time.Duration
	var most uint64
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".lua"), func(t *testing.T) {
			// Not parallel: the allocations of the process are counted. The wall is
			// far off: steps and bytes must do, also on a busy machine.
			took, bytes := attack(t, "handler", "function handle()\n"+string(src)+"\nend", 1, Limits{Wall: time.Minute}, expectedEnd(src))
			latest, most = max(latest, took), max(most, bytes)
			took, bytes = attack(t, "file", string(src), 200, Limits{Steps: 100_000, Wall: time.Minute}, nil)
			latest, most = max(latest, took), max(most, bytes)
		})
	}
	t.Logf("%d attacks: the longest call took %v, the most that one allocated was %d MB", len(files), latest.Round(time.Millisecond), most>>20)
}

// expectedEnd is the regexp a script says it ends with; nil: it does not say.
func expectedEnd(src []byte) *regexp.Regexp {
	lines := bufio.NewScanner(bytes.NewReader(src))
	for lines.Scan() {
		if want, ok := strings.CutPrefix(lines.Text(), "-- expect: "); ok {
			return regexp.MustCompile(want)
		}
	}
	return nil
}

// attack loads source and calls its handler, and returns the longest time and
// the most memory one of these took.
func attack(t *testing.T, how, source string, calls int, limits Limits, want *regexp.Regexp) (longest time.Duration, most uint64) {
	t.Helper()
	p, err := Compile("attack.lua", []byte(source))
	if err != nil {
		t.Logf("%s: refused: %v", how, err)
		return 0, 0
	}
	var vm *VM
	measure := func(what string, limits Limits, f func()) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		f()
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		allocated := after.TotalAlloc - before.TotalAlloc
		longest, most = max(longest, took), max(most, allocated)
		// What counts is that it ends, not how fast: the machine may be busy.
		if took > 10*time.Second {
			t.Errorf("%s: %s took %v", how, what, took)
		}
		// What is charged is what can be kept; garbage (numbers, frames, pieces
		// of text) comes on top, at most some bytes a step.
		if most := uint64(2*limits.Memory) + uint64(limits.Steps)*64; allocated > most {
			t.Errorf("%s: %s allocated %d MB of at most %d MB", how, what, allocated>>20, most>>20)
		}
	}

	limits = limits.withDefaults()
	var loadErr error
	var loaded *VM
	measure("loading", limits.forLoading(), func() {
		loaded, loadErr = Load(Config{Files: []*Program{p}, Limits: limits}, new(subscriptions))
	})
	if loadErr != nil {
		t.Logf("%s: not loaded: %v", how, loadErr)
		var ds diag.List
		if !errors.As(loadErr, &ds) || ds[0].Message == "" {
			t.Errorf("%s: the error is not a diag.List with a message: %v", how, loadErr)
		}
		return longest, most
	}
	vm = loaded
	for _, name := range []string{"handle", "phase2"} {
		if fn, ok := vm.globals.RawGetString(name).(*lua.LFunction); ok {
			vm.handlers = append(vm.handlers, subscribed{fn: fn})
		}
	}
	if len(vm.handlers) == 0 {
		return longest, most
	}
	var callErr error
	for n := 0; n < calls && !vm.Broken(); n++ {
		measure("a call", limits, func() { callErr = vm.Call(0, testCall()) })
		var f *Failure
		if callErr != nil && (!errors.As(callErr, &f) || f.Message == "" || f.Line == 0 || strings.Contains(f.Message, "goroutine")) {
			t.Errorf("%s: the error is not a Failure with a message and a line: %#v", how, callErr)
		}
	}
	t.Logf("%s: %v; broken: %q; %v, %d MB", how, callErr, vm.broken, longest.Round(time.Millisecond), most>>20)
	got := "ok"
	if callErr != nil {
		got = callErr.Error()
	}
	if want != nil && !want.MatchString(got) {
		t.Errorf("%s: ended with %s, want %v", how, got, want)
	}
	if kept := retainedBytes(vm); kept > 2*limits.Memory && !vm.Broken() {
		t.Errorf("%s: keeps %d MB and is not broken", how, kept>>20)
	}
	return longest, most
}
