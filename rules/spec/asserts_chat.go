package spec

import (
	"fmt"
	"strings"

	"chertd/luabind"
	"chertd/rules/chat"
)

func checkRead(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_read")
	v := t.readVerdict(id)
	v.message = message
	return v
}

func checkUnread(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_unread")
	v := t.readVerdict(id)
	return verdict{holds: !v.holds, failure: v.opposed, hint: v.hintNot, opposed: v.failure, hintNot: v.hint, message: message}
}

func (t *trial) readVerdict(id string) verdict {
	v := verdict{
		holds:   t.world.Read(id),
		failure: fmt.Sprintf("expected chat %s to be read, it is unread", id),
		opposed: fmt.Sprintf("expected chat %s to be unread, it is read", id),
	}
	if v.holds {
		v.hintNot = t.whyRead(id)
	} else {
		v.hint = t.whyUnread(id)
	}
	return v
}

func checkHeld(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_held")
	c, _ := t.world.Chat(id)
	v := verdict{
		holds:   c.Hold.Active(t.world.Now()),
		failure: fmt.Sprintf("expected chat %s to be held, it is not", id),
		opposed: fmt.Sprintf("expected chat %s not to be held, it is until %s", id, t.stamp(c.Hold.Until)),
		hintNot: fmt.Sprintf("by %s%s", c.Hold.By, because(c.Hold.Reason)),
		message: message,
	}
	if !c.Hold.Until.IsZero() {
		v.hint = fmt.Sprintf("the hold by %s ended at %s", c.Hold.By, t.stamp(c.Hold.Until))
	}
	return v
}

// checkKeptUnread is kept_unread([chat]): the pack has vetoed reads of the chat's newest
// message, those of other packs included. A pack that only vetoes has no read of its
// own that could show it.
func checkKeptUnread(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_kept_unread")
	c, _ := t.world.Chat(id)
	v := verdict{
		holds:   c.Veto > 0 && c.Veto >= t.world.newest(id),
		failure: fmt.Sprintf("expected chat %s to be kept unread, no rule has vetoed reads of its newest message", id),
		opposed: fmt.Sprintf("expected chat %s not to be kept unread, a rule has vetoed reads of its newest message", id),
		message: message,
	}
	switch {
	case v.holds:
	case c.Veto > 0:
		v.hint = "an earlier message was vetoed; to keep a chat unread for longer use chert.hold"
	default:
		_, v.hint, _ = strings.Cut(t.whyNotRequested(id), ": ") // which rules did not run, and why
	}
	return v
}

// checkPostponed is postponed([chat]): reads of the chat wait, whichever pack requests
// them. It also holds if no rule of the pack requests a read.
func checkPostponed(t *trial, u *luabind.HostCall) verdict {
	id, message := t.assertedChat(u, "is_postponed")
	c, _ := t.world.Chat(id)
	p, ok := c.Postponement(t.world.Now())
	return verdict{
		holds:   ok,
		failure: fmt.Sprintf("expected reads of chat %s to be postponed, they are not", id),
		hint:    t.lastPostponed(id),
		opposed: fmt.Sprintf("expected reads of chat %s not to be postponed, they are until %s", id, t.stamp(p.Until)),
		hintNot: fmt.Sprintf("by %s%s", p.By(), because(p.Reason)),
		message: message,
	}
}

// lastPostponed returns until when the rules last postponed reads of a chat; "" if they
// never did.
func (t *trial) lastPostponed(id string) string {
	for i := len(t.world.log) - 1; i >= 0; i-- {
		for _, rule := range t.world.log[i].Rules {
			for _, w := range rule.Requests {
				if w.Kind == chat.RequestPostpone && w.Chat == id && !w.Shadow {
					return fmt.Sprintf("%q postponed them until %s", rule.Rule, t.stamp(w.Due))
				}
			}
		}
	}
	return ""
}
