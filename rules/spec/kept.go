package spec

import (
	"fmt"
	"strings"

	"chertd/luabind"
)

// checkKeptUnread is kept_unread([chat]): the pack has vetoed reads of the
// chat's newest message, so that no other pack's goes out either. A pack that is
// there to veto has no read of its own that could show it.
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
		_, v.hint, _ = strings.Cut(t.whyNotAsked(id), ": ") // which rules did not run, and why
	}
	return v
}
