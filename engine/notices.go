package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"chertd/engine/control"
	"chertd/engine/dispatch"
	"chertd/engine/notify"
	"chertd/engine/store"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// notices carry out notifications. They have a queue and a dispatcher of their own: a target that
// hangs delays no call to Chert, and neither a pause of the calls nor an outage of Chert delays a
// notification. Each target is a chat (chat.NotifyChat) and a line of its own.
type notices struct {
	calls *dispatch.Dispatcher
	due   *dispatch.Queue

	mu      sync.Mutex
	failing map[string]noticeFailure // by target
}

// noticeFailure is since when the notifications of a target fail.
type noticeFailure struct {
	since time.Time
	err   string // of the last attempt
}

// newNotices returns the notices of an engine.
func newNotices(e *Engine) *notices {
	n := &notices{
		due:     dispatch.NewQueue(dueOf{e.c.Store, true}, e.group, 0),
		failing: map[string]noticeFailure{},
	}
	caller := e.c.Notify
	if caller == nil {
		caller = notify.New(e.c.Now) // without targets
	}
	n.calls = dispatch.New(dispatch.Config{
		Chats: e, Caller: caller, Queue: n.due, Governor: dispatch.NewGovernor(0, 1),
		Concurrency: notify.MaxTargets,
		Now:         e.c.Now, Jitter: e.c.Jitter, Log: e.c.Log,
		Able: e.c.Store.Healthy, Awake: e.awake,
		Observe: func(a dispatch.Attempt) {
			n.ended(e, &a)
			e.observe(Observation{Attempt: &a})
		},
	})
	return n
}

// ended notes an attempt, and logs when the notifications of a target begin to fail or succeed
// again.
func (n *notices) ended(e *Engine, a *dispatch.Attempt) {
	target, ok := chat.NotifyTarget(a.Call.Chat)
	if !ok || a.Err != nil && a.Err.Local {
		return
	}
	n.mu.Lock()
	was, failed := n.failing[target]
	if a.Err == nil {
		delete(n.failing, target)
	} else {
		since := a.Ended
		if failed {
			since = was.since
		}
		n.failing[target] = noticeFailure{since, a.Err.Error()}
	}
	n.mu.Unlock()
	switch {
	case a.Err != nil && !failed:
		hint := "check notify." + target + " in chertd.yaml, and the service behind it; chertd dead list shows what was refused"
		e.c.Log.WarnContext(aboutActions(a.Call.Actions...), "notification failed", keyTarget, target, keyError, a.Err.Error(), "retried", a.Err.Retryable, "hint", hint)
	case a.Err == nil && failed:
		e.c.Log.Info("notifications succeed again", keyTarget, target, "failed_since", was.since.UTC().Format(time.RFC3339))
	}
}

// lastFailure returns since when the notifications of a target fail, and the last error; ok is false
// if they do not.
func (n *notices) lastFailure(target string) (f noticeFailure, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f, ok = n.failing[target]
	return f, ok
}

// dueOf are the calls that are due: those of the targets of notifications, or all others.
type dueOf struct {
	store   store.Store
	notices bool
}

// CallLines implements dispatch.Calls.
func (d dueOf) CallLines(ctx context.Context, from string, limit int) (lines []string, err error) {
	first := chat.NotifyChat("")         // the least line of a target
	behind := first[:len(first)-1] + ";" // more than the greatest: ';' follows ':'
	ours := func(line string) bool { return strings.HasPrefix(line, first) == d.notices }
	if d.notices {
		from = max(from, first)
	}
	for {
		found, err := d.store.CallLines(ctx, from, limit-len(lines))
		if err != nil {
			return nil, err
		}
		all := len(found) < limit-len(lines)
		for _, line := range found {
			if ours(line) {
				lines = append(lines, line)
			}
		}
		if all || len(lines) == limit {
			return lines, nil
		}
		last := found[len(found)-1]
		switch {
		case ours(last):
			from = last + "\x00"
		case d.notices:
			return lines, nil
		default:
			from = behind
		}
	}
}

// CallsDue implements dispatch.Calls.
func (d dueOf) CallsDue(ctx context.Context, line string, after store.Due, limit int) ([]store.Due, error) {
	return d.store.CallsDue(ctx, line, after, limit)
}

// isNotice reports whether a chat has notifications.
func isNotice(id string) bool { _, ok := chat.NotifyTarget(id); return ok }

// queueOf returns the queue of a line.
func (e *Engine) queueOf(line string) *dispatch.Queue {
	if isNotice(line) {
		return e.notices.due
	}
	return e.callsDue
}

// group returns the group of a chat: chats of one shard are asked through its goroutine.
func (e *Engine) group(id string) int { return e.shardOf(id).part.Index }

// notes returns notes about targets whose notifications fail, and the errors that they quote: a target's
// answer may quote a notification.
func (n *notices) notes(names []string) (notes, quoted []string) {
	for _, name := range names {
		if f, ok := n.lastFailure(name); ok {
			notes = append(notes, fmt.Sprintf("notifications to %s have failed since %s: %s", diag.Visible(name), f.since.UTC().Format(time.RFC3339), f.err))
			quoted = append(quoted, f.err)
		}
	}
	return notes, quoted
}

// targets returns the targets of notifications, and those that the configuration lost while
// notifications wait for them; nil if there are none.
func (m *manager) targets(ctx context.Context) (all []control.NotifyTarget, err error) {
	ids, err := m.store.NoticeChats(ctx)
	if err != nil {
		return nil, err
	}
	names := m.sender.Names()
	for _, name := range names {
		ids = append(ids, chat.NotifyChat(name))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 0 {
		return nil, nil
	}
	chats, err := m.store.Chats(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		name, _ := chat.NotifyTarget(id)
		t := control.NotifyTarget{Target: name, Waiting: len(chats[i].Waiting), Removed: !slices.Contains(names, name)}
		if t.Removed && t.Waiting == 0 {
			continue
		}
		f, _ := m.eng.notices.lastFailure(name)
		t.FailingSince, t.Error = f.since, f.err
		if t.Removed {
			t.Hint = fmt.Sprintf("add notify.%s to chertd.yaml again and run chertd reload --settings, or they are refused at their next attempt; chertd waiting cancel --where chat=%s drops them", name, id)
		}
		all = append(all, t)
	}
	return all, nil
}
