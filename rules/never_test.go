package rules

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNever(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ rule, want string }{
		{`on = "message.received", where = { direction = "outbound" }`, "Chert sends message.received for inbound messages alone"},
		{`on = "message.received", where = { direction = { "inbound", "outbound" } }`, ""},
		{`on = "*", where = { direction = "outbound" }`, ""},
		{`on = { "message.received", "reaction.added" }, where = { direction = "outbound" }`, ""},
		{`on = "message.received", where = { is_group = true, except = { is_group = true } }`, "except excludes every event that where matches: is_group"},
		{`on = "message.received", where = { is_group = true, except = { is_group = false } }`, ""},
		{`on = "message.received", where = { is_group = true, except = { is_group = true, text = "x" } }`, ""},
		{`on = "message.received", where = { from = "+1 415 555 0100", except = { from = { "+14155550100", "a@b.c" } } }`, "except excludes every event"},
		{`on = "message.received", where = { from = chert.list("vips"), except = { from = chert.list("vips") } }`, "except excludes every event that where matches: from"},
		{`on = "message.received", where = { from = chert.list("vips"), except = { from = { chert.list("friends"), chert.list("vips"), "a@b.c" } } }`, "except excludes every event"},
		{`on = "message.received", where = { from = { chert.list("vips"), "a@b.c" }, except = { from = { chert.list("vips"), "22395", "a@b.c" } } }`, "except excludes every event"},
		{`on = "message.received", where = { from = { chert.list("vips"), "a@b.c" }, except = { from = chert.list("vips") } }`, ""},
		{`on = "message.received", where = { from = { chert.list("vips"), chert.list("friends") }, except = { from = chert.list("vips") } }`, ""},
		{`on = "message.received", where = { from = chert.list("vips"), except = { from = "a@b.c" } }`, ""},
		{`on = "message.received", where = { from = chert.list("vips"), except = { chat = chert.list("vips") } }`, ""},
		{`on = "message.received", where = { from = "a@b.c", except = { from = { chert.list("vips"), "a@b.c" } } }`, "except excludes every event"},
		{`on = "message.received", where = { from = "a@b.c", except = { from = chert.list("vips") } }`, ""},
		{`on = "message.received", where = { text = { "login code", "Passcode" }, except = { text = "code" } }`, "except excludes every event"},
		{`on = "message.received", where = { text = { "login code", "otp" }, except = { text = "code" } }`, ""},
		{`on = "message.received", where = { text = "code", except = { words = "code" } }`, ""},
		{`on = "message.received", where = { words = "code", except = { text = "code" } }`, "except excludes every event"},
		{`on = "message.received", where = { matches = "[0-9]+", except = { matches = "[0-9]+" } }`, "except excludes every event"},
		{`on = "message.received", where = { matches = { "a", "b" }, except = { matches = { "b", "c", "a" } } }`, "except excludes every event that where matches: matches"},
		{`on = "message.received", where = { matches = { "a", "d" }, except = { matches = { "b", "c", "a" } } }`, ""},
		{`on = "message.received", where = { matches = "a", except = { text = "a" } }`, ""},
		{`on = "message.received", where = { text = "a", except = { matches = "a" } }`, ""},
		{`on = "message.received", where = { words = { "stop", "quit" }, except = { words = { "quit", "stop", "end" } } }`, "except excludes every event"},
		{`on = "message.received", where = { words = "stop it", except = { words = "stop" } }`, ""},
		{`on = "message.received", where = { words = "stopping", except = { text = "stop" } }`, "except excludes every event"},
		{`on = "message.received", where = { text = "stop", except = { text = "stopping" } }`, ""},
		{`on = "message.received", where = { chat = "c1", except = { from = "+14155550100" } }`, ""},
		{`on = "message.received", where = { chat = { "c1", "c2" }, except = { chat = "c1" } }`, ""},
		{`on = "message.received", where = { chat = "c1", is_group = true, except = { { chat = "c2" }, { is_group = true, chat = "c1" } } }`, "except excludes every event that where matches: is_group, chat"},
		{`on = "message.received", where = { is_group = true, except = { has_media = true } }`, ""},
		{`on = "timer:settle", where = { except = { from = "+14155550100", chat = "c1" } }`, ""},
		{`on = "message.received", where = { source = { "engine", "webhook" } }`, ""},
		{`on = "*", where = { source = "engine" }`, ""},
		{`on = "message.received", where = { source = "engine" }`, `no message.received comes from "engine"`},
		{`on = "timer:settle", where = { source = "webhook" }`, `every timer:settle comes from "engine"`},
		{`on = "message.received", where = { source = { "signal", "engine" } }`, `no message.received comes from "engine"`},
		{`on = "message.received", where = { source = "signal" }`, `no message.received comes from "signal"`},
		{`on = "signal:human_replied", where = { source = "webhook" }`, `every signal:human_replied comes from "signal"`},
		{`on = "signal:human_replied", where = { source = { "webhook", "signal" } }`, ""},
		{`on = "signal:human_replied", where = { text = "x" }`, "text: an event signal:human_replied has none"},
		{`on = "signal:human_replied", where = { from = "+14155550100" }`, "from: an event signal:human_replied has none"},
		{`on = "signal:human_replied", where = { direction = "outbound" }`, "direction: an event signal:human_replied has none"},
		{`on = "signal:human_replied", where = { except = { sender = "email" } }`, "except: an event signal:human_replied has no sender"},
		{`on = { "message.received", "signal:human_replied" }, where = { text = "x" }`, ""},
		{`on = "signal:human_replied", where = { is_group = false, line = "+14152165723", chat = "c1" }`, ""},
		{`on = "timer:settle", where = { text = "x" }`, "text: an event timer:settle has none"},
		{`on = "timer:settle", where = { matches = "^$" }`, "text: an event timer:settle has none"},
		{`on = "timer:settle", where = { has_media = false }`, "has_media: an event timer:settle has none"},
		{`on = "timer:settle", where = { except = { from = "+14155550100" } }`, "except: an event timer:settle has no from"},
		{`on = { "message.received", "timer:settle" }, where = { except = { from = "+14155550100" } }`, ""},
		{`on = "action.failed", where = { from = "+14155550100" }`, "from: an event action.failed has none"},
		{`on = "timer:settle", where = { is_group = false }`, ""},
		{`on = "message.received", where = { sender = "email", from = "+14155550100" }`, `sender and from exclude each other: no sender of from is "email"`},
		{`on = "message.received", where = { sender = "phone", from = { "a@b.co", "22395" } }`, "sender and from exclude each other"},
		{`on = "message.received", where = { sender = { "phone", "email" }, from = { "a@b.co", "22395" } }`, ""},
		{`on = "message.received", where = { sender = "short_code", from = "22395" }`, ""},
		{`on = "message.received", where = { matches = "^stop$", words = "go" }`, "no text that matches allows meets the other conditions"},
		{`on = "message.received", where = { matches = { "^stop$", "^go ahead$" }, words = "go" }`, ""},
		{`on = "message.received", where = { matches = "^stop$", text = "TOP" }`, ""},
		{`on = "message.received", where = { matches = "(?i)^stop$", words = "go" }`, ""},
		{`on = "message.received", where = { matches = "(?m)^stop$", words = "go" }`, ""},
		{`on = "message.received", where = { matches = "^stop", words = "go" }`, ""},
		{`on = "message.received", where = { matches = "^$", text = "x" }`, "no text that matches allows meets the other conditions"},
		{`on = "message.received", where = { matches = "^please stop$", except = { words = "stop" } }`, "except excludes every event that where matches: words"},
		{`on = "message.received", where = { from = "a@b.co", except = { sender = "email" } }`, "except excludes every event that where matches: sender"},
		{`on = "message.received", where = { from = "a@b.co", except = { sender = "phone" } }`, ""},
		{`on = "message.received", where = { except = { { is_group = true }, { is_group = false } } }`, "except excludes every event: is_group is true, false or unknown"},
		{`on = "message.received", where = { except = { { is_group = true }, { is_group = false, chat = "c1" } } }`, ""},
		{`on = "message.received", where = { except = { { is_group = true }, { has_media = false } } }`, ""},
		{`on = "message.received", outside = "Mon-Sun"`, "is the whole week"},
		{`on = "message.received", outside = "09:00-17:00,17:00-09:00"`, "is the whole week"},
		{`on = "message.received", outside = "Mon-Fri"`, ""},
		{`on = "message.received", during = "Sun 23:59-24:00"`, ""},
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "r.lua")
		if err := os.WriteFile(file, []byte("chert.rule { name = 'r', "+test.rule+", run = function(ev) end }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		set, diags := Load([]string{file}, Options{}).Set()
		if diags.Errors() {
			t.Errorf("%s: %v", test.rule, diags)
			continue
		}
		got := set.Packs()[0].Rules[0].Never()
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s\n got %q\nwant %q", test.rule, got, test.want)
		}
	}
}
