package luabind

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Every kind of statement, with what it prints and which of its lines run.
const everyStatement = `local a, b = 1, 2
a, b = b, a
print(a, b)
do
  local c = a .. "x" .. b
  print(c)
end
local n = 0
while n < 2 do
  n = n + 1
end
repeat
  local last = n > 3
  n = n + 1
until last
print(n)
if n == 0 then
  print("never")
elseif n == 5 then
  print("five")
else
  print("neither")
end
if not n then
  print("not either")
end
for i = 3, 1, -1 do
  print(i)
  if i == 2 then
    break
  end
end
for k, v in pairs({ x = 1 }) do
  print(k, v)
end
local t = { f = function(...)
  return select("#", ...), ...
end }
function t:m(x)
  self.x = x
  return t.f(x, x)
end
local function fib(i)
  if i < 2 then
    return i
  end
  return fib(i - 1) + fib(i - 2)
end
print(fib(10), t:m(4))
local counters = {}
for i = 1, 2 do
  counters[i] = function()
    i = i + 1
    return i
  end
end
print(counters[1](), counters[1](), counters[2]())
print(pcall(function()
  error("caught")
end))
print((t.f(1, 2)), #{ t.f(nil, nil) })
`

// Covered code does what it did before, and tells the lines that ran.
func TestCovered(t *testing.T) {
	t.Parallel()
	p, err := Compile("every.lua", []byte(everyStatement))
	if err != nil {
		t.Fatal(err)
	}
	q, lines, err := Covered(p)
	if err != nil {
		t.Fatal(err)
	}
	run := func(p *Program, cover func(string, int)) string {
		var out strings.Builder
		_, err := Load(Config{Files: []*Program{p}, Cover: cover, Print: func(_, msg string, _ map[string]any) {
			fmt.Fprintln(&out, msg)
		}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	seen := map[int]bool{}
	want := run(p, nil)
	got := run(q, func(file string, line int) {
		if file != "every.lua" {
			t.Errorf("a line of %s was reported", file)
		}
		seen[line] = true
	})
	if got != want {
		t.Errorf("covered code prints\n%s\nwant\n%s", got, want)
	}
	var missed []int
	for _, line := range lines {
		if !seen[line] {
			missed = append(missed, line)
		}
		delete(seen, line)
	}
	if !slices.Equal(missed, []int{18, 22, 25}) {
		t.Errorf("lines %v did not run, want those of the branches not taken", missed)
	}
	if len(seen) > 0 {
		t.Errorf("lines were reported that are not listed: %v", seen)
	}
}

// Covered code does not load without a function to report lines to: it would count
// nothing.
func TestCoveredCodeNeedsCover(t *testing.T) {
	t.Parallel()
	p, err := Compile("p.lua", []byte("print(1)\n"))
	if err != nil {
		t.Fatal(err)
	}
	q, _, err := Covered(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Config{Files: []*Program{q}}, nil); err == nil {
		t.Error("it loads without Config.Cover")
	}
}
