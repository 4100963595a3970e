package rules

import (
	linked "container/list"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// SuspendPolicy says when a rule that keeps failing is suspended: first for the
// chat in which it does, so that one sender can't stop it for all others, then
// for all chats; after a while one event probes whether it works again. Zero
// fields take the defaults.
type SuspendPolicy struct {
	After   int           // failures in a row in one chat; default 20; negative: never
	Chats   int           // different chats in which it failed, with no success in any between; default 10, or After if that is less
	CoolOff time.Duration // until the probe; default 1 m
}

const (
	defaultSuspendAfter = 20
	defaultSuspendChats = 10
	defaultSuspendFor   = time.Minute
)

// SkippedSuspended stands in Outcome.Skipped of a rule that is suspended. Its event
// is recorded as failed, to be run again once the rule works.
const SkippedSuspended = "suspended"

// recordedSuspended is how many rules of a pack that are suspended an event records.
// They stand for all of them: 200 lines for each event kept the store from
// everyone else's.
const recordedSuspended = 8

// maxFailingChats is of how many chats a pack's rules are known to fail in. Of
// more, those in which none has failed for longest are forgotten.
const maxFailingChats = 1024

// health is how the rules of one pack version have fared lately. The shards
// share it; it is lost with the process. Events
// without a chat count as those of one chat.
type health struct {
	policy SuspendPolicy
	// failing is how many entries there are: with none, as nearly always, a
	// rule runs and succeeds without the lock.
	failing atomic.Int32

	mu    sync.Mutex
	clock suspensionClock
	rules map[int]*ruleHealth // by index: their last run failed, in whatever chat
	chats map[ruleInChat]*chatHealth
	order linked.List // of the keys of chats, that which failed last at the end
}

type ruleInChat struct {
	rule int
	chat string // "": events without one
}

type ruleHealth struct {
	chats []string  // it has failed in since it last succeeded, at most SuspendPolicy.Chats
	until time.Time // suspended for all chats until then; zero: it is not
	since time.Time // when that began
}

type chatHealth struct {
	failures int       // in a row
	until    time.Time // suspended for this chat until then; zero: it is not
	since    time.Time // when that began
	place    *linked.Element
}

func newHealth(policy SuspendPolicy) *health {
	return &health{policy: policy, rules: map[int]*ruleHealth{}, chats: map[ruleInChat]*chatHealth{}}
}

// look returns whether a rule may run on an event of a chat now. The first event
// that comes when the time is over is the probe. A chat for which the rule is
// suspended itself probes for all chats only when no other has come for a while: it
// would most likely fail, and keep the rule from everyone else.
func (h *health) look(rule int, chat string, now time.Time) admission {
	if h.failing.Load() == 0 {
		return runs
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c, r := h.chats[ruleInChat{rule, chat}], h.rules[rule]
	inChat, inAll := c != nil && !c.until.IsZero(), r != nil && !r.until.IsZero()
	switch {
	case !inChat && !inAll:
		return runs
	case inChat && now.Before(c.until):
		return suspended
	case inAll && (now.Before(r.until) || inChat && now.Before(r.until.Add(h.policy.CoolOff))):
		return suspended
	}
	return probes
}

// probed notes that a rule was probed in a chat: until it is known how that ended, it
// is suspended again.
func (h *health) probed(rule int, chat string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	until := now.Add(h.policy.CoolOff)
	if c := h.chats[ruleInChat{rule, chat}]; c != nil && !c.until.IsZero() {
		c.until = until
	}
	if r := h.rules[rule]; r != nil && !r.until.IsZero() {
		r.until = until
	}
}

// seen notes that an event met a suspension at a time. If the clock was set back
// since the one before, nothing is suspended for longer than from now.
func (h *health) seen(now time.Time) {
	if h.failing.Load() == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.clock.setBack(now) {
		return
	}
	latest := now.Add(h.policy.CoolOff)
	for _, c := range h.chats {
		c.until = earlier(c.until, latest)
	}
	for _, r := range h.rules {
		r.until = earlier(r.until, latest)
	}
}

// ended notes how a run ended. If the rule is suspended by it, it returns until when
// and for which events; scope is "" if it is not.
func (h *health) ended(rule int, chat string, failed bool, now time.Time) (until time.Time, scope SuspensionScope) {
	if h.policy.After < 0 || !failed && h.failing.Load() == 0 {
		return time.Time{}, ""
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.failing.Store(int32(len(h.rules) + len(h.chats))) }()
	key := ruleInChat{rule, chat}
	if !failed {
		delete(h.rules, rule)
		h.forget(key)
		return time.Time{}, ""
	}
	h.clock.setBack(now)
	until = now.Add(h.policy.CoolOff)
	c := h.chats[key]
	if c == nil {
		c = &chatHealth{place: h.order.PushBack(key)}
		h.chats[key] = c
		if len(h.chats) > maxFailingChats {
			h.forget(h.order.Front().Value.(ruleInChat))
		}
	}
	h.order.MoveToBack(c.place)
	if c.failures++; c.failures >= h.policy.After {
		if c.until.IsZero() {
			c.since = now
		}
		c.until = until
		scope = scopeOf(chat)
	}
	r := h.rules[rule]
	if r == nil {
		r = &ruleHealth{}
		h.rules[rule] = r
	}
	if len(r.chats) < h.policy.Chats && !slices.Contains(r.chats, chat) {
		r.chats = append(r.chats, chat)
	}
	if len(r.chats) >= h.policy.Chats {
		if r.until.IsZero() {
			r.since = now
		}
		r.until = until
		scope = AllChats
	}
	return until, scope
}

// suspension returns the suspension that keeps a rule from running on an event of a chat.
func (h *health) suspension(rule int, chat string, now time.Time) (s RuleSuspension, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c, r := h.chats[ruleInChat{rule, chat}], h.rules[rule]
	switch {
	case r != nil && !r.until.IsZero() && (now.Before(r.until) || c == nil || c.until.IsZero()):
		return RuleSuspension{Scope: AllChats, Until: r.until, Why: WhyFails, since: r.since}, true
	case c != nil && !c.until.IsZero():
		return RuleSuspension{Scope: scopeOf(chat), Chat: chat, Until: c.until, Why: WhyFails, since: c.since}, true
	}
	return s, false
}

// forget drops what is known of a rule in a chat. It is called with mu held.
func (h *health) forget(key ruleInChat) {
	if c := h.chats[key]; c != nil {
		h.order.Remove(c.place)
		delete(h.chats, key)
	}
}

// suspended lists what is suspended of a pack's rules: first those that are for
// all chats, then the others by rule and chat.
func (h *health) suspended(rules []*Rule) (list []RuleSuspension) {
	if h.failing.Load() == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, r := range h.rules {
		if !r.until.IsZero() {
			list = append(list, RuleSuspension{Rule: rules[i].Name, Scope: AllChats, Until: r.until.UTC(), Why: WhyFails})
		}
	}
	for key, c := range h.chats {
		if !c.until.IsZero() {
			list = append(list, RuleSuspension{Rule: rules[key.rule].Name, Scope: scopeOf(key.chat), Chat: key.chat, Until: c.until.UTC(), Why: WhyFails})
		}
	}
	slices.SortFunc(list, compareSuspensions)
	return list
}

// withDefaults fills in what is not given.
func (s SuspendPolicy) withDefaults() SuspendPolicy {
	if s.After == 0 {
		s.After = defaultSuspendAfter
	}
	if s.Chats <= 0 {
		s.Chats = max(2, min(defaultSuspendChats, s.After))
	}
	if s.CoolOff <= 0 {
		s.CoolOff = defaultSuspendFor
	}
	return s
}
