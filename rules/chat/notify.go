package chat

import (
	"fmt"
	"strings"

	"golang.org/x/time/rate"
)

// notifyPrefix begins the ids of the chats that have the notifications of a target. Chert's chats
// have UUIDs.
const notifyPrefix = "notify:"

// maxNotifications is how many notifications of a target wait at most. A target that was down for
// a while would deliver more of them too late to be of use, and a chat is in memory as a whole. Those
// beyond are dead: they are listed, and can be retried.
const maxNotifications = 1000

// NewNotifyLimit returns how fast one target may be notified, from now on: one a second beyond a burst
// of ten. Incoming webhooks of chat tools take one a second and short bursts. The limit has no clock
// of its own: the daemon waits for it, and a spec's time is virtual.
func NewNotifyLimit() *rate.Limiter { return rate.NewLimiter(1, 10) }

// NotifyChat returns the chat that has the notifications of a target. Chert does not know this chat:
// its events carry requests alone. So notifications of one target go out one at a time, in the order
// requested, and outlive a crash, like the calls of any chat.
func NotifyChat(target string) string { return notifyPrefix + target }

// NotifyTarget returns the target whose notifications a chat has; ok is false for all other chats.
func NotifyTarget(chat string) (target string, ok bool) { return strings.CutPrefix(chat, notifyPrefix) }

func backlogError(chat string) string {
	target, _ := NotifyTarget(chat)
	return fmt.Sprintf("%d notifications wait for target %q already", maxNotifications, target)
}
