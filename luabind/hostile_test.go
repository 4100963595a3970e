package luabind

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// hostile are handlers that make the modules work for as long as they may. All
// of the work is on the budget: each ends by steps, bytes or an error, none by
// the wall, which is a hundred times what the budget takes.
var hostile = map[string]string{
	"re backtracks nowhere":      `local s = ("x"):rep(100000) while true do re.match("(x+x+)+y", s) end`,
	"re many states":             `local s = ("x"):rep(1000) while true do re.match("(?:x?){200}y", s) end`,
	"re nested stars":            `local s = ("x"):rep(3000) while true do re.match("(?:(x|xx|xxx|x*)*){20}y", s) end`,
	"re gsub looks far ahead":    `local s = ("x"):rep(100000) re.gsub("x[^b]*b|x", s, "y")`,
	"re gsub many matches":       `local s = ("x"):rep(100000) while true do re.gsub("x", s, "y") end`,
	"re gsub calls back":         `local s = ("x"):rep(100000) while true do re.gsub("x", s, function(m) return m .. m end) end`,
	"re gsub grows":              `local s = ("x"):rep(100) while true do s = re.gsub("x", s, "%0%0%0%0") end`,
	"re gsub on wide text":       `local s = ("é"):rep(1000) while true do re.gsub([[\bé]], s, "y") end`,
	"re ever new patterns":       `local i = 0 while true do i = i + 1 re.match("a{1," .. (i % 900) .. "}" .. i, "x") end`,
	"re wrong patterns":          `local i = 0 while true do i = i + 1 pcall(re.match, ("(a"):rep(200) .. i, "x") end`,
	"re large classes":           `local i = 0 while true do i = i + 1 pcall(re.match, ("[^\\pL\\pN]"):rep(60) .. i, "x") end`,
	"json encode list":           `local t = {} for i = 1, 9000 do t[i] = i end while true do json.encode(t) end`,
	"json encode names":          `local t = {} for i = 1, 5000 do t["k" .. i] = i end while true do json.encode(t) end`,
	"json encode escapes":        `local s = ("\n"):rep(1000000) while true do json.encode(s) end`,
	"json encode bad UTF-8":      `local s = ("\255"):rep(1000000) while true do json.encode(s) end`,
	"json encode doubled":        `local t = {} for i = 1, 60 do t = { t, t } end while true do pcall(json.encode, t) end`,
	"json decode names":          `local t = {} for i = 1, 5000 do t["k" .. i] = i end local s = json.encode(t) while true do json.decode(s) end`,
	"json decode escapes":        `local s = json.encode(("\n"):rep(1000000)) while true do json.decode(s) end`,
	"json decode deep":           `local s = ("["):rep(1000000) while true do pcall(json.decode, s) end`,
	"json decode long number":    `local s = ("1"):rep(1000000) while true do pcall(json.decode, s) end`,
	"json decode wide error":     `local s = "[" .. ("\n"):rep(1000000) .. "x" while true do pcall(json.decode, s) end`,
	"fold grows":                 `local s = ("ﷺ"):rep(1000) while true do chert.normalize(s) end`,
	"fold plain":                 `local s = ("a"):rep(1000000) while true do chert.normalize(s) end`,
	"date":                       `while true do chert.date(("%c"):rep(60)) end`,
	"ever new windows":           `local i = 0 while true do i = i + 1 chert.within("Mon-Fri 0" .. i % 10 .. ":00-1" .. i % 7 .. ":" .. 10 + i % 49) end`,
	"zones there are not":        `while true do pcall(chert.within, "Mon", "America/Ney_York") end`,
	"fields there are not":       `while true do pcall(function() return ev.chat.idd end) end`,
	"functions there are not":    `while true do pcall(function() return chert.mark_reed end) end`,
	"pairs of ev":                `while true do for k, v in pairs(ev) do end end`,
	"fields of ev":               `while true do local x = ev.message.parts end`,
	"ev as JSON":                 `while true do json.encode(ev) end`,
	"actions":                    `while true do chert.mark_read(ev.chat.id, { at = "Mon 09:00", tz = "America/New_York" }) end`,
	"actions, caught":            `while true do pcall(chert.keep_unread, ev.chat.id) end`,
	"timers with payloads":       `local s = ("x"):rep(60000) while true do chert.set_timer("t", "1h", s) end`,
	"logs of much":               `local t = {} for i = 1, 9000 do t[i] = "x" end while true do log.info("x", { a = t }) end`,
	"logs of much text":          `local s = ("x"):rep(1000000) while true do log.info(s, { a = s, b = { s } }) end`,
	"kv":                         `while true do kv.set("a", 1) kv.get("a") end`,
	"kv hoards":                  `local i = 0 local s = ("x"):rep(1000000) while true do i = i + 1 kv.set("k" .. i, s) end`,
	"kv lists":                   `while true do kv.list("") end`,
	"data":                       `local d = data.load("big") while true do for k in pairs(d) do end end`,
	"state is a cycle":           `ev.state.a = ev.state`,
	"state is broad":             `for i = 1, 20000 do ev.state[i] = i end`,
	"state is doubled":           `local t = {} for i = 1, 60 do t = { t, t } end ev.state.t = t`,
	"a key of many bytes":        `local s = ("x"):rep(1000000) pcall(kv.get, s) pcall(function() return ev[s] end) return chert[s]`,
	"unknown keys of many bytes": `while true do pcall(chert.mark_read, "c", { [("x"):rep(100000)] = 1 }) end`,
	"an option that is a loop":   `local t = {} for i = 1, 20000 do t[i] = i end while true do pcall(chert.mark_read, "c", t) end`,
	"names that end it":          `for k in pairs(chert) do pcall(chert[k], ev, ev, ev, ev, ev) pcall(chert[k]) pcall(chert[k], 0/0, 1/0, {}) end`,
	"modules misused":            `for _, m in ipairs({ kv, re, json, log, data }) do for k in pairs(m) do pcall(m[k], ev, ev, ev) pcall(m[k]) pcall(m[k], "", "", 0/0) pcall(m[k], "a", "b", -1/0, 1/0) end end`,
}

func TestHostile(t *testing.T) {
	t.Parallel()
	big := map[string]any{}
	for i := range 20000 {
		big[fmt.Sprint("k", i)] = map[string]any{}
	}
	for name, body := range hostile {
		t.Run(name, func(t *testing.T) {
			cfg := Config{
				Limits: Limits{Steps: 100_000, Memory: 8 << 20, Wall: 2 * time.Second},
				Data:   func(string) (any, error) { return big, nil },
				Grants: map[string]bool{"typing": true, "react": true, "send": true},
			}
			r := loadRules(t, cfg, "chert.on(\"x\", function(ev)\n"+body+"\nend)")
			w := &world{}
			for i := range 200 {
				w.Set(fmt.Sprint("k", i), []byte(`{"a":1}`), 0)
			}
			f, _ := r.call(0, w).(*Failure)
			switch {
			case f == nil:
			case f.Kind == TimedOut:
				t.Errorf("ended by the wall: %v", f)
			case strings.Contains(f.Message, "library function failed"):
				t.Errorf("a panic: %v", f)
			case len(f.Message) > maxMessage+100:
				t.Errorf("a message of %d bytes", len(f.Message))
			}
			if len(w.said) > maxActions+maxPrints+1 {
				t.Errorf("%d actions and lines", len(w.said))
			}
		})
	}
}
