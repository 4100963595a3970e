package luabind

import (
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// A call of a handler that does nothing, in the sandbox and in plain
// gopher-lua without a context. The event is left out: see BenchmarkEvent.
func BenchmarkTrivialCall(b *testing.B) {
	b.Run("sandbox", func(b *testing.B) {
		vm := sandbox(b, Config{}, "function handle(ev) return ev end")
		b.ReportAllocs()
		for b.Loop() {
			vm.meter.reset(vm.limits)
			if err := vm.protect(vm.handlers[0].fn, lua.LNil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		L := lua.NewState()
		defer L.Close()
		if err := L.DoString("function handle(ev) return ev end"); err != nil {
			b.Fatal(err)
		}
		fn := L.GetGlobal("handle")
		b.ReportAllocs()
		for b.Loop() {
			if err := L.CallByParam(lua.P{Fn: fn, NRet: 0, Protect: true}, lua.LNil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Ordinary Lua, in the sandbox and in plain gopher-lua.
func BenchmarkLua(b *testing.B) {
	text := strings.Repeat("your verification code is 123456, do not share it. ", 4)
	for _, bench := range []struct{ name, src string }{
		{"loop", "local n = 0 for i = 1, 1000 do n = n + i end"},
		{"table", "local t = {} for i = 1, 100 do t[i] = { id = i } end"},
		{"concat", "local s = '' for i = 1, 20 do s = 'a' .. i .. s end"},
		{"fields", "local t = { a = { b = 1 } } local n = 0 for i = 1, 200 do n = n + t.a.b t.a.c = n end"},
		{"globals", "for i = 1, 100 do local x = math.floor(i) end"},
		{"pcall", "local f = function() end for i = 1, 20 do pcall(f) end"},
		{"pcall error", "for i = 1, 20 do pcall(error, 'x') end"},
		{"find plain", "for i = 1, 20 do local x = text:find('share it', 1, true) end"},
		{"find", "for i = 1, 20 do local x = text:find('%d%d%d%d%d%d') end"},
		{"match", "for i = 1, 20 do local x = text:match('code is (%d+)') end"},
		{"gsub", "for i = 1, 5 do local x = text:gsub('%s+', ' ') end"},
		{"gmatch", "for w in text:gmatch('%a+') do end"},
		{"format", "for i = 1, 20 do local x = string.format('%s is %d (%.2f)', 'x', i, i / 3) end"},
		{"sort", "local t = {} for i = 1, 50 do t[i] = (i * 7919) % 101 end table.sort(t)"},
	} {
		src := "text = " + "[[" + text + "]]\nfunction handle() " + bench.src + " end"
		b.Run(bench.name+"/sandbox", func(b *testing.B) {
			vm := sandbox(b, Config{}, src)
			b.ReportAllocs()
			for b.Loop() {
				vm.meter.reset(vm.limits)
				if err := vm.protect(vm.handlers[0].fn, lua.LNil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bench.name+"/plain", func(b *testing.B) {
			L := lua.NewState()
			defer L.Close()
			if err := L.DoString(src); err != nil {
				b.Fatal(err)
			}
			fn := L.GetGlobal("handle")
			b.ReportAllocs()
			for b.Loop() {
				if err := L.CallByParam(lua.P{Fn: fn, NRet: 0, Protect: true}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Making a VM for a file of one rule, from its compiled program.
func BenchmarkLoad(b *testing.B) {
	p, err := Compile("rule.lua", []byte(`function handle(ev) if ev.text:find("code", 1, true) then return 1 end end`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(Config{Files: []*Program{p}}, new(subscriptions)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	src := []byte(strings.Repeat("chert.on('message.received', function(ev) if ev.text:find('code', 1, true) then chert.mark_read(ev.chat.id) end end)\n", 20))
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("rule.lua", src); err != nil {
			b.Fatal(err)
		}
	}
}
