package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"chertd/rules/chat"
)

// noticesLooked is how many notifications of a target are looked up at a start, the newest, in
// addition to those that wait: more than a target gets in the time of its burst.
const noticesLooked = 50

// noticeTries are the attempts of notifications of a target that the store has.
type noticeTries struct {
	failed    []chat.Attempt
	succeeded []time.Time
}

// restoreNotices restores what the process before knew of the targets of notifications: since when
// they fail, and how much of their burst is used. The daemon works without it.
func (m *manager) restoreNotices(ctx context.Context) {
	ids, err := m.store.NoticeChats(ctx)
	if err != nil {
		m.log.Warn("could not look up the last notifications; status does not show since when they failed", keyError, err)
	}
	for _, id := range ids {
		tries, err := m.noticeTries(ctx, id)
		if err != nil {
			m.log.Warn("could not look up the last notifications; status does not show since when they failed", keyChat, id, keyError, err)
			continue
		}
		target, _ := chat.NotifyTarget(id)
		m.sender.Resume(target, tries.times())
		if f, ok := tries.failure(); ok {
			m.eng.notices.restore(target, f)
		}
	}
}

// noticeTries returns the last attempts of notifications of a target, by its chat.
func (m *manager) noticeTries(ctx context.Context, id string) (tries noticeTries, err error) {
	records, err := m.store.Events(ctx, id, 0, noticesLooked)
	if err != nil {
		return tries, err
	}
	chats, err := m.store.Chats(ctx, []string{id})
	if err != nil {
		return tries, err
	}
	actions := chats[0].Waiting
	for i := range records {
		actions = append(actions, records[i].Actions...)
	}
	var failed []chat.ActionID
	for i := range actions {
		a := &actions[i]
		if a.Status == chat.Done {
			tries.succeeded = append(tries.succeeded, a.Ended)
		}
		if a.Attempts > 0 && !slices.Contains(failed, a.ID) {
			failed = append(failed, a.ID)
		}
	}
	tries.failed, err = m.store.Attempts(ctx, failed)
	return tries, err
}

// times returns when attempts ended, in order.
func (t *noticeTries) times() []time.Time {
	all := slices.Clone(t.succeeded)
	for i := range t.failed {
		all = append(all, t.failed[i].At)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// failure returns since when all attempts fail, and the error of the last one; ok is false if the
// last one succeeded, or there was none.
func (t *noticeTries) failure() (f noticeFailure, ok bool) {
	var succeeded, last time.Time
	for _, at := range t.succeeded {
		if at.After(succeeded) {
			succeeded = at
		}
	}
	for i := range t.failed {
		x := &t.failed[i]
		if !x.At.After(succeeded) {
			continue
		}
		if f.since.IsZero() || x.At.Before(f.since) {
			f.since = x.At
		}
		if !x.At.Before(last) {
			last, f.err = x.At, cmp.Or(x.Error, "its error is not kept any more")
		}
	}
	return f, !f.since.IsZero()
}

// restore notes that the notifications of a target failed before the start.
func (n *notices) restore(target string, f noticeFailure) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.failing[target] = f
}
