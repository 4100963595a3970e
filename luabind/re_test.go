package luabind

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

// re.gsub replaces what regexp.ReplaceAll replaces, though it looks for the
// matches one by one.
func FuzzGsub(f *testing.F) {
	for _, s := range [][2]string{{`a*`, "baac"}, {`\b`, "ab cd"}, {`^a`, "aaa"}, {`(?m)^`, "a\nb\n\nc"}, {`x?$`, "xx"}, {`é|(?i)É`, "éÉe"}, {`a|ab`, "abab"}, {`\Ba`, "aaa a"}, {`[^a]*`, "abba"}, {`(a*)+`, "aab"}, {`\Qa`, "aa"}} {
		f.Add(s[0], s[1])
	}
	vm := sandbox(f, Config{})
	f.Fuzz(func(t *testing.T, text, s string) {
		re, err := regexp.Compile(text)
		if err != nil || !utf8.ValidString(s) || len(s) > 200 || len(text) > 100 {
			return
		}
		want := re.ReplaceAllString(s, "<$0>")
		var got string
		err = inLua(t, vm, func(L *lua.LState) {
			L.Push(goFunction(func(L *lua.LState) int { return reGsub(vm, L) }))
			L.Push(lua.LString(text))
			L.Push(lua.LString(s))
			L.Push(lua.LString("<%0>"))
			L.Call(3, 2)
			got = L.Get(-2).String()
		})
		if vm.Broken() {
			vm = sandbox(t, Config{})
			return
		}
		var ae *lua.ApiError
		if errors.As(err, &ae) && strings.Contains(ae.Object.String(), "too large") {
			return
		}
		if err != nil {
			t.Fatalf("%q on %q: %v", text, s, err)
		}
		if got != want {
			t.Errorf("%q on %q: got %q, want %q", text, s, got, want)
		}
	})
}

func BenchmarkRe(b *testing.B) {
	vm := sandbox(b, Config{})
	const message = "Your verification code is 123456. Do not share it with anyone, not even with us."
	run := func(name string, fn binding, args ...string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				err := inLua(b, vm, func(L *lua.LState) {
					L.Push(goFunction(func(L *lua.LState) int { return fn(vm, L) }))
					for _, a := range args {
						L.Push(lua.LString(a))
					}
					L.Call(len(args), 1)
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("match", reMatch, `\b(\d{6})\b`, message)
	run("gsub", reGsub, `\d`, message, "#")
}
