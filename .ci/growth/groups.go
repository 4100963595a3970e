package main

import (
	"fmt"
	"slices"
	"strings"
)

// group is a quantity that grows: a base, and the cases that are compared with it.
type group struct {
	name  string // for -only
	what  string // in the table
	base  setup
	cases []setup
}

// setup is what a daemon has, and the load that it is measured with.
type setup struct {
	size  string            // in the table
	n     int               // the number that -max bounds; 0: none
	rules map[string]string // files; nil: one rule
	edit  string            // measures an edit of this pack; "": none
	fill  filling
	load  traffic
}

// oneRule reads chats by a code. The text of every event has one.
const oneRule = `chert.rule({
  name = "codes",
  on = "message.received",
  where = { text = "code" },
  run = function(ev) chert.mark_read(ev.chat.id) end,
})
`

const codeText = "Your code 0000000 is valid for ten minutes"

// groups returns all groups, in the order of the table.
func groups() []*group {
	return []*group{
		grow("rules", "rules, of which 1 matches", func(n int) setup {
			return setup{n: n, edit: "codes", rules: map[string]string{"codes.lua": manyRules(n)}}
		}, 1, 100, 10_000),
		grow("packs", "packs, of which 1 has a rule that matches", func(n int) setup {
			return setup{n: n, edit: "codes", rules: manyPacks(n)}
		}, 1, 100, 1000),
		grow("chats", "known chats, events in any of them (disk: a chat)", func(n int) setup {
			return setup{n: n, fill: filling{chats: n}, load: traffic{chats: n}}
		}, 1000, 10_000, 100_000, 1_000_000, 10_000_000),
		grow("history", "events of history", func(n int) setup {
			return setup{n: n, fill: filling{events: n}}
		}, 0, 100_000, 1_000_000, 10_000_000),
		grow("pending", "pending reads, and as many timers", func(n int) setup {
			return setup{n: n, fill: filling{events: n, pending: true}}
		}, 0, 10_000, 100_000, 1_000_000),
		grow("texts", "bytes of text", func(n int) setup {
			return setup{load: traffic{text: textOf(n)}}
		}, 10, 1<<10, 64<<10, 1<<20),
		grow("handles", "people in the chat", func(n int) setup {
			return setup{load: traffic{people: n}}
		}, 2, 31),
		{
			name: "recurring", what: "chats of the load",
			base:  setup{size: "a chat an event"},
			cases: []setup{{size: "200 recurring chats", load: traffic{chats: 200}}},
		},
	}
}

// grow makes a group of sizes; the first is the base.
func grow(name, what string, of func(n int) setup, sizes ...int) *group {
	g := &group{name: name, what: what}
	for i, n := range sizes {
		s := of(n)
		s.size = thousands(n)
		if i == 0 {
			g.base = s
		} else {
			g.cases = append(g.cases, s)
		}
	}
	return g
}

func groupNames() (names []string) {
	for _, g := range groups() {
		names = append(names, g.name)
	}
	return names
}

// choose returns the groups with the names in only ("": all), without cases above most.
func choose(all []*group, only string, most int) ([]*group, error) {
	if only != "" {
		for name := range strings.SplitSeq(only, ",") {
			if !slices.Contains(groupNames(), name) {
				return nil, fmt.Errorf("-only %s: there is no such group; there are %s", name, strings.Join(groupNames(), ", "))
			}
		}
	}
	var chosen []*group
	for _, g := range all {
		g.cases = slices.DeleteFunc(g.cases, func(s setup) bool { return s.n > most })
		if len(g.cases) > 0 && (only == "" || slices.Contains(strings.Split(only, ","), g.name)) {
			chosen = append(chosen, g)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-max %d leaves nothing to measure", most)
	}
	return chosen, nil
}

// manyRules returns a pack of n rules, each for a code of its own.
func manyRules(n int) string {
	return fmt.Sprintf(`for i = 0, %d do
  chert.on("message.received", { text = string.format("code %%07d", i) }, function(ev)
    chert.mark_read(ev.chat.id)
  end)
end
`, n-1)
}

// manyPacks returns n packs of one rule each. That of "codes" alone matches.
func manyPacks(n int) map[string]string {
	files := map[string]string{"codes.lua": oneRule}
	for i := 1; i < n; i++ {
		files[fmt.Sprintf("pack%04d.lua", i)] = fmt.Sprintf(`chert.on("message.received", { text = "parcel %07d" }, function(ev)
  chert.mark_read(ev.chat.id)
end)
`, i)
	}
	return files
}

// textOf returns a text of n bytes with a code.
func textOf(n int) string {
	text := "code 12345 "
	return strings.Repeat(text, n/len(text)+1)[:n]
}
