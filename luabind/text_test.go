package luabind

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// Texts for people that are not UTF-8 are errors at the line of the call, with a hint to
// use chert.cut. No action is requested.
func TestTextsForPeopleMustBeUTF8(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`chert.send(ev.chat.id, cut)`:                                "chert.send: text is not valid UTF-8: byte 2 is 0xC3",
		`chert.mark_read(ev.chat.id, { reason = cut })`:              "chert.mark_read: reason is not valid UTF-8: byte 2 is 0xC3",
		`chert.keep_unread(ev.chat.id, { reason = cut })`:            "chert.keep_unread: reason is not valid UTF-8: byte 2 is 0xC3",
		`chert.hold(ev.chat.id, "1h", { reason = cut })`:             "chert.hold: reason is not valid UTF-8: byte 2 is 0xC3",
		`chert.mark_read(cut)`:                                       "chert.mark_read: chat_id is not valid UTF-8: byte 2 is 0xC3",
		`chert.cancel_read(cut)`:                                     "chert.cancel_read: chat_id is not valid UTF-8: byte 2 is 0xC3",
		`chert.keep_unread(cut)`:                                     "chert.keep_unread: chat_id is not valid UTF-8: byte 2 is 0xC3",
		`chert.hold(cut, "1d")`:                                      "chert.hold: chat_id is not valid UTF-8: byte 2 is 0xC3",
		`chert.release(cut)`:                                         "chert.release: chat_id is not valid UTF-8: byte 2 is 0xC3",
		`chert.send(cut, "x")`:                                       "chert.send: chat_id is not valid UTF-8: byte 2 is 0xC3",
		`chert.set_timer(cut, "5m")`:                                 "chert.set_timer: name is not valid UTF-8: byte 2 is 0xC3",
		`chert.cancel_timer(cut)`:                                    "chert.cancel_timer: name is not valid UTF-8: byte 2 is 0xC3",
		`json.decode('"' .. cut .. '"')`:                             "json.decode: not JSON: line 1, column 3: byte 0xC3 is not UTF-8",
		`kv.set(cut, 1)`:                                             `kv.set: the key "x\xc3" is not valid UTF-8 from byte 2 on`,
		`kv.get(cut)`:                                                `kv.get: the key "x\xc3" is not valid UTF-8 from byte 2 on`,
		`json.encode({ a = { cut } })`:                               `json.encode: at .a[1]: the string "x\xc3" can't be written as JSON: it is not UTF-8 from byte 2 on`,
		`json.encode({ [cut] = 1 })`:                                 "it is not UTF-8 from byte 2 on",
		`chert.cut(cut, 1)`:                                          "chert.cut: s is not valid UTF-8: byte 2 is 0xC3",
		`chert.keep_unread(ev.chat.id, { reason = "\237\160\128" })`: "reason is not valid UTF-8: byte 1 is 0xED", // half of a pair
	} {
		r := loadRules(t, Config{Grants: map[string]bool{"send": true}}, "chert.on(\"message.received\", function(ev)\n  local cut = (\"xé\"):sub(1, 2)\n  "+body+"\nend)")
		w := &world{}
		f, ok := r.call(0, w).(*Failure)
		if !ok || !strings.Contains(f.Message, want) || f.File != "rule.lua" || f.Line != 3 || f.Col != 3 || len(w.said) > 0 {
			t.Errorf("%s: got %+v and %q, want %q at rule.lua:3:3", body, f, w.said, want)
		}
		if ok && strings.HasPrefix(body, "chert.send") && !strings.Contains(f.Hint, "chert.cut(s, n)") {
			t.Errorf("%s: hint %q", body, f.Hint)
		}
	}
}

// print and log lines escape bytes that are not UTF-8. No value fails a handler.
func TestLogsEscapeInvalidBytes(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `chert.on("x", function(ev) print("a\255é", "\195") log.warn("b\200") log.error(("x\200"):rep(3000)) log.info("fine", { ["k\254"] = { "v\253", { n = "\252" } } }) end)`)
	w := &world{}
	if err := r.call(0, w); err != nil {
		t.Fatal(err)
	}
	want := "info a\\xFFé\t\\xC3\nwarn b\\xC8\nerror " + strings.Repeat("x\\xC8", 819) + "x…\n" + `info fine {"k\\xFE":["v\\xFD",{"n":"\\xFC"}]}`
	if got := strings.Join(w.said, "\n"); got != want {
		t.Errorf("logged\n%s\nwant\n%s", got, want)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `chert.on("x", function(ev)
  local family = "👨‍👩‍👧"
  assert(chert.cut("Grüße", 3) == "Grü" and chert.cut("Grüße", 99) == "Grüße" and chert.cut("x", 0) == "" and chert.cut("", 5) == "")
  assert(chert.cut(family .. "x", 1) == family and chert.cut("e\204\129x", 1) == "e\204\129")
  assert(chert.cut("🇩🇪🇫🇷", 1) == "🇩🇪" and chert.cut("👋🏽!", 2) == "👋🏽!" and chert.cut("a\r\nb", 2) == "a\r\n")
  for _, n in ipairs({ -1, 0.5, 0/0, 1/0, "1" }) do assert(not pcall(chert.cut, "x", n), n) end
  assert(not pcall(chert.cut, nil, 1) and not pcall(chert.cut, "x"))
end)
local loading = chert.cut("abc", 2)`)
	if err := r.call(0, &world{}); err != nil {
		t.Error(err)
	}
}

// chert.cut returns a valid prefix of the string, which grows with n up to the whole.
func TestCutReturnsPrefixes(t *testing.T) {
	t.Parallel()
	vm := sandbox(t, Config{Limits: Limits{Steps: 1 << 50, Memory: 1 << 50}}, `function handle() end`)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.ToValidUTF8(drawString(t)+drawString(t)+drawString(t), "")
		before := ""
		for n := 0; ; n++ {
			vm.meter.reset(vm.limits)
			got := cutLetters(vm.L, s, n)
			if !strings.HasPrefix(s, got) || !utf8.ValidString(got) || n > 0 && len(got) <= len(before) && before != s {
				t.Fatalf("%d letters of %q are %q, one less are %q", n, s, got, before)
			}
			if before = got; got == s {
				return
			}
		}
	})
}

// Substrings do not retain the string that they were taken from.
func TestSubstringsDoNotRetainTheWhole(t *testing.T) {
	for _, body := range []string{
		`s:sub(1, 1)`, `s:sub(2, 3)`, `s:match("^(x)")`, `s:match("x")`, `s:gmatch("x")()`, `re.match("^x", s)`, `select(3, re.find("^(x)", s))`,
		`(function() local c s:gsub("x", function(m) c = c or m end, 3) return c end)()`, `chert.cut(s, 1)`, `json.decode('["x","' .. s .. '"]')[1]`,
	} {
		r := loadRules(t, Config{Limits: Limits{Memory: 64 << 20, Steps: 1 << 40}}, `
local keep = {}
chert.on("x", function(ev)
  for i = 1, 4 do
    local s = ("x"):rep(2000000)
    keep[#keep + 1] = `+body+`
  end
end)`)
		before := heapLive()
		for range 10 {
			if err := r.call(0, &world{}); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
		}
		if live := heapLive() - before; live > 8<<20 && heapLive()-before > 8<<20 {
			t.Errorf("%s: 40 parts hold %d MB", body, live>>20)
		}
		if r.vm.Broken() {
			t.Errorf("%s: broken: %s", body, r.vm.broken)
		}
	}
}
