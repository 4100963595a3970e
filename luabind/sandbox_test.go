package luabind

import (
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"

	"chertd/engine/event"
)

// subscriptions is a Registrar that records the subscriptions.
type subscriptions []Subscription

func (s *subscriptions) Subscribe(sub Subscription) error {
	*s = append(*s, sub)
	return nil
}

// sandbox loads sources; the global function handle becomes the last handler.
func sandbox(t testing.TB, cfg Config, sources ...string) *VM {
	t.Helper()
	vm, err := loadSandbox(cfg, sources...)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return vm
}

func loadSandbox(cfg Config, sources ...string) (*VM, error) {
	for _, src := range sources {
		p, err := Compile("rule.lua", []byte(src))
		if err != nil {
			return nil, err
		}
		cfg.Files = append(cfg.Files, p)
	}
	vm, err := Load(cfg, new(subscriptions))
	if err != nil {
		return nil, err
	}
	if fn, ok := vm.globals.RawGetString("handle").(*lua.LFunction); ok {
		vm.handlers = append(vm.handlers, subscribed{fn: fn})
	}
	return vm, nil
}

func testCall() *Call {
	return &Call{
		Event: &event.Event{ID: "e1", Type: event.MessageReceived, Text: "hello", Chat: &event.Chat{ID: "c1"}},
		Now:   time.Unix(1767614400, 0), Seed: 1, Effects: quiet{},
	}
}

// quiet is an Effects that takes log lines and nothing else.
type quiet struct{ Effects }

func (quiet) Log(_, _ string, _ map[string]any) {}

func TestCallRuns(t *testing.T) {
	var out []string
	cfg := Config{Print: func(_, msg string, _ map[string]any) { out = append(out, msg) }}
	sandbox(t, cfg, `
local seen = 0
local function hit() seen = seen + 1 end
hit() pcall(function() error("x") end) hit()
print("seen " .. seen, pcall(error, "boom"))
local ok, e = xpcall(function() local x = nil; return x.y end, function(e) return "handled: " .. e end)
print(ok, e)
print(select("#", pcall(function(...) return ... end, 1, nil, 3)))
`)
	got := strings.Join(out, "\n")
	want := "seen 2\tfalse\tboom\nfalse\thandled: rule.lua:6: attempt to index a nil value with key 'y'\n4"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestOverrun(t *testing.T) {
	vm := sandbox(t, Config{}, `function handle() while true do pcall(function() while true do end end) end end`)
	err := vm.Call(0, testCall())
	f, ok := err.(*Failure)
	if !ok || f.Kind != OutOfSteps || !vm.Broken() {
		t.Fatalf("got %v, broken %v", err, vm.Broken())
	}
	t.Log(f)
}
