package rules

import (
	"maps"
	"slices"
)

// index finds the rules that an event may match. Its cost grows with the rules that match
// and with the length of the text, not with the number of rules: each rule is entered
// under the condition that it shares with the fewest others, and is found only by events
// that satisfy it. The result are candidates; the rule's whole where still has to hold.
// An index is immutable.
type index struct {
	external map[string]*table // by type, signals included; anyType: the rules of every type of Chert's
	engine   map[engineKey]*table
}

// engineKey separates the events that chertd makes by the pack they are for.
type engineKey struct{ pack, typ string }

// table contains the rules of one type. Rules are numbered in load order.
type table struct {
	chat, from, line map[string][]int32
	onLists          []listRules  // rules with a condition on lists
	folded           literalTable // text and words, in the folded text
	caseless         literalTable // literals that patterns require, in the caseless text
	rest             []int32      // rules with none of these conditions
}

// literalTable finds rules by literals in a text.
type literalTable struct {
	automaton *automaton // nil: no rules
	rules     [][]int32  // by literal
}

// listRules are rules that events find whose field is on a list.
type listRules struct {
	by    accessKey
	list  string
	rules []int32
}

// access is a condition by which a rule can be found: under each of the values in one of
// a table's maps, and of the lists.
type access struct {
	by     accessKey
	values []string
	lists  []string
}

type accessKey int

// If two conditions are shared by as many rules, the first of this order is used: it is
// the cheapest to look up.
const (
	byChat accessKey = iota
	byFrom
	byLine
	byFolded
	byCaseless
	accessKeys
)

// newIndex makes an index of rules in load order.
func newIndex(rules []*Rule) *index {
	external := map[string][]int32{}
	engine := map[engineKey][]int32{}
	for i, r := range rules {
		types := slices.Clone(r.Types)
		slices.Sort(types)
		for _, t := range slices.Compact(types) {
			if originOf(t) == fromEngine {
				k := engineKey{r.Pack, t}
				engine[k] = append(engine[k], int32(i))
			} else {
				external[t] = append(external[t], int32(i))
			}
		}
	}
	ix := &index{external: map[string]*table{}, engine: map[engineKey]*table{}}
	for t, ids := range external {
		ix.external[t] = newTable(rules, ids)
	}
	for k, ids := range engine {
		ix.engine[k] = newTable(rules, ids)
	}
	return ix
}

// wants reports whether a rule may match an event of the type: one from outside if pack
// is "", otherwise one that chertd makes for the pack.
func (ix *index) wants(typ, pack string) bool {
	if pack != "" {
		return ix.engine[engineKey{pack, typ}] != nil
	}
	return typ != anyType && ix.external[typ] != nil || ix.external[anyType] != nil
}

// candidates returns the rules that the event may match, in load order. The slice is
// valid until the probe is reset.
func (ix *index) candidates(p *probe) []int32 {
	p.found = p.found[:0]
	from := cameFrom(p.ev)
	if from == fromEngine {
		if t := ix.engine[engineKey{p.ev.Pack, p.ev.Type}]; t != nil && p.ev.Pack != "" {
			t.collect(p)
		}
	} else {
		if t := ix.external[p.ev.Type]; t != nil && p.ev.Type != anyType && (originOf(p.ev.Type) == fromSignal) == (from == fromSignal) {
			t.collect(p)
		}
		if t := ix.external[anyType]; t != nil && from == fromChert {
			t.collect(p)
		}
	}
	slices.Sort(p.found)
	p.found = slices.Compact(p.found)
	return p.found
}

func newTable(rules []*Rule, ids []int32) *table {
	var shared [accessKeys]map[string]int
	for k := range shared {
		shared[k] = map[string]int{}
	}
	for _, id := range ids {
		for _, w := range rules[id].ways {
			for _, v := range w.values {
				shared[w.by][v]++
			}
		}
	}
	// What is on a list changes: each counts as a value that only its rules have.
	lists := map[accessList]int{}
	for _, id := range ids {
		for _, w := range rules[id].ways {
			for _, l := range w.lists {
				lists[accessList{w.by, l}]++
			}
		}
	}
	var entries [accessKeys]map[string][]int32
	for k := range entries {
		entries[k] = map[string][]int32{}
	}
	t := &table{chat: entries[byChat], from: entries[byFrom], line: entries[byLine]}
	for _, id := range ids {
		best, fewest := -1, 0
		for i, w := range rules[id].ways {
			most := 0
			for _, v := range w.values {
				most = max(most, shared[w.by][v])
			}
			for _, l := range w.lists {
				most = max(most, lists[accessList{w.by, l}])
			}
			if best < 0 || most < fewest {
				best, fewest = i, most
			}
		}
		if best < 0 {
			t.rest = append(t.rest, id)
			continue
		}
		w := rules[id].ways[best]
		for _, v := range w.values {
			entries[w.by][v] = append(entries[w.by][v], id)
		}
		for _, l := range w.lists {
			t.enter(accessList{w.by, l}, id)
		}
	}
	t.folded = newLiteralTable(entries[byFolded])
	t.caseless = newLiteralTable(entries[byCaseless])
	return t
}

// accessList is a list by which rules are found.
type accessList struct {
	by   accessKey
	list string
}

// enter enters a rule under a list.
func (t *table) enter(l accessList, id int32) {
	at := slices.IndexFunc(t.onLists, func(r listRules) bool { return r.by == l.by && r.list == l.list })
	if at < 0 {
		at = len(t.onLists)
		t.onLists = append(t.onLists, listRules{by: l.by, list: l.list})
	}
	t.onLists[at].rules = append(t.onLists[at].rules, id)
}

// collectListed adds the candidates whose lists the event is on.
func (t *table) collectListed(p *probe) {
	for i := range t.onLists {
		l := &t.onLists[i]
		raw := (*probe).chat
		switch l.by {
		case byFrom:
			raw = (*probe).rawFrom
		case byLine:
			raw = (*probe).rawLine
		}
		if v, ok := raw(p); ok && p.lists != nil && p.lists.on(l.list, p.member(v)) {
			p.found = append(p.found, l.rules...)
		}
	}
}

// collect adds the table's candidates to the probe's.
func (t *table) collect(p *probe) {
	if len(t.chat) > 0 {
		if v, ok := p.chat(); ok {
			p.found = append(p.found, t.chat[v]...)
		}
	}
	if len(t.from) > 0 {
		if v, ok := p.from(); ok {
			p.found = append(p.found, t.from[v]...)
		}
	}
	if len(t.line) > 0 {
		if v, ok := p.line(); ok {
			p.found = append(p.found, t.line[v]...)
		}
	}
	t.collectListed(p)
	if a := t.folded.automaton; a != nil && p.ev.Text != "" {
		p.hits = find(a, p.folded(), &p.marks, p.hits[:0])
		for _, lit := range p.hits {
			p.found = append(p.found, t.folded.rules[lit]...)
		}
	}
	if a := t.caseless.automaton; a != nil && p.ev.Text != "" {
		p.hits = find(a, p.caseless(), &p.marks, p.hits[:0])
		for _, lit := range p.hits {
			p.found = append(p.found, t.caseless.rules[lit]...)
		}
	}
	p.found = append(p.found, t.rest...)
}

func newLiteralTable(entries map[string][]int32) literalTable {
	if len(entries) == 0 {
		return literalTable{}
	}
	literals := slices.Sorted(maps.Keys(entries))
	t := literalTable{automaton: newAutomaton(literals), rules: make([][]int32, len(literals))}
	for i, lit := range literals {
		t.rules[i] = entries[lit]
	}
	return t
}

// accessesOf returns the conditions by which a rule with the clause can be found, in the
// order of accessKey.
func accessesOf(c *clause) []access {
	if c == nil {
		return nil
	}
	var ways []access
	for _, cond := range c.conditions {
		switch cond := cond.(type) {
		case *oneOf:
			switch cond.key {
			case "chat":
				ways = append(ways, access{by: byChat, values: cond.values})
			case "from":
				ways = append(ways, access{by: byFrom, values: cond.values})
			case "line":
				ways = append(ways, access{by: byLine, values: cond.values})
			}
		case *onList:
			by := map[string]accessKey{"chat": byChat, "from": byFrom, "line": byLine}[cond.key]
			ways = append(ways, access{by: by, values: cond.values, lists: cond.lists})
		case *contains:
			ways = append(ways, access{by: byFolded, values: cond.literals})
		case *matching:
			if lits := requiredByAny(cond); lits != nil {
				ways = append(ways, access{by: byCaseless, values: lits})
			}
		}
	}
	slices.SortStableFunc(ways, func(a, b access) int { return int(a.by - b.by) })
	return ways
}

// requiredByAny returns literals such that a text contains one of them if any of the
// patterns matches it; nil if a pattern has none.
func requiredByAny(m *matching) []string {
	var all []string
	for _, re := range m.patterns {
		lits := required(re)
		if lits == nil {
			return nil
		}
		all = append(all, lits...)
	}
	return sortedSet(all)
}
