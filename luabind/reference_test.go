package luabind

import (
	"os"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// TestReference runs a script of some 5,000 lines of results, of which most are
// patterns made at random, and compares them with what Lua 5.1.5 has written.
func TestReference(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/reference/reference.lua")
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile("testdata/reference/reference.out")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	p, err := Compile("reference.lua", src)
	if err != nil {
		t.Fatal(err)
	}
	vm := newVM(Config{Files: []*Program{p}, Limits: Limits{Steps: 100_000_000, Memory: 4 << 30, Wall: time.Minute}})
	vm.meter.reset(vm.limits)
	vm.setGlobal("emit", goFunction(func(L *lua.LState) int {
		got.WriteString(stringArg(L, 1) + "\n")
		return 0
	}))
	if err := vm.runFile(p); err != nil {
		t.Fatal(vm.failure(err))
	}
	gotLines, wantLines := strings.Split(got.String(), "\n"), strings.Split(string(out), "\n")
	wrong := 0
	for i := 0; i < max(len(gotLines), len(wantLines)) && wrong < 40; i++ {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			wrong++
			t.Errorf("line %d:\ngot  %s\nLua  %s", i+1, g, w)
		}
	}
}
