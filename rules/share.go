package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A handler within its budget may still be too slow for the events that come,
// and then every other pack's events wait for it. So a pack has a share of the
// machine as well: what its handlers take beyond shareFree steps each (about a
// millisecond, dozens of times what an ordinary rule takes), VMs that are made
// again for them included, may come to shareRate steps a second, about a tenth
// of a core, in bursts of up to shareBurst.
//
// When a pack goes beyond, the rule that drew most is suspended, in the chat in
// which it did, and its steps no longer count against the others: one sender
// stops a rule for his own chat. If one rule draws too much in many chats it is
// suspended in all of them. Only if several rules do, in several chats, is the
// whole pack suspended.
//
// Measured with packs of handlers just within their budget, under 300 events a
// second: without a share the others' events waited until the pack was gone. A
// rate of three times as much let them wait on a machine that was busy itself. The
// burst is what 40 simultaneous messages take of a pack with 300,000 steps each, and a
// fifth of a second.
const (
	shareFree  = 50_000
	shareRate  = 5_000_000
	shareBurst = 10_000_000
	// dropSteps is what it takes to throw a VM away, in steps: up to its limit of
	// memory is to be collected and allocated again.
	dropSteps = 250_000

	// shareDrawers is of how many rules in chats it is known how much they drew.
	// Of more, all are forgotten, and what they drew counts for nobody.
	shareDrawers = 256
	// shareCulprits is how many rules in chats are suspended alone. If they become
	// as many they have a rule, a chat, or nothing in common, and that is
	// suspended: a hostile pack gets no further than about as many handlers.
	shareCulprits = 10
	// shareGroups is how many such rules and chats suspend the whole pack.
	shareGroups = 3
)

// SharePolicy is how much a pack may take of the machine. Zero fields take the
// defaults.
type SharePolicy struct {
	Free  int64 // steps of a handler that don't count
	Rate  int64 // steps beyond, a second, of all the pack's handlers together
	Burst int64 // of those, in a burst
}

func (p SharePolicy) withDefaults() SharePolicy {
	return SharePolicy{cmp.Or(p.Free, shareFree), cmp.Or(p.Rate, shareRate), cmp.Or(p.Burst, shareBurst)}
}

// newShare returns a full share; nil if the policy is.
func newShare(policy *SharePolicy, coolOff time.Duration) *share {
	if policy == nil {
		return nil
	}
	return &share{policy: policy.withDefaults(), coolOff: coolOff}
}

// share is what a pack version has left of its share. The shards have it in
// common; a nil share is without end.
type share struct {
	policy  SharePolicy
	coolOff time.Duration // how long something is suspended
	some    atomic.Bool   // something is: with nothing, as nearly always, no lock is taken to ask

	mu    sync.Mutex
	clock suspensionClock
	left  int64
	at    time.Time            // when left was that much
	drawn map[ruleInChat]int64 // since the share was full; at most shareDrawers

	// What is suspended until when: fewer than shareCulprits rules in chats, fewer
	// than shareGroups chats and rules, and the pack.
	culprits map[ruleInChat]time.Time
	chats    map[string]time.Time
	rules    map[int]time.Time
	pack     time.Time // zero: it is not
}

// overdraw is what is suspended because a pack took more than its share.
type overdraw struct {
	scope SuspensionScope
	rule  int    // by index; -1: all of the pack's
	chat  string // of OneChat
	until time.Time
}

// draws reports whether a run that took steps counts against the pack's share.
func (p *Pack) draws(steps int64) bool {
	return p.share != nil && steps > cmp.Or(p.share.Free, shareFree)
}

// clone returns a copy, which can be changed without changing the share.
func (s *share) clone() *share {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &share{
		policy: s.policy, coolOff: s.coolOff, clock: s.clock, left: s.left, at: s.at, drawn: maps.Clone(s.drawn),
		culprits: maps.Clone(s.culprits), chats: maps.Clone(s.chats), rules: maps.Clone(s.rules), pack: s.pack,
	}
	c.some.Store(s.some.Load())
	return c
}

// look returns whether a rule may run on an event of a chat now.
func (s *share) look(rule int, chat string, now time.Time) admission {
	if s == nil || !s.some.Load() {
		return runs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case now.Before(s.pack), now.Before(s.chats[chat]):
		return packSuspended
	case now.Before(s.rules[rule]), now.Before(s.culprits[ruleInChat{rule, chat}]):
		return suspended
	}
	return runs
}

// seen notes that an event met a suspension at a time. If the clock was set back
// since the one before, nothing is suspended for longer than from now.
func (s *share) seen(now time.Time) {
	if s == nil || !s.some.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.clock.setBack(now) {
		return
	}
	latest := now.Add(s.coolOff)
	s.pack = earlier(s.pack, latest)
	notAfter(s.culprits, latest)
	notAfter(s.chats, latest)
	notAfter(s.rules, latest)
}

func notAfter[K comparable](m map[K]time.Time, latest time.Time) {
	for key, until := range m {
		m[key] = earlier(until, latest)
	}
}

// spend takes the steps of one handler off. It returns what was suspended because
// of them, which need not be the handler's rule; nil: nothing.
func (s *share) spend(rule int, chat string, steps int64, now time.Time) *overdraw {
	if s == nil || steps <= s.policy.Free {
		return nil
	}
	beyond := steps - s.policy.Free
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refill(now)
	by := ruleInChat{rule, chat}
	if _, known := s.drawn[by]; !known && len(s.drawn) >= shareDrawers {
		clear(s.drawn)
	}
	s.drawn[by] += beyond
	if s.left -= beyond; s.left > 0 {
		return nil
	}
	for other, n := range s.drawn {
		if order := cmp.Compare(n, s.drawn[by]); order > 0 || order == 0 && by != (ruleInChat{rule, chat}) && before(other, by) {
			by = other
		}
	}
	s.left = min(max(s.left, 0)+s.drawn[by], s.policy.Burst)
	delete(s.drawn, by)
	s.expire(now)
	s.some.Store(true)
	s.clock.setBack(now)
	return s.suspend(by, now.Add(s.coolOff))
}

// before orders what drew the same, so that the same events suspend the same.
func before(a, b ruleInChat) bool {
	return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.chat, b.chat)) < 0
}

// refill adds what has come to the share since it was looked at last. The clock of
// an event stands while its handlers run, and other shards are ahead of it: only
// time that nobody has seen yet counts.
func (s *share) refill(now time.Time) {
	passed := now.Sub(s.at)
	switch {
	case s.at.IsZero():
		s.left, s.at = s.policy.Burst, now
	case passed > 0:
		s.left = min(s.policy.Burst, s.left+int64(min(passed.Seconds(), 60)*float64(s.policy.Rate)))
		s.at = now
	case passed < -clockSetBack:
		s.at = now
	}
	if s.left == s.policy.Burst || s.drawn == nil {
		s.drawn = map[ruleInChat]int64{}
	}
}

// clockSetBack is how far behind an event can't be: its clock was set back.
const clockSetBack = 10 * time.Minute

// suspend suspends a rule in a chat, or what it has in common with others that
// are.
func (s *share) suspend(by ruleInChat, until time.Time) *overdraw {
	if _, out := s.rules[by.rule]; out || !s.chats[by.chat].IsZero() || !s.pack.IsZero() {
		return nil // it ran on one shard while another suspended it
	}
	s.culprits[by] = until
	o := &overdraw{scope: scopeOf(by.chat), rule: by.rule, chat: by.chat, until: until}
	if len(s.culprits) < shareCulprits {
		return o
	}
	sameRule, sameChat := true, true
	for other := range s.culprits {
		sameRule = sameRule && other.rule == by.rule
		sameChat = sameChat && other.chat == by.chat
	}
	groups := len(s.rules) + len(s.chats) + 1
	switch {
	case sameRule && groups < shareGroups:
		clear(s.culprits)
		s.rules[by.rule] = until
		o.scope, o.chat = AllChats, ""
	case sameChat && groups < shareGroups:
		clear(s.culprits)
		s.chats[by.chat] = until
		o.rule = -1
	default:
		clear(s.culprits)
		clear(s.rules)
		clear(s.chats)
		s.pack, s.left = until, s.policy.Burst // for when it may run again
		o.scope, o.rule, o.chat = AllChats, -1, ""
	}
	return o
}

// expire forgets what is not suspended any more. It is called with mu held.
func (s *share) expire(now time.Time) {
	if s.culprits == nil {
		s.culprits, s.chats, s.rules = map[ruleInChat]time.Time{}, map[string]time.Time{}, map[int]time.Time{}
	}
	maps.DeleteFunc(s.culprits, func(_ ruleInChat, until time.Time) bool { return !now.Before(until) })
	maps.DeleteFunc(s.chats, func(_ string, until time.Time) bool { return !now.Before(until) })
	maps.DeleteFunc(s.rules, func(_ int, until time.Time) bool { return !now.Before(until) })
	if !now.Before(s.pack) {
		s.pack = time.Time{}
	}
}

// suspension returns the suspension that keeps a rule from running on an event of a chat.
func (s *share) suspension(rule int, chat string, now time.Time) (of RuleSuspension, ok bool) {
	if s == nil || !s.some.Load() {
		return of, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of = RuleSuspension{Scope: AllChats, Why: WhyShare}
	switch {
	case now.Before(s.pack):
		of.Until = s.pack
	case now.Before(s.rules[rule]):
		of.Until = s.rules[rule]
	case now.Before(s.chats[chat]):
		of.Scope, of.Until = scopeOf(chat), s.chats[chat]
	case now.Before(s.culprits[ruleInChat{rule, chat}]):
		of.Scope, of.Until = scopeOf(chat), s.culprits[ruleInChat{rule, chat}]
	default:
		return of, false
	}
	of.since = of.Until.Add(-s.coolOff)
	return of, true
}

// suspended lists what is suspended of a pack's rules: what concerns all chats
// first.
func (s *share) suspended(rules []*Rule, now time.Time) (list []RuleSuspension) {
	if s == nil || !s.some.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	add := func(scope SuspensionScope, rule, chat string, until time.Time) {
		if !now.Before(until) {
			return
		}
		list = append(list, RuleSuspension{Rule: rule, Scope: scope, Chat: chat, Until: until.UTC(), Why: WhyShare})
	}
	add(AllChats, "", "", s.pack)
	for rule, until := range s.rules {
		add(AllChats, rules[rule].Name, "", until)
	}
	for chat, until := range s.chats {
		add(scopeOf(chat), "", chat, until)
	}
	for by, until := range s.culprits {
		add(scopeOf(by.chat), rules[by.rule].Name, by.chat, until)
	}
	slices.SortFunc(list, compareSuspensions)
	return list
}

// WhyShare is why a rule is suspended that did not fail.
const WhyShare = "it took more than its share of the machine"

// ShareWords is the share, for people.
func ShareWords() string {
	return fmt.Sprintf("handlers of a pack that take more than %s VM steps each may take %s beyond that a second, in bursts of up to %s",
		thousandsOf(shareFree), thousandsOf(shareRate), thousandsOf(shareBurst))
}

// thousandsOf is a number for people: "5,000,000".
func thousandsOf(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
