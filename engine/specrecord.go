package engine

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/luabind"
	"chertd/rules/chat"
	"chertd/rules/spec"
)

const (
	// recordPage is how many events of a chat are read at a time.
	recordPage = 50
	// recordBytes bounds the texts in an answer.
	recordBytes = 4 << 20
)

// RecordChat implements control.Daemon.
func (m *manager) RecordChat(ctx context.Context, q control.RecordQuery) (spec.Recording, error) {
	r := spec.Recording{Chat: q.Chat, Taken: m.eng.c.Now()}
	since, err := recordedSince(q.Since, r.Taken)
	if err != nil {
		return r, err
	}
	if err := m.checkChat(ctx, q.Chat, false, ""); err != nil {
		return r, err
	}
	records, err := m.recordsOf(ctx, q.Chat, since)
	if err != nil {
		return r, err
	}
	r.Events, r.Earlier = []spec.RecordedEvent{}, records.more
	for i := range records.list {
		rec := &records.list[i]
		ids := make([]chat.ActionID, len(rec.Actions))
		for n := range rec.Actions {
			ids[n] = rec.Actions[n].ID
		}
		var attempts []chat.Attempt
		if len(ids) > 0 {
			if attempts, err = m.store.Attempts(ctx, ids); err != nil {
				return r, err
			}
		}
		r.AddLists(rec.Decision, m.eng.Lists())
		r.Events = append(r.Events, spec.RecordedOf(&rec.Entry, rec.Decision, rec.Actions, attempts))
	}
	r.FindMembers(m.eng.Lists(), m.memberReader().Member)
	chats, err := m.store.Chats(ctx, []string{q.Chat})
	if err != nil {
		return r, err
	}
	if h := chats[0].Hold; !h.Until.IsZero() {
		r.Hold = &spec.RecordedHold{By: h.By, Until: h.Until}
	}
	if q.Pack == "" || q.Version == "" {
		return r, nil
	}
	kept, ok, err := m.store.Version(ctx, q.Pack, q.Version)
	if err != nil || !ok {
		return r, err
	}
	for _, f := range kept.Files {
		r.Files = append(r.Files, spec.RecordedFile{Name: f.Name, Kind: string(f.Kind), Content: f.Bytes})
	}
	return r, nil
}

// recordedSince returns the time that a query means; zero: none.
func recordedSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	d, err := luabind.ParseDuration(text)
	if err != nil {
		return time.Time{}, &control.UserError{Message: "since: " + err.Error(), Hint: "for example 2h or 1d, or a time such as 2026-01-05T12:00:00Z"}
	}
	return now.Add(-d), nil
}

// recordedEvents are records of a chat, the oldest first.
type recordedEvents struct {
	list []store.Record
	more bool // there are older ones, or were
}

// recordsOf reads the newest records of a chat that were received since a time.
func (m *manager) recordsOf(ctx context.Context, chatID string, since time.Time) (out recordedEvents, err error) {
	before, size := int64(0), 0
	for len(out.list) < control.MaxRecorded && !out.more {
		page, err := m.store.Events(ctx, chatID, before, recordPage)
		if err != nil {
			return out, fmt.Errorf("read the events of chat %s: %w", chatID, err)
		}
		for i := range page {
			rec := &page[i]
			size += len(rec.Event.Text) + len(rec.Event.Payload)
			if rec.Received.Before(since) || len(out.list) > 0 && size > recordBytes {
				out.more = true
				break
			}
			rec.Event.Raw = rec.Event.Raw[:min(len(rec.Event.Raw), 1)] // whether there is one
			out.list = append(out.list, *rec)
			before = rec.Seq
		}
		if len(page) < recordPage {
			break
		}
	}
	if len(out.list) == 0 && out.more {
		return out, &control.UserError{
			Status: http.StatusNotFound, Message: fmt.Sprintf("chat %s has no event since %s", chatID, since.UTC().Format(time.RFC3339)),
			Hint: "take a longer --since",
		}
	}
	slices.SortFunc(out.list, func(a, b store.Record) int { return cmp.Compare(a.Seq, b.Seq) })
	if n := len(out.list); n > control.MaxRecorded {
		out.list, out.more = out.list[n-control.MaxRecorded:], true
	}
	if n := len(out.list); n > 0 && !out.more {
		d := out.list[0].Decision
		out.more = d != nil && d.Prev > 0 || n == control.MaxRecorded
	}
	return out, nil
}
