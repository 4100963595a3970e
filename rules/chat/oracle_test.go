package chat

import "fmt"

// oracle works out from the events alone, without the machine, of which message
// a read speaks. It knows one chat.
type oracle struct {
	order  map[string]int64          // message id → the event that brought it first
	newest int64                     // event of the newest message; 0: none
	fresh  int64                     // newest event that can be unread; 0: none
	seen   map[int64]map[string]bool // event of a message → packs of which a rule ran on it
	speaks map[ActionID]int64        // read → event of the newest message it speaks for
	read   int64                     // what was journaled up to here is read; 0: nothing is
	brings bool                      // the event at hand brought its message
	vague  bool                      // it is run again, and brought one that was there
	unsure map[ActionID]bool         // reads asked by such: taken as of their event, or later
}

func newOracle() oracle {
	return oracle{order: map[string]int64{}, seen: map[int64]map[string]bool{}, speaks: map[ActionID]int64{}, unsure: map[ActionID]bool{}}
}

// handled notes an event that is about to be handled, once more if again.
func (o *oracle) handled(in Handled, again bool) {
	message := int64(0) // event of the message it is about
	first := in.Message // it brings the message first
	if first = first && !again; first && in.MessageID != "" {
		_, known := o.order[in.MessageID]
		first = !known
	}
	switch {
	case first:
		message, o.newest, o.fresh = in.Seq, in.Seq, in.Seq
		if in.MessageID != "" {
			o.order[in.MessageID] = in.Seq
		}
	case in.Message || in.Legacy:
		if at, known := o.order[in.MessageID]; known && in.MessageID != "" {
			message = at
		} else if again && in.Message {
			message = in.Seq
		} else if in.Legacy && !again {
			if in.MessageID != "" {
				o.order[in.MessageID] = 0 // known, by a lead_reply alone
			}
			if o.newest == 0 {
				o.fresh = in.Seq
			}
		}
	case in.New && !again:
		o.fresh = in.Seq
	}
	if message > 0 {
		if o.seen[message] == nil {
			o.seen[message] = map[string]bool{}
		}
		for _, pack := range in.Saw {
			o.seen[message][pack] = true
		}
	}
	o.brings = first || again && o.brought(in)
	o.vague = again && in.Message && !o.brings
}

// brought reports whether an event brought its message first.
func (o *oracle) brought(in Handled) bool {
	return in.Message && (in.MessageID == "" || o.order[in.MessageID] == in.Seq)
}

// asked notes of which message the reads speak that an event has asked for.
func (o *oracle) asked(in Handled, actions []Action) {
	for i := range actions {
		if a := &actions[i]; a.Kind == Read && a.ID.Seq == in.Seq && a.ID.N >= in.FirstN {
			o.speaks[a.ID] = o.about(in, o.brings, a.Pack)
			o.unsure[a.ID] = o.vague
		}
	}
}

// about is the newest message that a read asked by an event speaks for.
func (o *oracle) about(in Handled, brings bool, pack string) int64 {
	if brings {
		return in.Seq
	}
	newest := int64(0)
	for message, packs := range o.seen {
		if packs[pack] {
			newest = max(newest, message)
		}
	}
	return newest
}

// called says what is wrong with a read call, "" if nothing is: of the message
// that is newest and not read, one of its reads must speak, or none cares.
func (o *oracle) called(c *Call) string {
	if o.read > 0 && o.fresh <= o.read {
		return fmt.Sprintf("a read with nothing new since %d", o.read)
	}
	if o.newest <= o.read {
		return ""
	}
	all := true
	for i := range c.Actions {
		if o.speaks[c.Actions[i].ID] >= o.newest {
			return ""
		}
		all = all && c.Actions[i].EvenIfNewer
	}
	if all {
		return ""
	}
	return fmt.Sprintf("a read covers message %d, of which none of its reads speaks", o.newest)
}

// succeeded notes a call that Chert confirmed.
func (o *oracle) succeeded(c *Call) {
	if c.Kind == Read {
		o.read = max(o.read, c.Wire)
	}
}

// settled says what is wrong with how a read was settled: one that speaks for
// the newest message is not superseded, and none is read before anything came.
func (o *oracle) settled(a *Action) string {
	if a.Kind != Read || a.Why != WhySuperseded {
		return ""
	}
	switch {
	case a.EvenIfNewer:
		return "superseded, though even_if_newer"
	case o.speaks[a.ID] >= o.newest && !o.unsure[a.ID]:
		return fmt.Sprintf("superseded, though it speaks for the newest message, %d", o.newest)
	}
	return ""
}
