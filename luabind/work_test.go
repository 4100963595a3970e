package luabind

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// worked are calls of each function of rules with what makes it work most: s is a
// text of textBytes, a its ASCII double, t a list of 50,000 numbers, big JSON of
// 9,000 numbers. "" is said of functions whose work does not depend on what they are
// given, or is that of their callers: each argument and result is charged as it is
// passed.
var worked = map[string]string{
	"assert": "", "error": "", "getmetatable": "", "setmetatable": "", "ipairs": "", "pairs": "", "next": "", "pcall": "", "xpcall": "", "select": "",
	"rawequal": "", "type": "", "require": "", "rawget": "", "rawset": "", "tostring": "", "unpack": "",
	"print": "print(s)", "tonumber": "tonumber(s)",

	"string.byte": "", "string.char": "", "string.len": "",
	"string.find": "s:find('e', 1, true) s:find('zz', 1, true)", "string.format": "('%s'):format(s)", "string.gfind": "for _ in s:gfind('%d') do end",
	"string.gmatch": "for _ in s:gmatch('%d') do end", "string.gsub": "s:gsub('z', '')", "string.lower": "s:lower()", "string.match": "s:match('^.*z')",
	"string.rep": "s:rep(2)", "string.reverse": "s:reverse()", "string.sub": "s:sub(2)", "string.upper": "s:upper()",

	"table.concat": "table.concat({ s, s })", "table.getn": "", "table.maxn": "table.maxn(t)", "table.insert": "table.insert(t, 1, 1) table.remove(t, 1)",
	"table.remove": "table.insert(t, 1, 1) table.remove(t, 1)", "table.sort": "table.sort(t)",

	"chert.mark_read": "pcall(chert.mark_read, 'c1', { reason = s })", "chert.keep_unread": "pcall(chert.keep_unread, 'c1', { reason = s })",
	"chert.postpone": "pcall(chert.postpone, 'c1', { after = '1h', reason = s })",
	"chert.hold":     "pcall(chert.hold, 'c1', '1d', { reason = s })", "chert.set_timer": "pcall(chert.set_timer, 'x', '1m', s)",
	"chert.send": "", "chert.notify": "", "chert.cancel_read": "", "chert.release": "", "chert.cancel_timer": "", "chert.typing": "", "chert.react": "",
	"chert.now": "", "chert.within": "", "chert.date": "", "chert.list": "local v = chert.list('vips')[s]",
	"chert.normalize": "chert.normalize(s)", "chert.cut": "chert.cut(s, 1)",

	"kv.get": "", "kv.delete": "", "kv.incr": "", "kv.list": "kv.list('')", "kv.set": "pcall(kv.set, 'k', s)", "data.load": "",
	"re.match": "re.match('z', s)", "re.find": "re.find('z', s)", "re.gsub": "re.gsub('z', s, '')",
	"json.encode": "json.encode(s)", "json.decode": "pcall(json.decode, '[\"' .. s .. '\"]')",
	"log.debug": "log.debug(s)", "log.info": "log.info(s)", "log.warn": "log.warn('x', { s = s })", "log.error": "log.error(s)",
}

const (
	textBytes = 300_000
	// bytesPerStep is the most that a function may look at for a step, 20 ns: more
	// than memory gives would be a function that forgets to charge.
	bytesPerStep = 160
)

// partly are those of which less than the whole is looked at, and why.
var partly = map[string]bool{
	"print": true, "log.debug": true, "log.info": true, "log.warn": true, "log.error": true, // lines are cut at 4 KiB
	"tonumber": true, // so are numbers, at 1,000 bytes
}

// Every function of rules is charged in proportion to its work: the time per step has a
// bound for all arguments.
func TestWorkIsChargedInProportion(t *testing.T) {
	t.Parallel()
	for _, name := range callable() {
		body, known := worked[name]
		switch {
		case strings.HasPrefix(name, "math.") || name == "chert.on" || name == "chert.rule" || name == "chert.every":
			continue // numbers: see TestRemaindersAreChargedByTheirBits; while loading
		case !known:
			t.Errorf("%s is not tried: add what makes it work most to worked", name)
		case body == "":
			continue
		}
		steps := stepsOf(t, body) - stepsOf(t, "")
		if steps < textBytes/bytesPerStep && !partly[name] {
			t.Errorf("%s: %d steps for a text of %d bytes", name, steps, textBytes)
		}
	}
}

// The time of a remainder grows with the difference of the exponents, in the operator and
// in math.fmod, and is charged.
func TestRemaindersAreChargedByTheirBits(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"math.fmod(x, y)", "math.mod(x, y)", "return x % y", "return (x .. '') % y"} {
		near := stepsOf(t, "local x, y = 5, 3 "+form)
		far := stepsOf(t, "local x, y = 1e308, 1e-308 "+form)
		if far < near+1000 {
			t.Errorf("%s: %d steps for 5 by 3, %d for 1e308 by 1e-308", form, near, far)
		}
	}
}

// BenchmarkStep is how long a step takes, 20 ns or so, with what each function does
// worst: go test -bench Step ./luabind
func BenchmarkStep(b *testing.B) {
	bodies := maps.Clone(worked)
	for name, body := range charged {
		if bodies[name] == "" {
			bodies[name] = body
		}
	}
	bodies["math.fmod"] = "math.fmod(1e308, 1e-308)"
	for _, name := range slices.Sorted(maps.Keys(bodies)) {
		if body := bodies[name]; body != "" && (Lookup(name) != nil || !strings.HasPrefix(name, "chert.")) {
			b.Run(name, func(b *testing.B) {
				r, c := worker(b, body)
				steps, took := int64(0), time.Duration(0)
				for b.Loop() {
					began := time.Now()
					if err := r.vm.Call(0, c); err != nil {
						b.Skip(err)
					}
					took += time.Since(began)
					steps += r.vm.Steps()
				}
				b.ReportMetric(float64(took.Nanoseconds())/float64(steps), "ns/step")
			})
		}
	}
}

func stepsOf(t testing.TB, body string) int64 {
	t.Helper()
	r, c := worker(t, body)
	if err := r.vm.Call(0, c); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r.vm.Steps()
}

// worker is a handler that runs a body.
func worker(t testing.TB, body string) (*loadedRules, *Call) {
	t.Helper()
	cfg := chargedConfig(t, 1)
	cfg.Settings["text"] = strings.Repeat("e\u0301", textBytes/3)
	r := loadRules(t, cfg, fmt.Sprintf(`
local s, doc, i = config.text, config.doc, 1
local t, named, names = {}, {}, {}
for i = 1, 50000 do t[i] = i end
for i = 1, 100 do named["k" .. i] = i end
for i = 1, 200 do names[i] = "name" .. i end
local function keep() end
chert.on("x", function(ev) %s end)`, body))
	return r, chargedCall("x")
}
