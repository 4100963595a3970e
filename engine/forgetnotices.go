package engine

import (
	"context"
	"encoding/json"
	"slices"

	"chertd/engine/control"
	"chertd/rules"
	"chertd/rules/chat"
)

// forgetNotices forgets the notifications that rules requested on events of the chats and on the
// messages of the traces. Those that wait are dropped. What a target has received is out of reach.
func (m *manager) forgetNotices(ctx context.Context, t *traces, dryRun bool, f *control.Forgotten) error {
	targets, err := m.store.NoticeChats(ctx)
	if err != nil {
		return err
	}
	for _, id := range targets {
		var seqs []int64
		in := chat.Forget{Only: []chat.ActionID{}}
		for before := int64(0); ; {
			page, err := m.store.Events(ctx, id, before, findPage)
			if err != nil {
				return err
			}
			for i := range page {
				r := &page[i]
				before = r.Seq
				if r.Forward == nil || r.Decision == nil || !t.caused(r.Cause, r.Forward.Request.Body) {
					continue
				}
				seqs = append(seqs, r.Seq)
				for _, a := range r.Actions {
					switch a.Status {
					case chat.Waiting:
						in.Only = append(in.Only, a.ID)
					case chat.Dead:
						in.Dead = append(in.Dead, a)
					}
				}
			}
			if len(page) == 0 {
				break
			}
		}
		f.Dropped += len(in.Only) + len(in.Dead)
		if dryRun {
			f.Events += len(seqs)
			continue
		}
		if len(in.Only)+len(in.Dead) > 0 {
			if err := m.eng.Apply(ctx, id, in); err != nil {
				return err
			}
		}
		if err := m.erase(ctx, seqs, f); err != nil {
			return err
		}
	}
	return nil
}

// caused reports whether a notification was requested on an event of the traces: by the sequence of
// that event, or the chat that the notification names.
func (t *traces) caused(seq int64, body json.RawMessage) bool {
	var n rules.Notification
	if json.Unmarshal(body, &n) == nil && n.Event.Chat != "" && slices.Contains(t.chats, n.Event.Chat) {
		return true
	}
	return slices.Contains(t.own, seq)
}
