package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/engine/wait"
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
		seqs, err := m.noticesOf(ctx, id, t, dryRun)
		if err != nil {
			return err
		}
		if err := m.forgetActions(ctx, id, seqs, dryRun, f); err != nil {
			return err
		}
		if dryRun {
			f.Events += len(seqs)
		} else if err := m.erase(ctx, seqs, f); err != nil {
			return err
		}
	}
	return nil
}

// noticesOf lists the events of a target that carry notifications about the traces, once all of them
// are handled.
func (m *manager) noticesOf(ctx context.Context, target string, t *traces, dryRun bool) ([]int64, error) {
	for began := m.eng.c.Now(); ; {
		var seqs []int64
		pending := false
		for before := int64(0); ; {
			page, err := m.store.Events(ctx, target, before, findPage)
			if err != nil {
				return nil, err
			}
			if len(page) == 0 {
				break
			}
			for i := range page {
				r := &page[i]
				before = r.Seq
				if r.Forward == nil || !t.caused(r.Cause, r.Forward.Request.Body) {
					continue
				}
				if r.Decision == nil {
					pending = true
				} else {
					seqs = append(seqs, r.Seq)
				}
			}
		}
		if !pending || dryRun {
			return seqs, nil
		}
		if m.eng.c.Now().Sub(began) > forgetWait || !wait.For(ctx, forgetEvery) {
			return nil, &control.UserError{
				Status: http.StatusConflict, Message: fmt.Sprintf("notifications for target %q are not handled yet", strings.TrimPrefix(target, chat.NotifyChat(""))),
				Hint: "repeat the command once chertd status shows no pending events; what is done is not done twice",
			}
		}
	}
}

// forgetOwn forgets what rules requested in groups on the person's own messages there. The reads
// stay, as they are those of the others as well.
func (m *manager) forgetOwn(ctx context.Context, t *traces, dryRun bool, f *control.Forgotten) error {
	for _, group := range t.groups {
		if err := m.forgetActions(ctx, group, t.own, dryRun, f); err != nil {
			return err
		}
	}
	if dryRun {
		f.Events += len(t.own)
	}
	return nil
}

// forgetActions forgets what events have requested in a chat and has not ended. It looks again, as
// calls that are in flight may end meanwhile.
func (m *manager) forgetActions(ctx context.Context, id string, seqs []int64, dryRun bool, f *control.Forgotten) error {
	if len(seqs) == 0 {
		return nil
	}
	of, dropped := map[int64]bool{}, map[chat.ActionID]bool{}
	for _, seq := range seqs {
		of[seq] = true
	}
	for range forgetTries {
		open, err := m.store.Actions(ctx, store.ActionFilter{Chat: id, Status: []chat.Status{chat.Waiting, chat.Sent, chat.Blocked, chat.Dead}, Limit: maxForgotten})
		if err != nil {
			return err
		}
		in := chat.Forget{Only: []chat.ActionID{}}
		for i := range open {
			a := &open[i]
			switch {
			case !of[a.ID.Seq] || a.Kind == chat.Read && a.Status != chat.Dead && a.Reason == "" && a.Error == "":
				continue
			case a.Status == chat.Dead:
				in.Dead = append(in.Dead, *a)
			default:
				in.Only = append(in.Only, a.ID)
			}
			if a.Kind != chat.Read || a.Status == chat.Dead {
				dropped[a.ID] = true
			}
		}
		if len(in.Only)+len(in.Dead) == 0 || dryRun {
			break
		}
		if err := m.eng.Apply(ctx, id, in); err != nil {
			return err
		}
	}
	f.Dropped += len(dropped)
	return nil
}

// forgetTries is how often forgetActions looks at most.
const forgetTries = 10

// caused reports whether a notification was requested on an event of the traces: by the sequence of
// that event, or the chat that the notification names.
func (t *traces) caused(seq int64, body json.RawMessage) bool {
	var n rules.Notification
	if json.Unmarshal(body, &n) == nil && n.Event.Chat != "" && slices.Contains(t.chats, n.Event.Chat) {
		return true
	}
	return slices.Contains(t.own, seq)
}
