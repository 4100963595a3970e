package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chertd/engine/event"
	"chertd/luabind/diag"
)

// A list is what its changes make of it, and a change leaves earlier versions as they were.
func TestListsAreImmutable(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			list *List
			want map[string]int64
		}
		versions := []version{{NewList("vips", 1, nil), map[string]int64{}}}
		for n := range rapid.IntRange(1, 8).Draw(t, "changes") {
			from := versions[len(versions)-1]
			want := maps.Clone(from.want)
			remove := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 0, 3).Draw(t, "remove")
			var add []ListMember
			for _, m := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 0, 3).Draw(t, "add") {
				add = append(add, ListMember{Member: m, Until: rapid.Int64Range(0, 3).Draw(t, "until")})
			}
			for _, m := range remove {
				delete(want, m)
			}
			for _, m := range add {
				want[m.Member] = m.Until
			}
			versions = append(versions, version{from.list.Changed(int64(n+2), add, remove), want})
		}
		for _, v := range versions {
			if v.list.Len() != len(v.want) {
				t.Fatalf("version %d has %d members, want %v", v.list.Version, v.list.Len(), v.want)
			}
			for _, m := range []string{"a", "b", "c", "d", "e"} {
				until, want := v.want[m]
				got, ok := v.list.Find(m)
				if ok != want || got.Until != until {
					t.Fatalf("version %d: %s is %v, %t; want %d, %t", v.list.Version, m, got, ok, until, want)
				}
			}
		}
	})
}

// inbound is a message of a sender in a chat.
func inbound(chat, from, text string) *event.Event {
	return &event.Event{ID: "e1", Type: event.MessageReceived, Source: event.SourceWebhook, Text: text, From: from,
		Chat: &event.Chat{ID: chat}, Message: &event.Message{ID: "m1", Direction: "inbound", Text: text, From: from}}
}

const listRules1 = `
chert.rule { name = "from", on = "message.received", where = { from = chert.list("vips") }, run = function(ev) chert.keep_unread(ev.chat.id) end }
chert.rule { name = "either", on = "message.received", where = { from = { chert.list("vips"), "+14155550199" } }, run = function() end }
chert.rule { name = "chat", on = "message.received", where = { chat = chert.list("vips") }, run = function() end }
chert.rule { name = "except", on = "message.received", where = { text = "hi", except = { from = chert.list("friends") } }, run = function() end }
chert.rule { name = "handler", on = "message.received", where = { text = "look" }, run = function(ev)
  log.info(tostring(chert.list("vips")[ev.from]) .. " " .. tostring(chert.list("vips")[ev.chat.id]))
end }`

func TestWhereTakesLists(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	end := now.UnixMilli()
	s := loadSet(t, Options{Country: "US"}, listRules1)
	lists := NewLists(
		NewList("vips", 12, []ListMember{{"+14155550100", 0}, {"c7", 0}, {"+14155550101", end}, {"+14155550102", end + 1}, {"bob@example.com", 0}}),
		NewList("friends", 3, []ListMember{{"+14155550100", 0}}))
	for _, c := range []struct {
		name             string
		ev               *event.Event
		lists            *Lists
		rules, log, seen string
	}{
		{"a member", inbound("c1", "+14155550100", "x"), lists, "from either", "", "vips:12"},
		{"written otherwise", inbound("c1", "(415) 555-0100", "x"), lists, "from either", "", "vips:12"},
		{"an address", inbound("c1", "Bob@Example.com", "x"), lists, "from either", "", "vips:12"},
		{"ended now", inbound("c1", "+14155550101", "x"), lists, "", "", "vips:12"},
		{"ends later", inbound("c1", "+14155550102", "x"), lists, "from either", "", "vips:12"},
		{"a value beside the list", inbound("c1", "+14155550199", "x"), lists, "either", "", "vips:12"},
		{"a chat", inbound("c7", "+14155550198", "x"), lists, "chat", "", "vips:12"},
		{"no sender", inbound("c1", "", "x"), lists, "", "", "vips:12"},
		{"an exception", inbound("c1", "+14155550100", "hi"), lists, "from either", "", "friends:3 vips:12"},
		{"no exception", inbound("c1", "+14155550198", "hi"), lists, "except", "", "friends:3 vips:12"},
		{"a handler", inbound("c7", "+1 415 555 0100", "look"), lists, "from either chat handler", "true true", "vips:12"},
		{"no lists", inbound("c1", "+14155550100", "hi look"), nil, "except handler", "nil nil", "friends:0 vips:0"},
	} {
		r := s.Run(0, Input{Event: c.ev, Now: now, Lists: c.lists})
		var ran, seen []string
		log := ""
		for _, o := range r.Outcomes {
			if o.Failure != nil {
				t.Errorf("%s: %v", c.name, o.Failure)
			}
			ran = append(ran, o.Rule)
			for _, l := range o.Logs {
				log += l.Msg
			}
		}
		for _, name := range slices.Sorted(maps.Keys(r.Lists)) {
			seen = append(seen, fmt.Sprintf("%s:%d", name, r.Lists[name]))
		}
		if got := strings.Join(ran, " "); got != c.rules || log != c.log || strings.Join(seen, " ") != c.seen {
			t.Errorf("%s: ran %q, logged %q, looked at %q; want %q, %q, %q", c.name, got, log, seen, c.rules, c.log, c.seen)
		}
		for _, x := range s.Explain(Input{Event: c.ev, Now: now, Lists: c.lists}) {
			if x.Runs != slices.Contains(ran, x.Rule) {
				t.Errorf("%s: %s is explained as %v, and ran: %q", c.name, x.Rule, x, ran)
			}
		}
	}
}

// A rule that uses no list costs what it did: its decisions name none.
func TestListsAreNamedOnlyIfLookedAt(t *testing.T) {
	t.Parallel()
	s := loadSet(t, Options{}, `
chert.on("message.received", { text = "code" }, function() end)
chert.on("reaction.added", { from = chert.list("vips") }, function() end)`)
	if r := s.Run(0, Input{Event: inbound("c1", "+14155550100", "code"), Lists: NewLists(NewList("vips", 1, nil))}); r.Lists != nil {
		t.Errorf("it looked at %v", r.Lists)
	}
}

func TestExplainNamesLists(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	s := loadSet(t, Options{}, `chert.on("message.received", { from = { chert.list("vips"), "72000" } }, function() end)`)
	for _, c := range []struct {
		lists *Lists
		want  string
	}{
		{NewLists(NewList("vips", 4, nil)), `from: "+14155550100" is not on the list vips (version 4), and is not "72000"`},
		{NewLists(NewList("vips", 4, []ListMember{{"+14155550100", now.UnixMilli()}})), `from: "+14155550100" is no longer on the list vips (version 4): it ended at 2026-01-05T12:00:00Z, and is not "72000"`},
		{nil, `from: "+14155550100" is not on the list vips, which is empty, and is not "72000"`},
	} {
		got := s.Explain(Input{Event: inbound("c1", "+14155550100", "x"), Now: now, Lists: c.lists})[0].Refused
		if len(got) != 1 || got[0] != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A number without + beside a list, or of the event, is compared by the country.
func TestListsDependOnTheCountry(t *testing.T) {
	t.Parallel()
	o := Options{Country: "US"}
	s := loadSet(t, o, `
chert.rule({ name = "list", on = "message.received", where = { from = chert.list("vips") }, run = function() end })
chert.rule({ name = "local", on = "message.received", where = { from = { chert.list("vips"), "415 555 0199" } }, run = function() end })
chert.rule({ name = "other", on = "message.received", where = { from = chert.list("vips"), words = "never" }, run = function() end })`)
	lists := NewLists(NewList("vips", 1, []ListMember{{"+14155550100", 0}}))
	for _, c := range []struct{ rule, from, want string }{
		{"list", "+14155550123", "[]"},
		{"list", "415 555 0123", "[rules.country]"},
		{"local", "+14155550123", "[rules.country]"},
		{"other", "415 555 0100", "[]"}, // a member: another condition refuses it
	} {
		got := NewAssumptions(s.Packs()[0], o).Where(c.rule, Input{Event: inbound("c1", c.from, "x"), Now: noon, Lists: lists})
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s of %s depends on %v, want %s", c.rule, c.from, got, c.want)
		}
	}
}

// A handler may compute the name of a list; one that nobody declares is an error then.
func TestUnknownListInAHandler(t *testing.T) {
	t.Parallel()
	s := loadSet(t, Options{Lists: map[string]ListOptions{"vips": {}}}, `
chert.on("message.received", function(ev) local name = "vip" return chert.list(name)[ev.from] end)`)
	r := s.Run(0, Input{Event: inbound("c1", "+14155550100", "x")})
	if f := r.Outcomes[0].Failure; f == nil || f.Message != `chert.list: no list is named "vip"` || f.Hint != `did you mean "vips"?` {
		t.Errorf("failure: %v", f)
	}
}

// loadSet returns the set of one rule file.
func loadSet(t *testing.T, o Options, source string) *Set {
	t.Helper()
	return mustLoad(t, o, map[string]string{"p.lua": source})
}

// Rules that name a list which chertd.yaml does not declare don't load; a list that no
// rule uses is a warning.
func TestListsThatNobodyDeclares(t *testing.T) {
	t.Parallel()
	declared := map[string]ListOptions{"vips": {Place: Position{"c.yaml", 3, 5}}, "friends": {Place: Position{"c.yaml", 4, 5}}}
	for _, c := range []struct {
		name, source string
		lists        map[string]ListOptions
		want         string
	}{
		{"no configuration", `chert.on("message.received", { from = chert.list("vipz") }, function() end)`, nil, ""},
		{"a typo in where", "\n" + `chert.on("message.received", { from = chert.list("vipz") }, function() end)`, declared,
			`p.lua:2:39: error: no list is named "vipz" [CH059]` + "\n" + `  hint: did you mean "vips"?`},
		{"a typo in a handler", `chert.on("message.received", function(ev) return chert.list("other")[ev.from] end)`, declared,
			`p.lua:1:50: error: no list is named "other" [CH059]` + "\n" + `  hint: declare it in chertd.yaml: rules: {lists: {other: {writable: true}}}`},
		{"a name in a variable", `local name = "vipz" chert.on("message.received", { except = { from = chert.list(name) } }, function() end)`, declared,
			`p.lua:1:1: error: where.except.from: no list is named "vipz" [CH059]` + "\n" + `  hint: did you mean "vips"?`},
		{"one is not used", `chert.on("message.received", { from = chert.list("vips") }, function() end)`, declared,
			`c.yaml:4:5: warning: no rule uses the list "friends" [CF016]` + "\n" + `  hint: use it in a rule: where = { from = chert.list("friends") }, or delete the entry`},
		{"any may be used", `chert.on("message.received", function(ev) return chert.list(config.list)[ev.from] end)`, declared, ""},
		{"a key without lists", `chert.on("message.received", { text = chert.list("vips"), from = chert.list("friends") }, function() end)`, declared,
			`p.lua:1:1: error: where.text: expected a string or a list of strings, got chert.list("vips")`},
		{"as a list's item", `chert.on("message.received", { service = { chert.list("vips") }, from = chert.list("friends") }, function() end)`, declared,
			`p.lua:1:1: error: where.service: expected a string or a list of strings, got chert.list("vips")`},
	} {
		dir := t.TempDir()
		write(t, dir+"/p.lua", c.source)
		_, diags := loadDir(dir, Options{Lists: c.lists})
		var got []string
		for _, d := range diags {
			got = append(got, strings.ReplaceAll(d.String(), dir+"/", ""))
		}
		if !strings.HasPrefix(strings.Join(got, "\n"), c.want) || len(got) != min(1, len(c.want)) {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, strings.Join(got, "\n"), c.want)
		}
	}
}

// Members that come and go do not change which rules an event meets otherwise, whatever the
// index makes of them.
func TestListsInTheIndex(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.SampledFrom([]string{"a1", "b1", "c1", "d1"})
		var source strings.Builder
		for range rapid.IntRange(1, 6).Draw(t, "rules") {
			var where []string
			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"chat", "from", "line"}), 0, 3, rapid.ID).Draw(t, "keys") {
				values := []string{fmt.Sprintf("chert.list(%q)", rapid.SampledFrom([]string{"l1", "l2"}).Draw(t, "list"))}
				if key == "chat" && rapid.Bool().Draw(t, "more") {
					values = append(values, fmt.Sprintf("%q", word.Draw(t, "value")))
				}
				where = append(where, fmt.Sprintf("%s = { %s }", key, strings.Join(values, ", ")))
			}
			fmt.Fprintf(&source, "chert.on(\"message.received\", { %s }, function() end)\n", strings.Join(where, ", "))
		}
		s, diags := sourceSet(source.String())
		if diags.Errors() {
			t.Fatal(diags)
		}
		members := func(name string) *List {
			l := NewList(name, 1, nil)
			for _, m := range rapid.SliceOf(word).Draw(t, name) {
				l = l.Changed(1, []ListMember{{Member: m}}, nil)
			}
			return l
		}
		ev := inbound(word.Draw(t, "chat"), word.Draw(t, "from"), "x")
		ev.Chat.Line = word.Draw(t, "line")
		in := Input{Event: ev, Lists: NewLists(members("l1"), members("l2"))}
		ran := map[string]bool{}
		for _, o := range s.Run(0, in).Outcomes {
			ran[o.Rule] = true
		}
		for _, x := range s.Explain(in) { // which does not use the index
			if x.Runs != ran[x.Rule] {
				t.Fatalf("%s\n%s runs: %t, explained: %v", source.String(), x.Rule, ran[x.Rule], x)
			}
		}
	})
}

// sourceSet returns the set of one rule file that is kept in memory.
func sourceSet(source string) (*Set, diag.List) {
	c := KeptCandidate("p", "p.lua", []File{{Name: "p.lua", Path: "p.lua", Kind: RuleFile, Bytes: []byte(source)}}, Options{})
	c.Compile()
	return NewSet(SetParts{Packs: []*Pack{c.Pack()}, Modes: map[string]Mode{"p": Live}}, Options{}), c.Diagnostics()
}

// BenchmarkListChange adds a member to a list of 100,000, and looks one up.
func BenchmarkListChange(b *testing.B) {
	members := make([]ListMember, 100_000)
	for i := range members {
		members[i].Member = fmt.Sprintf("+1415%07d", i)
	}
	l := NewList("vips", 1, members)
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			NewList("vips", 1, members)
		}
	})
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Changed(2, []ListMember{{Member: "+14155550100"}}, nil)
		}
	})
	b.Run("has", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.Has("+14150050000", time.Time{})
		}
	})
}

// An event that runs again meets the lists as they were for it: a member whose time is over meanwhile
// still counts.
func TestMemberCountsAsOfTheFirstRun(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, Options{}, map[string]string{"vip.lua": `
chert.rule { name = "where", on = "message.received", where = { from = chert.list("vips") }, run = function(ev) chert.keep_unread(ev.chat.id) end }
chert.rule { name = "code", on = "message.received", run = function(ev)
  if chert.list("vips")[ev.from] then chert.keep_unread(ev.chat.id) end
end }`})
	noon := time.Date(2026, time.January, 5, 12, 0, 0, 0, time.UTC)
	lists := NewLists(NewList("vips", 1, []ListMember{{Member: "+14155550100", Until: MemberEnd(noon.Add(time.Minute))}}))
	for _, test := range []struct {
		first, now time.Time
		vetoes     int
	}{
		{time.Time{}, noon, 2},
		{time.Time{}, noon.Add(2 * time.Minute), 0},
		{noon, noon.Add(2 * time.Minute), 2},
		{noon.Add(90 * time.Second), noon.Add(2 * time.Minute), 0},
	} {
		n := 0
		for _, o := range set.Run(0, Input{Event: inbound("c1", "+14155550100", "hi"), Seq: 1, Now: test.now, First: test.first, Lists: lists}).Outcomes {
			n += len(o.Requests)
		}
		if n != test.vetoes {
			t.Errorf("first %v, now %v: %d vetoes, want %d", test.first, test.now, n, test.vetoes)
		}
	}
}
