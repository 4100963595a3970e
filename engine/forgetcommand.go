package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/engine/wait"
	"chertd/luabind/diag"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	// forgetWait is how long events of a chat that are not handled yet may delay a command
	// that forgets it, and forgetEvery how often it looks.
	forgetWait  = 10 * time.Second
	forgetEvery = 50 * time.Millisecond
	// scrubFor is how long the files may be overwritten within one command. The client
	// waits two minutes in all.
	scrubFor = 80 * time.Second
	// eraseTogether is how many events are erased in one transaction.
	eraseTogether = 64
)

// Forget implements control.Daemon.
func (m *manager) Forget(ctx context.Context, in control.ForgetRequest) (control.Forgotten, error) {
	if in.Line != "" {
		return m.forgetLine(ctx, in)
	}
	in.Who = strings.TrimSpace(in.Who)
	if in.Who == "" {
		return control.Forgotten{}, &control.UserError{Message: "who is to be forgotten is missing", Hint: "give the id of a chat, a phone number or an email address"}
	}
	if since, _ := m.eng.Gap(); !since.IsZero() {
		return control.Forgotten{}, &control.UserError{
			Status: http.StatusConflict, Message: "missed events are still being read from Chert's events log: some may be of this chat or person",
			Hint: "repeat the command once chertd status shows that the log is read",
		}
	}
	t, err := m.find(ctx, in.Who)
	if err != nil {
		if e := (*control.UserError)(nil); !in.DryRun && errors.As(err, &e) && e.Status == http.StatusNotFound {
			// An earlier command may have ended before it had overwritten what it removed.
			if scrubbed := m.scrub(ctx); scrubbed != nil {
				e.Message += fmt.Sprintf("; unused parts of the store's files may still have traces: %v", scrubbed)
			}
		}
		return control.Forgotten{}, err
	}
	if err := m.keepMissed(ctx, t); err != nil {
		return control.Forgotten{}, err
	}
	f := control.Forgotten{Who: in.Who, Handle: t.handle, DryRun: in.DryRun, Chats: slices.Clip(t.chats), Groups: t.groups, Kept: t.kept, KV: []control.KVMention{}}
	for _, list := range []*[]string{&f.Chats, &f.Groups} {
		if *list == nil {
			*list = []string{}
		}
	}
	// Texts are erased last: a command that is repeated because this one did not end finds the person by
	// them.
	var texts []int64
	for _, id := range t.chats {
		if in.DryRun {
			err = m.wouldForget(ctx, id, in.Holds, &f)
		} else {
			var seqs []int64
			seqs, err = m.forgetOne(ctx, id, in.Holds, &f)
			texts = append(texts, seqs...)
		}
		if err != nil {
			return control.Forgotten{}, err
		}
	}
	if err := m.forgetOwn(ctx, t, in.DryRun, &f); err != nil {
		return control.Forgotten{}, err
	}
	if err := m.forgetNotices(ctx, t, in.DryRun, &f); err != nil {
		return control.Forgotten{}, err
	}
	if err := m.forgetElsewhere(ctx, t, in, &f); err != nil {
		return control.Forgotten{}, err
	}
	if in.DryRun {
		return f, nil
	}
	if err := m.erase(ctx, append(texts, t.own...), &f); err != nil {
		return control.Forgotten{}, err
	}
	m.blocking.forget()
	if err := m.scrub(ctx); err != nil {
		f.Remains = fmt.Sprintf("unused parts of the store's files may still have traces: %v", err)
	}
	// Not who: the log would remember them.
	m.log.Info("forgotten by command", "chats", len(f.Chats), "events", f.Events, "states", f.States, "dropped", f.Dropped, "quarantined", f.Quarantined, "lists", f.Lists, "kv", len(f.KV), "scrubbed", f.Remains == "")
	return f, nil
}

// scrub overwrites what was removed in the store's files.
func (m *manager) scrub(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, scrubFor)
	defer cancel()
	return m.store.Scrub(ctx)
}

// forgetLine forgets that mark-read was not available on a phone line.
func (m *manager) forgetLine(ctx context.Context, in control.ForgetRequest) (control.Forgotten, error) {
	f := control.Forgotten{Line: in.Line, DryRun: in.DryRun, Chats: []string{}, Groups: []string{}, KV: []control.KVMention{}}
	if in.Who != "" {
		return f, &control.UserError{Message: "either a chat or person, or a line", Hint: "forget them one after another"}
	}
	m.eng.lines.load(ctx)
	if names := m.eng.lines.names(); !slices.Contains(names, in.Line) {
		hint := "chertd status lists the lines on which it was not"
		if near := diag.Suggest(in.Line, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return f, &control.UserError{Status: http.StatusNotFound, Message: fmt.Sprintf("mark-read is available on line %q, as far as chertd knows", in.Line), Hint: hint}
	}
	if in.DryRun {
		return f, nil
	}
	_, err := m.eng.lines.forget(ctx, in.Line)
	return f, err
}

// forgetOne forgets a chat, once its events are handled. It returns the events whose texts are to be
// erased.
func (m *manager) forgetOne(ctx context.Context, id string, holds bool, f *control.Forgotten) ([]int64, error) {
	x := &forgetting{holds: holds}
	for began := m.eng.c.Now(); ; {
		*x = forgetting{holds: holds}
		if err := m.eng.apply(ctx, request{chat: id, forget: x}); err != nil {
			return nil, err
		}
		if !x.pending {
			break
		}
		if m.eng.c.Now().Sub(began) > forgetWait || !wait.For(ctx, forgetEvery) {
			return nil, &control.UserError{
				Status: http.StatusConflict, Message: fmt.Sprintf("events of chat %q are not handled yet", id),
				Hint: "repeat the command once chertd status shows no pending events; what is done is not done twice",
			}
		}
	}
	f.States += x.states
	f.Dropped += x.dropped
	f.Timers += x.timers
	f.Missed += x.missed
	switch {
	case !x.held.IsZero():
		f.Held = append(f.Held, id)
	case x.released:
		f.Released = append(f.Released, id)
	}
	if x.inFlight {
		f.InFlight = append(f.InFlight, id)
	}
	return m.eventsOf(ctx, id)
}

// erase erases the texts of events.
func (m *manager) erase(ctx context.Context, seqs []int64, f *control.Forgotten) error {
	for some := range slices.Chunk(seqs, eraseTogether) {
		n, err := m.store.EraseTexts(ctx, some)
		f.Events += n
		if err != nil {
			return err
		}
	}
	return nil
}

// wouldForget counts what forgetOne would remove.
func (m *manager) wouldForget(ctx context.Context, id string, holds bool, f *control.Forgotten) error {
	packs, err := m.store.StatePacks(ctx, id)
	if err != nil {
		return err
	}
	f.States += len(packs)
	chats, err := m.store.Chats(ctx, []string{id})
	if err != nil {
		return err
	}
	open, err := m.store.Actions(ctx, store.ActionFilter{Chat: id, Status: []chat.Status{chat.Waiting, chat.Sent, chat.Blocked, chat.Dead}, Limit: maxForgotten})
	if err != nil {
		return err
	}
	f.Dropped += len(open)
	f.Timers += len(chats[0].Timers)
	switch {
	case !chats[0].Hold.Active(m.eng.c.Now()):
	case holds:
		f.Released = append(f.Released, id)
	default:
		f.Held = append(f.Held, id)
	}
	missed, err := m.eng.missedOf(ctx, store.Shard{Of: 1}, id)
	f.Missed += len(missed)
	if err != nil {
		return err
	}
	seqs, err := m.eventsOf(ctx, id)
	f.Events += len(seqs)
	return err
}

// forgetElsewhere removes what names the traces outside of chats.
func (m *manager) forgetElsewhere(ctx context.Context, t *traces, in control.ForgetRequest, f *control.Forgotten) error {
	ids, err := m.findQuarantined(ctx, t)
	if err != nil {
		return err
	}
	f.Quarantined = len(ids)
	if f.Lists, err = m.forgetLists(ctx, t, in.DryRun); err != nil {
		return err
	}
	if !in.DryRun {
		if err := m.store.DropQuarantined(ctx, ids); err != nil {
			return err
		}
	}
	entries, err := m.findKV(ctx, t)
	if err != nil {
		return err
	}
	for i := range entries {
		f.KV = append(f.KV, control.KVMention{Pack: entries[i].Pack, Key: entries[i].Key})
	}
	if !in.KV || in.DryRun || len(entries) == 0 {
		return nil
	}
	f.KVRemoved = true
	return m.store.Commit(ctx, []turn.Transition{{Writes: entries}})
}
