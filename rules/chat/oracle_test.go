package chat

import (
	"fmt"
	"slices"
	"time"
)

// oracle finds out from the events alone, without the machine, which messages a read
// covers. It knows one chat.
type oracle struct {
	messages []*knownMessage
	last     *knownMessage              // the newest of those that came as message.received; nil: none did
	asker    *knownMessage              // the message of the event at hand; nil: it is about none that is known
	fresh    int64                      // newest event that can be unread; 0: none
	covers   map[ActionID]*knownMessage // read → newest message that it covers
	loose    map[ActionID]bool          // reads that no message requested: they also cover newer ones that their pack sees
	packs    map[ActionID]string
	since    map[ActionID]int64 // read → first event whose veto concerns it
	veto     int64              // newest event that vetoed
	read     int64              // what was journaled up to here is read; 0: nothing is
	vague    bool               // the event at hand is run again, and brought one that was there
	unsure   map[ActionID]bool  // reads requested by such an event: judged as of it, or later
	waits    []wait             // what was postponed
}

// wait is a postponement: no read goes out until a time, unless the event that requested
// it is read.
type wait struct {
	seq   int64
	until time.Time
	pack  string
}

// knownMessage is a message that events brought.
type knownMessage struct {
	ids, texts []string
	came       int64           // the first event that brought it
	sent       time.Time       // zero: unknown
	received   bool            // as message.received
	saw        map[string]bool // packs of which a rule ran on such an event; false: when it was run again
}

func newOracle() oracle {
	return oracle{covers: map[ActionID]*knownMessage{}, since: map[ActionID]int64{}, loose: map[ActionID]bool{}, packs: map[ActionID]string{}, unsure: map[ActionID]bool{}}
}

// find returns the message that an event brings again; nil if it is new.
func (o *oracle) find(in Outcomes) *knownMessage {
	for _, m := range slices.Backward(o.messages) {
		if m.matches(in) {
			return m
		}
	}
	return nil
}

// matches reports whether an event brings the message. A lead_reply with an id does not
// match by its text.
func (m *knownMessage) matches(in Outcomes) bool {
	common := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
	}
	byText := in.Legacy && len(in.IDs) == 0 || in.Message && !m.received && len(m.ids) == 0
	return m.came == in.Seq || common(m.ids, in.IDs) || byText && common(m.texts, in.Texts)
}

// merge makes one message of those that lead_replies brought under one id each, once
// an event has the ids of all of them.
func (o *oracle) merge(m *knownMessage, in Outcomes) {
	o.messages = slices.DeleteFunc(o.messages, func(other *knownMessage) bool {
		if other == m || other.received || !other.matches(in) {
			return false
		}
		m.came = min(m.came, other.came)
		m.ids, m.texts = append(m.ids, other.ids...), append(m.texts, other.texts...)
		for pack, saw := range other.saw {
			m.saw[pack] = m.saw[pack] || saw
		}
		for id, about := range o.covers {
			if about == other {
				o.covers[id] = m
			}
		}
		return true
	})
}

// receive notes that a message came as message.received. It is the newest unless one that came
// since, or one that was sent later, is, or it was read before.
func (o *oracle) receive(m *knownMessage, in Outcomes) {
	m.received, m.sent = true, in.Sent
	o.fresh = max(o.fresh, m.came)
	read := m.came < in.Seq && m.came <= o.read
	if o.last == nil || m.came > o.last.came && !m.sent.Before(o.last.sent) && !read {
		o.last = m
	}
}

// late reports whether a message is older than the newest one: it came before, or was sent before.
func (o *oracle) late(m *knownMessage) bool {
	return o.last != nil && (m.came < o.last.came || o.delayed(m))
}

// delayed reports whether a message came after the newest one, and was sent before it.
func (o *oracle) delayed(m *knownMessage) bool {
	return o.last != nil && m.came > o.last.came && m.sent.Before(o.last.sent)
}

// replaced notes the reads of late messages that replaced others of their rules in a step: they
// cover the newest message if one of those did. A read of an event from before the newest message,
// which is run again, does not.
func (o *oracle) replaced(actions []Action) {
	for i := range actions {
		a := &actions[i]
		if about := o.covers[a.ID]; a.Kind != Read || a.Status != Waiting || about == nil || !o.late(about) || a.ID.Seq < o.last.came {
			continue
		}
		for j := range actions {
			if b := &actions[j]; b.Why == WhyReplaced && b.RuleKey() == a.RuleKey() && o.isNewest(o.now(b.ID)) {
				o.covers[a.ID] = o.last
			}
		}
	}
}

// isNewest reports whether a read that covers a message covers the newest one.
func (o *oracle) isNewest(m *knownMessage) bool { return m != nil && !o.late(m) }

// handled notes an event that is about to be handled, for a second time if again.
func (o *oracle) handled(in Outcomes, again bool) {
	o.asker, o.vague = nil, false
	for _, w := range in.Requests {
		if !w.Shadow && (w.Kind == RequestKeepUnread || w.Kind == RequestHold) {
			o.veto = max(o.veto, in.Seq)
		}
		if !w.Shadow && w.Kind == RequestPostpone {
			o.waits = append(o.waits, wait{in.Seq, w.Due, w.Pack})
		}
	}
	if !in.Message && !in.Legacy {
		if in.New && !again {
			o.fresh = in.Seq
		}
		return
	}
	m := o.find(in)
	if m == nil {
		if again {
			return
		}
		if in.Legacy && o.last == nil {
			o.fresh = in.Seq
		}
		m = &knownMessage{came: in.Seq, sent: in.Sent, saw: map[string]bool{}}
		o.messages = append(o.messages, m)
	}
	if in.Message && !again && !m.received {
		o.merge(m, in)
		o.receive(m, in)
	}
	m.ids, m.texts = append(m.ids, in.IDs...), append(m.texts, in.Texts...)
	o.asker = m
	o.vague = again && in.Message && m.came != in.Seq
	for _, pack := range in.RanPacks {
		m.saw[pack] = m.saw[pack] || !again
	}
}

// asked notes which message the reads cover that an event has requested.
func (o *oracle) asked(in Outcomes, actions []Action) {
	for i := range actions {
		if a := &actions[i]; a.Kind == Read && a.ID.Seq == in.Seq && a.ID.N >= in.FirstN {
			about := o.about(in, a)
			o.covers[a.ID], o.packs[a.ID] = about, a.Pack
			o.loose[a.ID] = !in.Message && !in.Legacy && !in.New
			o.since[a.ID] = in.Seq
			if own := in.New || in.Legacy; !own && about != nil && about.received {
				o.since[a.ID] = min(about.came, in.Seq)
			}
			early := about != nil && !about.received && about.came != in.Seq // it knows it by a later lead_reply
			o.unsure[a.ID] = o.vague || early && (!in.First.IsZero() || !about.saw[a.Pack])
		}
	}
}

// about returns the newest message that a read of the event at hand covers: the one that
// the event brought, if it did so first or the message is older than the newest, or else the newest its pack has seen, or with even_if_newer
// the newest of all.
func (o *oracle) about(in Outcomes, a *Action) *knownMessage {
	about := o.asker
	if about != nil && (about.came == in.Seq && in.Message || o.late(about)) {
		return about
	}
	for _, m := range o.messages {
		if _, saw := m.saw[a.Pack]; (saw || a.EvenIfNewer && m.received) && !o.delayed(m) && (about == nil || m.came > about.came) {
			about = m
		}
	}
	return about
}

// now returns the newest message that a read covers by now.
func (o *oracle) now(id ActionID) *knownMessage {
	about := o.covers[id]
	for _, m := range o.messages {
		if _, saw := m.saw[o.packs[id]]; o.loose[id] && saw && m.received && !o.delayed(m) && (about == nil || m.came > about.came) {
			about = m
		}
	}
	return about
}

// off notes that a pack is switched off, which ends its postponements. Those of a version
// stay.
func (o *oracle) off(in Cancel) {
	if in.Rules == nil && in.Version == "" {
		o.waits = slices.DeleteFunc(o.waits, func(w wait) bool { return w.pack == in.Pack })
	}
}

// waiting returns until when reads of the chat wait; zero: they don't.
func (o *oracle) waiting() (until time.Time) {
	if o.read > 0 && o.fresh <= o.read {
		return time.Time{} // there is nothing to read
	}
	for _, w := range o.waits {
		if w.seq > o.read && w.until.After(until) {
			until = w.until
		}
	}
	return until
}

// called returns what is wrong with a read call, "" if nothing is: one of its reads must
// cover the newest unread message, or all have even_if_newer.
func (o *oracle) called(c *Call, now time.Time) string {
	if until := o.waiting(); until.After(now) {
		return fmt.Sprintf("a read that was postponed until %s", until)
	}
	if o.read > 0 && o.fresh <= o.read {
		return fmt.Sprintf("a read with nothing new since %d", o.read)
	}
	for i := range c.Actions {
		if a := &c.Actions[i]; o.since[a.ID] <= o.veto {
			return fmt.Sprintf("read %s goes out over the veto of event %d", a.ID, o.veto)
		}
	}
	newest := o.last
	if newest == nil || newest.came <= o.read {
		return ""
	}
	if first := &c.Actions[0]; !first.EvenIfNewer {
		if _, saw := newest.saw[first.Pack]; !saw {
			return fmt.Sprintf("read %s causes the call, and no rule of its pack saw message %d", first.ID, newest.came)
		}
	}
	all := true
	for i := range c.Actions {
		if o.isNewest(o.now(c.Actions[i].ID)) {
			return ""
		}
		all = all && c.Actions[i].EvenIfNewer
	}
	if all {
		return ""
	}
	return fmt.Sprintf("the call reads message %d, which none of its reads covers", newest.came)
}

// succeeded notes a call that Chert confirmed.
func (o *oracle) succeeded(c *Call) {
	if c.Kind == Read {
		o.read = max(o.read, c.SentSeq)
	}
}

// doubt notes the reads that were settled while their message had come as a lead_reply
// alone: if they are revived, it is unknown whether they cover it.
func (o *oracle) doubt(rows map[ActionID]Action) {
	for id, m := range o.covers {
		a := rows[id]
		if m != nil && !m.received && final(a) {
			o.unsure[id] = true
		}
	}
}

// settled returns what is wrong with the end of a read, "" if nothing is: a read that
// covers the newest message must not be superseded, nor a waiting read by a message that
// is read.
func (o *oracle) settled(a *Action, waited bool) string {
	if a.Kind != Read || a.Why != WhySuperseded {
		return ""
	}
	newest, about := o.last, o.now(a.ID)
	switch {
	case waited && newest != nil && newest.came <= o.read:
		return fmt.Sprintf("superseded, though the newest message, %d, is read", newest.came)
	case a.EvenIfNewer:
		return "superseded, though even_if_newer"
	case about != nil && about == o.asker && a.Covers < about.came:
		// It was settled before the machine looked at the event at hand, whose message
		// only a lead_reply had brought.
	case about != nil && about.received && o.isNewest(about) && !o.unsure[a.ID]:
		return fmt.Sprintf("superseded, though it covers the newest message, %d", newest.came)
	}
	return ""
}
