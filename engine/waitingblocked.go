package engine

import (
	"context"
	"slices"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/rules/chat"
)

// blockedReads returns the blocked reads that a filter chooses, at most control.WaitingExamined of the
// newest, with their chats, which must not be changed. They wait in no chat: a pack that might have
// vetoed them has missed their events.
func (m *manager) blockedReads(ctx context.Context, f *waitingFilter) (reads []chat.Action, chats map[string]*chat.Chat, err error) {
	if f.waits != "" && f.waits != waitBlocked || f.kind != "" && f.kind != string(chat.Read) {
		return nil, nil, nil
	}
	all, err := m.store.Actions(ctx, store.ActionFilter{Status: []chat.Status{chat.Blocked}, Chat: f.chat, Pack: f.pack, Limit: control.WaitingExamined})
	if err != nil || len(all) == 0 {
		return nil, nil, err
	}
	var ids []string
	for i := range all {
		ids = append(ids, all[i].Chat)
	}
	if chats, err = m.eng.chatsByID(ctx, ids); err != nil {
		return nil, nil, err
	}
	now := m.eng.c.Now()
	for i := range all {
		if a := &all[i]; f.chooses(chats[a.Chat], a, a.Due, now) {
			reads = append(reads, *a)
		}
	}
	return reads, chats, nil
}

// addBlocked takes in blocked reads.
func (l *waitingList) addBlocked(reads []chat.Action, chats map[string]*chat.Chat) {
	seen := map[string]bool{}
	for i := range reads {
		a := &reads[i]
		l.found(chats[a.Chat], a, a.Due, &waitReason{For: waitBlocked})
		seen[a.Chat] = true
	}
	l.out.Chats += int64(len(seen))
	l.out.Examined += int64(len(seen))
	l.cut()
}

// changeBlocked cancels the blocked reads that the filter chooses. They can't be made due: the pack
// decides.
func (x *waitingChange) changeBlocked(ctx context.Context) error {
	reads, _, err := x.m.blockedReads(ctx, &x.f)
	if err != nil {
		return err
	}
	if x.hurry {
		x.out.Matched += int64(len(reads))
		x.out.Changed += int64(len(reads))
		return nil
	}
	of := map[string][]chat.ActionID{}
	for i := range reads {
		of[reads[i].Chat] = append(of[reads[i].Chat], reads[i].ID)
	}
	x.out.Matched += int64(len(reads))
	var ids []string
	for id := range of {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return eachChat(ctx, len(ids), func(ctx context.Context, i int) error { return x.unblock(ctx, ids[i], of[ids[i]]) })
}

// unblock cancels some blocked reads of a chat, which may be blocked no more.
func (x *waitingChange) unblock(ctx context.Context, id string, chosen []chat.ActionID) error {
	var done int64
	moved := func(_ *chat.Chat, actions []chat.Action) {
		done = 0
		for i := range actions {
			if a := &actions[i]; a.Why == chat.WhyUnqueued && slices.Contains(chosen, a.ID) {
				done++
			}
		}
	}
	if err := x.m.eng.apply(ctx, request{chat: id, input: x.input(chosen), moved: moved}); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.out.Done += done
	x.out.Changed += int64(len(chosen)) - done
	return nil
}
