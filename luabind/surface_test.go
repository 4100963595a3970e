package luabind

import (
	"slices"
	"strings"
	"testing"
	"time"

	"chertd/engine/event"
)

// Every function of the modules is in the surface, and the reverse: errors, stubs and
// the reference are made from it.
func TestSurfaceMatchesTheModules(t *testing.T) {
	t.Parallel()
	there := bindings()
	for _, it := range Symbols() {
		if it.Doc == "" {
			t.Errorf("%s has no doc", it.Name)
		}
		if _, ok := there[it.Name]; ok != it.Func {
			t.Errorf("%s: in the surface as function %t, bound %t", it.Name, it.Func, ok)
		}
		delete(there, it.Name)
	}
	for name := range there {
		t.Errorf("%s is bound and not in the surface", name)
	}
	for table, fields := range map[string][]string{
		"ev.chat": chatFields, "ev.message": messageFields, "ev.chat.handles[]": handleFields, "ev.message.parts[]": partFields,
		"ev": append(slices.Clone(eventFields), "raw", "state"),
	} {
		got, want := slices.Sorted(slices.Values(fields)), slices.Sorted(slices.Values(members(table)))
		if !slices.Equal(got, want) {
			t.Errorf("%s has the fields %q, the surface says %q", table, got, want)
		}
	}
}

func TestSignature(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"chert.on":          "chert.on(type, [where,] fn)",
		"chert.every":       "chert.every(schedule, [options,] fn)",
		"chert.now":         "chert.now()",
		"chert.hold":        "chert.hold(chat_id, duration [, options])",
		"kv.incr":           "kv.incr(key [, n [, options]])",
		"chert.date":        "chert.date(format [, time [, tz]])",
		"ev.chat.id":        "ev.chat.id",
		"chert.cancel_read": "chert.cancel_read(chat_id)",
	} {
		if got := Lookup(name).Signature(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	t.Parallel()
	r := loadRules(t, Config{}, `
chert.on("message.received", function(ev) end)
chert.on("*", { is_group = false, text = { "code", "otp" }, except = { words = "stop" } },
  function(ev)
  end)
chert.rule {
  name = "read codes", on = { "message.received", "lead_reply" }, where = {}, during = "Mon-Fri", tz = "UTC",
  cooldown = 90, sample = 0.1,
  run = function(ev) end,
}
chert.every("15m", { name = "tick", tz = "Europe/Berlin" }, function(ev) end)
chert.every(900, function(ev) end)
`)
	for i, s := range r.subs {
		if s.Index != i || s.File != "rule.lua" {
			t.Errorf("subscription %d has index %d and file %s", i, s.Index, s.File)
		}
	}
	s := r.subs
	if len(s) != 5 {
		t.Fatalf("got %d subscriptions, want 5", len(s))
	}
	if s[0].Call != "chert.on" || s[0].Types[0] != event.MessageReceived || s[0].Where != nil || s[0].Line != 2 || s[0].RunLine != 2 {
		t.Errorf("plain: %+v", s[0])
	}
	where := s[1].Where
	if texts, ok := where["text"].([]any); !ok || len(texts) != 2 || texts[1] != "otp" || where["is_group"] != false ||
		where["except"].(map[string]any)["words"] != "stop" || s[1].RunLine != 4 {
		t.Errorf("with where: %+v", s[1])
	}
	if s[2].Call != "chert.rule" || s[2].Name != "read codes" || len(s[2].Types) != 2 || s[2].Where == nil || s[2].During != "Mon-Fri" || s[2].TZ != "UTC" ||
		s[2].Cooldown != 90*time.Second || s[2].Sample != 0.1 || s[2].RunLine != 9 {
		t.Errorf("rule: %+v", s[2])
	}
	if s[3].Call != "chert.every" || s[3].Every != "15m" || s[3].Name != "tick" || s[3].TZ != "Europe/Berlin" || s[4].Every != "900" || s[4].Name != "" {
		t.Errorf("every: %+v %+v", s[3], s[4])
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	loc, _ := LoadZone("America/New_York")
	r := loadRules(t, Config{Grants: map[string]bool{"typing": true, "react": true, "send": true, "notify": true}, Zone: loc}, `
chert.on("message.received", function(ev)
  local id = ev.chat.id
  chert.mark_read(id)
  chert.mark_read(id, { after = "90s", reason = "settled", even_if_newer = true })
  chert.mark_read(id, { after = 0 })
  chert.mark_read(id, { at = "Mon-Fri 09:00" })
  chert.mark_read(id, { at = "Mon-Fri 09:00", tz = "Asia/Tokyo" })
  chert.mark_read(id, { at = "07:00-08:00", reason = ("x"):rep(1000) })
  chert.mark_read(id, { after = "30s", at_most = "5m" })
  chert.mark_read(id, { only_if = "answered" })
  chert.mark_read(id, { after = { "10h", during = "Mon-Fri 09:00-17:30" }, at_most = { "2h", during = "08:00-17:00", tz = "Asia/Tokyo", not_on = "2026-01-06" } })
  chert.cancel_read(id)
  chert.postpone(id, { after = "8h" })
  chert.postpone("c2", { at = "Mon-Fri 09:00-17:30", tz = "Asia/Tokyo", reason = "closed" })
  chert.postpone(id, { at = "Mon-Fri 07:00-17:30" })
  chert.keep_unread(id)
  chert.keep_unread("c2", { reason = "vip" })
  chert.hold(id, "1d")
  chert.hold(id, 60, { reason = "quiet" })
  chert.release(id)
  chert.set_timer("settle", "5m")
  chert.set_timer("more", 1.5, { n = 1, list = { "a" } })
  chert.set_timer("raw", "1h", ev.message.parts)
  chert.cancel_timer("settle")
  chert.typing(id, "typing")
  chert.react(ev.message.id, "love")
  chert.send(id, "hi")
  chert.notify("oncall", "look")
  chert.notify("oncall", "look", { chat = id, list = { 1 } })
  log.info("done", { n = 1 })
  print("a", 1, nil)
end)`)
	w := &world{}
	if err := r.call(0, w); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`mark_read c1 01-05 12:00:00 delayed=false reason="" newer=false`,
		`mark_read c1 01-05 12:01:30 delayed=true reason="settled" newer=true`,
		`mark_read c1 01-05 12:00:00 delayed=false reason="" newer=false`,
		`mark_read c1 01-05 14:00:00 delayed=true reason="" newer=false`,
		`mark_read c1 01-06 00:00:00 delayed=true reason="" newer=false`,
		`mark_read c1 01-05 12:00:00 delayed=true reason="` + strings.Repeat("x", 500) + `…" newer=false`,
		`mark_read c1 01-05 12:00:30 delayed=true reason="" newer=false latest=01-05 12:05:00`,
		`mark_read c1 01-05 12:00:00 delayed=false reason="" newer=false only_if=answered`,
		`mark_read c1 01-06 15:30:00 delayed=true reason="" newer=false latest=01-07 01:00:00`,
		`cancel_read c1`, `postpone c1 01-05 20:00:00 ""`, `postpone c2 01-06 00:00:00 "closed"`, `postpone c1 01-05 12:00:00 ""`, `keep_unread c1 ""`, `keep_unread c2 "vip"`,
		`hold c1 01-06 12:00:00 ""`, `hold c1 01-05 12:01:00 "quiet"`, `release c1`,
		`after 01-05 12:05:00 settle `, `after 01-05 12:00:01 more {"list":["a"],"n":1}`,
		`after 01-05 13:00:00 raw [{"type":"text","value":"Your code is 123456"},{"type":"media","attachment_id":"in_1","mime_type":"image/jpeg"}]`,
		`cancel_timer settle`, `typing c1 typing`, `react m1 love`, `send c1 hi`, `notify oncall look `, `notify oncall look {"chat":"c1","list":[1]}`, `info done {"n":1}`, "info a\t1\tnil",
	}
	for i := range max(len(want), len(w.said)) {
		got, exp := "nothing", "nothing"
		if i < len(w.said) {
			got = w.said[i]
		}
		if i < len(want) {
			exp = want[i]
		}
		if got != exp {
			t.Errorf("action %d:\n got %s\nwant %s", i, got, exp)
		}
	}
}

// hinted is an error with a hint.
type hinted struct{}

func (hinted) Error() string { return "the rule has no name" }
func (hinted) Hint() string  { return "use chert.rule" }

// An error of Effects is raised at the line of the call, with the name of the function.
func TestErrorsOfEffectsAreRaised(t *testing.T) {
	t.Parallel()
	for _, call := range []string{
		`chert.mark_read("c")`, `chert.cancel_read("c")`, `chert.postpone("c", { after = 1 })`, `chert.keep_unread("c")`, `chert.hold("c", 1)`, `chert.release("c")`,
		`chert.set_timer("t", 1)`, `chert.cancel_timer("t")`, `chert.typing("c", "typing")`, `chert.react("m", "love")`, `chert.send("c", "x")`, `chert.notify("t", "x")`,
		`kv.get("a")`, `kv.set("a", 1)`, `kv.set("a", nil)`, `kv.incr("a")`, `kv.delete("a")`, `kv.list("a")`, `data.load("x")`,
		`ev.state: ev.state.n = 1`,
	} {
		name, body, state := strings.Cut(call, ": ")
		if !state {
			name, _, _ = strings.Cut(call, "(")
			body = call
		}
		cfg := Config{
			Grants: map[string]bool{"typing": true, "react": true, "send": true, "notify": true},
			Data:   func(string) (any, error) { return nil, hinted{} },
		}
		r := loadRules(t, cfg, "chert.on(\"x\", function(ev)\n  "+body+"\nend)")
		f, ok := r.call(0, &world{err: hinted{}}).(*Failure)
		if !ok || !strings.HasPrefix(f.Message, name+": the rule has no name") || f.Hint != "use chert.rule" || f.Line != 2 {
			t.Errorf("%s: got %+v", call, f)
		}
	}
}
