package backtest

import (
	"cmp"
	"slices"
	"time"
)

// comparison matches the reads of both sides, chat by chat. A message is read by the first
// call of its chat after it came. Messages that came one after the other and have the same
// reads are one run.
type comparison struct {
	c         *Config
	chats     map[string]*chatRuns
	counts    map[Kind]int
	unknown   int
	active    int // chats with an event that counts
	differing int // chats
	found     map[Kind][]Difference
	byRule    map[ByRule]int // with Differences 0
}

// chatRuns are the messages of a chat that not both sides have read, in their order.
type chatRuns struct {
	runs    []messages
	seen    bool // among comparison.active
	counted bool // among comparison.differing
}

// messages are a run. The slots of both arrays are those of the sides.
type messages struct {
	n      int // 0: a read of what came before all events
	noText bool
	first  time.Time // when the oldest was received
	at     time.Time // when the newest was received
	event  string    // its id
	seq    int64
	reads  [2]*Read
	why    [2]*Reason // why the side may not have read them
	rank   [2]int     // of why
}

// maxRuns is how many runs of a chat wait for the reads of one side. Of more, the oldest
// count as left unread.
const maxRuns = 200

func newComparison(c *Config) *comparison {
	return &comparison{c: c, chats: map[string]*chatRuns{}, counts: map[Kind]int{}, found: map[Kind][]Difference{}, byRule: map[ByRule]int{}}
}

func (c *comparison) chat(id string) *chatRuns {
	if c.chats[id] == nil {
		c.chats[id] = &chatRuns{}
	}
	return c.chats[id]
}

// seen counts the chat of an event.
func (c *comparison) seen(id string) {
	if of := c.chat(id); !of.seen {
		of.seen = true
		c.active++
	}
}

// message takes in a message that can be unread.
func (c *comparison) message(ev *Event) {
	id := ev.Event.ChatID()
	of := c.chat(id)
	if n := len(of.runs); n == 0 || of.runs[n-1].reads != [2]*Read{} || of.runs[n-1].noText != ev.NoText {
		of.runs = append(of.runs, messages{noText: ev.NoText, first: ev.Received})
		c.bound(id, of)
	}
	m := &of.runs[len(of.runs)-1]
	m.n++
	m.at, m.event, m.seq = ev.Received, ev.Event.ID, ev.Seq
	m.rank = [2]int{} // the newest message's reason counts
}

// note takes in why a side may leave messages of a chat unread: the newest, or, if a read
// ended, all that it would have read. Older messages keep a reason that explains as much.
func (c *comparison) note(side int, n *note) {
	of := c.chats[n.chat]
	if of == nil {
		return
	}
	for i := range of.runs {
		m := &of.runs[i]
		newest := i == len(of.runs)-1
		concerned := newest
		if !n.covers.IsZero() {
			concerned = !m.first.After(n.covers)
		}
		if concerned && m.reads[side] == nil && (n.rank > m.rank[side] || newest && n.rank == m.rank[side]) {
			m.why[side], m.rank[side] = n.reason, n.rank
		}
	}
}

// read takes in a read of a side: it reads all messages of the chat that came so far.
func (c *comparison) read(side int, made *call) {
	of := c.chat(made.chat)
	new := false
	for i := range of.runs {
		if m := &of.runs[i]; m.reads[side] == nil {
			m.reads[side] = made.read
			new = true
		}
	}
	if !new {
		m := messages{at: made.read.At}
		m.reads[side] = made.read
		of.runs = append(of.runs, m)
		c.bound(made.chat, of)
	}
	of.runs = slices.DeleteFunc(of.runs, func(m messages) bool {
		both := m.reads[live] != nil && m.reads[candidate] != nil
		if both {
			c.settle(made.chat, of, &m)
		}
		return both
	})
}

// bound settles the oldest run of a chat that has too many.
func (c *comparison) bound(id string, of *chatRuns) {
	if len(of.runs) > maxRuns {
		c.settle(id, of, &of.runs[0])
		of.runs = slices.Delete(of.runs, 0, 1)
	}
}

// end settles what is left. waiting returns the read of a chat that still waits on a side;
// nil: none does.
func (c *comparison) end(waiting func(side int, chatID string) *Read) {
	for id, of := range c.chats {
		for i := range of.runs {
			m := &of.runs[i]
			for side := range m.reads {
				if m.reads[side] == nil && m.reads[1-side] != nil {
					m.reads[side] = waiting(side, id)
				}
			}
			c.settle(id, of, m)
		}
		of.runs = nil
	}
}

// settle counts a run whose reads are known.
func (c *comparison) settle(id string, of *chatRuns, m *messages) {
	kind := c.kindOf(m)
	if kind == "" {
		return
	}
	if m.noText {
		c.unknown++
		return
	}
	c.counts[kind]++
	by := m.reads[candidate]
	if by == nil {
		by = m.reads[live]
	}
	c.byRule[ByRule{Kind: kind, Rule: by.Rule, Place: by.Place}]++
	if kind == OtherRule && c.c.Limit > 0 {
		return
	}
	if kind != OtherRule && !of.counted {
		of.counted = true
		c.differing++
	}
	d := Difference{Kind: kind, Chat: id, Messages: m.n, At: m.at, Event: m.event, Seq: m.seq}
	for side, fate := range []*Fate{&d.Live, &d.Candidate} {
		if fate.Read = m.reads[side]; fate.Read == nil {
			fate.Unread = m.why[side]
		}
	}
	c.list(d)
}

// kindOf returns how the sides differ on a run; "": they don't, or only during the
// warm-up. Of messages that came during the warm-up only reads after it count.
func (c *comparison) kindOf(m *messages) Kind {
	a, b := m.reads[live], m.reads[candidate]
	for _, r := range m.reads {
		if r != nil && r.At.Before(c.c.From) {
			return ""
		}
	}
	if a == nil && b == nil {
		return ""
	}
	switch {
	case a == nil:
		return Added
	case b == nil:
		return Left
	}
	switch apart := b.At.Sub(a.At); {
	case apart > c.c.Tolerance:
		return Later
	case apart < -c.c.Tolerance:
		return Earlier
	case a.Rule != b.Rule:
		return OtherRule
	}
	return ""
}

// list keeps a difference if it is among the first of its kind.
func (c *comparison) list(d Difference) {
	all := append(c.found[d.Kind], d)
	if limit := c.c.Limit; limit > 0 && len(all) >= 2*limit+64 {
		sortDifferences(all)
		clear(all[limit:])
		all = all[:limit]
	}
	c.found[d.Kind] = all
}

// listed returns the differences to list, by kind and time.
func (c *comparison) listed() []Difference {
	list := []Difference{}
	for _, kind := range kinds {
		all := c.found[kind]
		sortDifferences(all)
		if limit := c.c.Limit; limit > 0 && len(all) > limit {
			all = all[:limit]
		}
		list = append(list, all...)
	}
	return list
}

// rules returns the numbers of differences by rule, the largest first.
func (c *comparison) rules() []ByRule {
	list := []ByRule{}
	for by, n := range c.byRule {
		by.Differences = n
		list = append(list, by)
	}
	slices.SortFunc(list, func(a, b ByRule) int {
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)), cmp.Compare(b.Differences, a.Differences),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Place, b.Place))
	})
	return list
}

func sortDifferences(all []Difference) {
	slices.SortFunc(all, func(a, b Difference) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Chat, b.Chat), a.firstRead().Compare(b.firstRead()))
	})
}

// firstRead returns when the first side read the messages.
func (d *Difference) firstRead() time.Time {
	switch a, b := d.Live.Read, d.Candidate.Read; {
	case a == nil:
		return b.At
	case b == nil || a.At.Before(b.At):
		return a.At
	default:
		return b.At
	}
}
