package luabind

import (
	"fmt"
	"strings"
	"testing"
)

// A loop does what it says whatever its body begins with: statements that come
// to a jump, or to nothing, in blocks and loops of every kind.
func TestLoopsThatBeginWithJumps(t *testing.T) {
	t.Parallel()
	nothing := []string{
		"", "do end", "repeat until true", "while false do end", "while true do break end", "repeat break until false", "do do end repeat until true end",
		"repeat repeat until true until true", "while true do do end break end", "while true do while true do break end break end", "for i = 1, 0 do end", "for i = 1, 3 do break end",
		"repeat do break end until false", "if false then n = 9 end", "if true then do end end", "if nil then break end", "repeat while true do break end until 1", "repeat until n >= 0",
	}
	loops := []string{
		"while true do %s n = n + 1 if n >= 3 then break end end", "while n < 3 do %s n = n + 1 end", "repeat %s n = n + 1 until n >= 3", "for i = 1, 3 do %s n = n + 1 end",
		"for _ in ipairs({ 1, 2, 3 }) do %s n = n + 1 end", "repeat %s n = n + 1 if n >= 3 then break end until false",
	}
	around := []string{"%s", "do %s end", "while true do %s break end", "repeat %s until true", "repeat do %s break end until false", "for i = 1, 1 do %s end"}
	for _, outer := range around {
		for _, loop := range loops {
			var source strings.Builder
			for _, first := range nothing {
				for _, second := range nothing {
					body := fmt.Sprintf(outer, fmt.Sprintf(loop, first+" "+second))
					fmt.Fprintf(&source, "do local n = 0 local function f() %s return n end local got = f() if got ~= 3 then error(got .. %q) end end\n", body, ": "+body)
				}
			}
			p := compiled(t, "loops.lua", source.String())
			vm := newVM(Config{Files: []*Program{p}})
			vm.meter.reset(vm.limits.forLoading())
			if err := vm.runFile(p); err != nil {
				t.Error(vm.failure(err))
			}
		}
	}
}

// Of a file whose statements can never run nothing is left, and it loads.
func TestFileOfWhichNothingIsLeft(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"", "-- nothing", "if false then local x = 'a' .. b end", "while nil do f('a' .. b) end", "if true then else local x = 'a' .. 'b' end"} {
		p := compiled(t, "r.lua", source)
		vm := newVM(Config{Files: []*Program{p}})
		vm.meter.reset(vm.limits.forLoading())
		if err := vm.runFile(p); err != nil {
			t.Errorf("%s: %v", source, vm.failure(err))
		}
	}
}
