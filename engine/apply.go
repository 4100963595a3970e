package engine

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"chertd/engine/control"
	"chertd/engine/wait"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

const (
	// maxBatchName is the maximum length of the name of a batch of applied reads, in bytes.
	maxBatchName = 40
	// maxApplyText is the maximum length of each text of an applied read, in bytes: a rule's
	// reason has 500 and an ellipsis.
	maxApplyText = 512
)

// Apply implements control.Daemon.
func (m *manager) Apply(ctx context.Context, in control.ApplyRequest) (control.ApplyResult, error) {
	out := control.ApplyResult{Batch: in.Batch}
	if err := checkAuthor(in.By, in.Reason); err != nil {
		return out, err
	}
	if err := checkApply(&in); err != nil {
		return out, err
	}
	batch := appliedBatch{m: m, in: &in, reads: make([]appliedRead, len(in.Reads))}
	if err := batch.look(ctx); err != nil {
		return out, err
	}
	if !in.DryRun {
		if err := batch.request(ctx); err != nil {
			return out, err
		}
	} else if err := batch.try(ctx); err != nil {
		return out, err
	}
	for i := range batch.reads {
		out.Reads = append(out.Reads, batch.reads[i].now)
	}
	status := m.eng.Status()
	out.Waits = m.noCalls(&status)
	return out, nil
}

// checkApply refuses a malformed request.
func checkApply(in *control.ApplyRequest) error {
	refuse := func(message, hint string) error { return &control.UserError{Message: message, Hint: hint} }
	if !isBatchName(in.Batch) {
		return refuse(fmt.Sprintf("batch: %.60q is not a name of a batch", in.Batch), fmt.Sprintf("up to %d letters, digits and hyphens, the same in each request of the batch", maxBatchName))
	}
	if n := len(in.Reads); n == 0 || n > control.MaxApplied {
		return refuse(fmt.Sprintf("reads: a request has 1 to %d of them, and this one has %d", control.MaxApplied, n), "send several requests with the same batch")
	}
	for i := range in.Reads {
		r := &in.Reads[i]
		for _, text := range []struct {
			name, value string
			required    bool
		}{{"chat", r.Chat, true}, {"event", r.Event, true}, {"rule", r.Rule, true}, {"place", r.Place, true}, {"version", r.Version, true}, {"reason", r.Reason, false}} {
			switch name := fmt.Sprintf("reads[%d].%s", i, text.name); {
			case text.required && text.value == "":
				return refuse(name+": it is missing", "each read has a chat, an event, a rule, a place and a version")
			case len(text.value) > maxApplyText || !utf8.ValidString(text.value):
				return refuse(fmt.Sprintf("%s: it is longer than %d bytes, or not UTF-8", name, maxApplyText), "chertd apply sends what the rules have")
			}
		}
		if is := chat.Condition(r.OnlyIf); is != "" && is != chat.IfAnswered && is != chat.IfUnanswered {
			return refuse(fmt.Sprintf("reads[%d].only_if: %.40q is unknown", i, r.OnlyIf), fmt.Sprintf("it is %q or %q, or left out", chat.IfAnswered, chat.IfUnanswered))
		}
		if err := notNotice(r.Chat); err != nil {
			return err
		}
	}
	return nil
}

func isBatchName(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxBatchName
}

// appliedBatch is the reads of one POST apply.
type appliedBatch struct {
	m     *manager
	in    *control.ApplyRequest
	reads []appliedRead
}

// appliedRead is one of them.
type appliedRead struct {
	chat  *chat.Chat    // as it is
	entry *turn.Arrival // that requests it; nil: none does
	now   control.AppliedNow
}

// look finds the events and chats of the reads, and makes their entries. A read of a chat that is
// read already up to its event needs none.
func (b *appliedBatch) look(ctx context.Context) error {
	var ids []string
	for i := range b.in.Reads {
		ids = append(ids, b.in.Reads[i].Chat)
	}
	chats, err := b.m.eng.chatsByID(ctx, ids)
	if err != nil {
		return err
	}
	now := b.m.eng.c.Now()
	for i := range b.in.Reads {
		in, r := &b.in.Reads[i], &b.reads[i]
		r.chat, r.now.Chat = chats[in.Chat], in.Chat
		of, ok, err := b.m.store.Event(ctx, in.Event)
		switch {
		case err != nil:
			return err
		case !ok || of.Event.ChatID() != in.Chat || of.Forward != nil:
			r.now.Status, r.now.Why = string(chat.Dropped), control.WhyNoEvent
			continue
		case of.Seq <= r.chat.ReadThrough:
			r.now.Status, r.now.Why = string(chat.Dropped), chat.WhyAlreadyRead
			continue
		}
		x := &turn.Applied{
			Batch: b.in.Batch, Rule: in.Rule, Place: in.Place, Version: in.Version, Reason: in.Reason,
			Covers: of.Seq, Message: of.Event.InboundMessage() || of.Event.LegacyReply(), Due: in.Due, OnlyIf: chat.Condition(in.OnlyIf),
		}
		read := turn.OperatorRead{Chat: in.Chat, ID: x.ID(), By: b.in.By, Reason: b.in.Reason, Applied: x}
		entry := read.Entry(now)
		r.entry = &entry
	}
	return nil
}

// try computes what would become of the reads.
func (b *appliedBatch) try(ctx context.Context) error {
	seq := b.m.store.LastSeq()
	for i := range b.reads {
		r := &b.reads[i]
		if r.entry == nil {
			continue
		}
		if before, ok, err := b.m.store.Event(ctx, r.entry.Event.ID); err != nil {
			return err
		} else if ok {
			r.now.Event, r.now.Again = before.Event.ID, true
			r.became(before.Seq, before.Actions)
			continue
		}
		seq++
		t := turn.Turn{Now: b.m.eng.c.Now(), Chat: r.chat, Holds: b.m.eng.held.now()}
		d, err := t.Handle(ctx, &turn.Entry{Seq: seq, Arrival: *r.entry})
		if err != nil {
			return err
		}
		r.became(seq, d.Actions)
		// A hold drops a read that is due when the chat moves next.
		next, effects := chat.Step(*d.Chat, chat.Sweep{}, t.Now, t.Holds...)
		r.became(seq, effects.Actions)
		for i := range next.Waiting {
			if next.Waiting[i].ID.Seq == seq {
				r.now.For = string(next.Waits(i, t.Now, t.Holds...).For)
			}
		}
	}
	return nil
}

// request journals the entries, and waits a while for what becomes of their reads.
func (b *appliedBatch) request(ctx context.Context) error {
	var arrivals []turn.Arrival
	var of []*appliedRead
	for i := range b.reads {
		if r := &b.reads[i]; r.entry != nil {
			arrivals, of = append(arrivals, *r.entry), append(of, r)
		}
	}
	if len(arrivals) == 0 {
		return nil
	}
	receipts, err := b.m.eng.Ingest(ctx, arrivals)
	if err != nil {
		return notTakenIn("the reads were not requested", "repeat the request in a minute", err)
	}
	var last int64
	again := 0
	for i, receipt := range receipts {
		of[i].now.Event, of[i].now.Again = arrivals[i].Event.ID, receipt.Duplicate
		last = max(last, receipt.Seq)
		if receipt.Duplicate {
			again++
		}
	}
	b.m.log.Info("reads applied by command", "batch", b.in.Batch, "by", b.in.By, keyReason, b.in.Reason,
		"requested", len(arrivals)-again, "again", again, "not_requested", len(b.reads)-len(arrivals))
	for began := time.Now(); b.m.eng.handledThrough() < last && time.Since(began) < readWait; {
		if !wait.For(ctx, readEvery) {
			break
		}
	}
	for i, receipt := range receipts {
		r, ok, err := b.m.store.EventBySeq(ctx, receipt.Seq)
		if err != nil {
			return err
		}
		if ok && r.Decision != nil {
			of[i].became(receipt.Seq, r.Actions)
		}
	}
	return nil
}

// became notes the state of the read that an entry has requested.
func (r *appliedRead) became(seq int64, actions []chat.Action) {
	at := slices.IndexFunc(actions, func(a chat.Action) bool { return a.ID.Seq == seq })
	if at < 0 {
		return
	}
	a := &actions[at]
	r.now.Status, r.now.Why, r.now.EndedBy = string(a.Status), a.Why, a.EndedBy.By
	if a.Status == chat.Waiting {
		r.now.Due = a.Due
	}
}
