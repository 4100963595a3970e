package luabind

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yuin/gopher-lua/parse"
)

// Words count in code alone, whether or not the source compiles.
func TestVetoWordsCountInCodeOnly(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]bool{
		"chert.keep_unread(ev.chat.id)":                      true,
		"chert.postpone(ev.chat.id, { after = '1h' })":       true,
		"local h = chert.hold":                               true,
		"chert --[[ comment ]] . --[==[ ]] ]==]\n hold('x')": true,
		`chert["hold"]("x", 1)`:                              true,
		"chert[ [[hold]] ]('x', 1)":                          true,
		"chert[ [[\nhold]] ]('x', 1)":                        true,
		`chert["h\111ld"]("x")`:                              true,
		"local f = chert[name]":                              true,
		`chert["mark_read" .. ""]("x")`:                      true,
		`local c = chert  c["hold"]("x", 1)`:                 true,
		"local c = chert\nc.hold('x', '1h')":                 true,
		"require('x').setup(chert)":                          true,
		"return chert":                                       true,
		"_G.chert.hold('x', '1h')":                           true,
		`_G["chert"]["hold"]("x", "1h")`:                     true,
		"_G._G.chert.keep_unread(id)":                        true,
		"local g = _G":                                       true,
		"_G[name].hold('x')":                                 true,
		"for k, v in pairs(_G) do end":                       true,
		"chert:hold('x')":                                    true,
		"#!/usr/bin/lua\nchert.hold('x', '1h')":              true,
		"\ufeffchert.hold('x', '1h')":                        true,
		"x = 'a\\\n' chert.hold('x', '1h')":                  true,
		// Misspelt, or cut short.
		"chert.keep_unraed(ev.chat.id)":                         true,
		"chert.keepUnread(ev.chat.id)":                          true,
		"chert.hodl(id, '1h')":                                  true,
		"chert:Hold(id, '1h')":                                  true,
		`chert["keep_unred"](id)`:                               true,
		"_G.chert.keep_unraed(id)":                              true,
		"chrt.keep_unread(ev.chat.id)":                          true,
		"Chert.hold(ev.chat.id, '1h')":                          true,
		"chet['keep_unraed'](ev.chat.id)":                       true,
		"local k = chert.keep":                                  true,
		"local h = chert.ho":                                    true,
		"chert.mark_raed(ev.chat.id)":                           false,
		"chert.realese(id)":                                     false,
		"local h = chert.ho\nlocal x = 1":                       false,
		"chart.draw() chat.hold = true thread.hold()":           false,
		"chert.mark_read(ev.chat.id)":                           false,
		"local hold = 1":                                        false,
		"ev.state.hold = true":                                  false,
		"local t = { hold = 1, keep_unread = 2 } t.hold = 3":    false,
		"chert.release(id) -- ends chert.hold":                  false,
		"--[[ chert.hold\nchert.keep_unread ]] local x = 1":     false,
		"--[==[ chert.hold ]] chert.hold ]==] local x = 1":      false,
		`log.info("on hold") chert["mark_read"]("x")`:           false,
		`log.info("chert.hold(\"x\") \\")`:                      false,
		"log.info('chert.hold') log.info([==[chert.hold]]]==])": false,
		"_G.count = (_G.count or 0) + 1":                        false,
		"#!/usr/bin/lua chert.hold":                             false,
		"":                                                      false,
		// These do not compile.
		"-- TODO: should we use chert.hold or chert.keep_unread here?\nlocal x = ": false,
		"chert.on('message.received', function(ev) log.info('chert.hold') ":        false,
		"if x != 1 then log.info('x') end -- chert.hold":                           false,
		"chert.on('message.received', function(ev) chert.keep_unread(ev.chat.id)":  true,
		"local x = \nchert.hold":                               true,
		"if x != 1 then chert.hold(ev.chat.id, '1h') end":      true,
		"local x = 1 ? 2 @ 3 ` “ chert.hold(ev.chat.id, '1h')": true,
		"chert.":                       true, // cut short: the rest is unknown
		"local s = 'no end\nlocal y":   true,
		"local s = [[ no end":          true,
		"--[[ no end\nchert.mark_read": true,
		"c\x00h\x00e\x00r\x00t":        true,
		"\xff\xfec\x00h":               true,
	} {
		if got := MayVeto([]byte(src)); got != want {
			t.Errorf("%s\nmay veto: %t, want %t", src, got, want)
		}
		if p, err := Compile("r.lua", []byte(src)); err == nil && p.UsesVeto != want {
			t.Errorf("%s\ncompiled, it may veto: %t, want %t", src, p.UsesVeto, want)
		}
	}
}

// MayVeto has a scanner of its own, which continues where the scanner of Lua stops. In
// code that compiles, both must find the same names and strings.
func TestVetoWordsAreThoseOfLua(t *testing.T) {
	t.Parallel()
	var files []string
	for _, dir := range []string{"..", "../rules", "testdata"} {
		err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if strings.HasSuffix(path, ".lua") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	compared := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(file, src)
		if err != nil {
			continue
		}
		compared++
		var want, got []string
		for _, tok := range p.Tokens() {
			switch tok.Type {
			case parse.TString:
				want = append(want, "string")
			case parse.TIdent:
				want = append(want, tok.Str)
			}
		}
		in := words{text: p.text}
		for w := in.next(); w.kind != wordEnd; w = in.next() {
			switch {
			case w.kind == wordUnknown:
				t.Fatalf("%s: a string or comment without an end", file)
			case w.kind == wordString:
				got = append(got, "string")
			case w.kind == wordName && !keywords[w.text]:
				got = append(got, w.text)
			}
		}
		if g, w := strings.Join(got, " "), strings.Join(want, " "); g != w {
			t.Errorf("%s: words\n%s\nLua's are\n%s", file, g, w)
		}
	}
	if compared < 30 {
		t.Errorf("only %d files were compared", compared)
	}
}

var keywords = map[string]bool{
	"and": true, "break": true, "do": true, "else": true, "elseif": true, "end": true, "false": true, "for": true, "function": true, "if": true, "in": true,
	"local": true, "nil": true, "not": true, "or": true, "repeat": true, "return": true, "then": true, "true": true, "until": true, "while": true,
}

// A source that calls a veto is found whatever is cut off behind the call.
func FuzzMayVeto(f *testing.F) {
	f.Add("local x = 1\n", "'")
	f.Add("--[==[ x ]==] local s = [[ ]] ", " end end")
	f.Fuzz(func(t *testing.T, before, after string) {
		if p, err := Compile("r.lua", []byte(before)); err != nil || p.text != before || strings.Contains(before[strings.LastIndexAny(before, "\r\n")+1:], "--") {
			t.Skip() // the call might stand in a string or a comment
		}
		for _, call := range []string{"\nchert.hold(x)\n", "\nchert.keep_unread(x)\n", "\nlocal c = chert;\n"} {
			if !MayVeto([]byte(before + call + after)) {
				t.Errorf("%q and then %q is taken for a source that can't veto", before, call+after)
			}
		}
	})
}

// A source that was cut anywhere is known to be cut, or loads, or may veto: never
// does one that lost its veto pass for one that fails for another reason.
func TestCutSourcesAreKnown(t *testing.T) {
	t.Parallel()
	const src = `-- VIPs
local vip = { "+15550001111", [[a long
string]] }
chert.on("message.received", { from = vip }, function(ev)
  if ev.text ~= "" and #vip > 0 then
    chert.keep_unread(ev.chat.id, { reason = "a VIP" })
  end
end)
`
	for at := range len(src) {
		_, err := Compile("x.lua", []byte(src[:at]))
		if err != nil && !MayVeto([]byte(src[:at])) && !EndsEarly([]byte(src[:at])) {
			t.Errorf("cut to %q, it fails with %v and is not known to be cut", src[:at], err)
		}
	}
	for src, want := range map[string]bool{
		"if x then": true, "f(": true, "local x =": true, "local x = 'a' ..": true, "x": true, "return {": true, "local function f()\n": true,
		"": false, "local x = 1": false, "if x then end end\n": false, "x = (1 + ]\n": false, "f() )\n": false, "f() )": true, "if x the": true, "local x = = 1\n": false,
		strings.Repeat("(", 1e5) + "\n": false,
	} {
		if got := EndsEarly([]byte(src)); got != want {
			t.Errorf("%.40q: ends early: %t, want %t", src, got, want)
		}
	}
}

// Blanks and comments do not count as code.
func TestHasCode(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]bool{
		"": false, " \n\t": false, "-- x": false, "--[[ x\n]]\n-- y\n": false, "#!/usr/bin/lua": false, "\ufeff": false,
		"x": true, "-- x\nx": true, "--[[ x": true, "#!/usr/bin/lua\nx": true, ";": true,
	} {
		if got := HasCode([]byte(src)); got != want {
			t.Errorf("%q: has code: %t, want %t", src, got, want)
		}
	}
}
