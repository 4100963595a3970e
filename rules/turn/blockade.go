package turn

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"chertd/rules/chat"
)

// Blockade is what blocks reads of a chat, and which reads.
type Blockade struct {
	Key   string        // the chat
	Rows  []Missed      // with CanVeto, by sequence
	Reads []chat.Action // that are blocked, by id
}

// Apply applies the changes of a transition.
func (b *Blockade) Apply(t *Transition) {
	for _, id := range t.Made {
		b.drop(id)
	}
	for _, row := range t.Missed {
		if row.Key != b.Key {
			continue
		}
		if b.drop(row.ID()); row.CanVeto {
			b.Rows = append(b.Rows, row)
		}
	}
	slices.SortFunc(b.Rows, func(a, b Missed) int { return cmp.Or(cmp.Compare(a.Seq, b.Seq), cmp.Compare(a.Pack, b.Pack)) })
	for _, a := range t.Actions {
		if a.Chat != b.Key || a.Kind != chat.Read {
			continue
		}
		b.Reads = slices.DeleteFunc(b.Reads, func(b chat.Action) bool { return a.ID == b.ID })
		if a.Status == chat.Blocked {
			b.Reads = append(b.Reads, a)
		}
	}
}

func (b *Blockade) drop(id MissedID) {
	b.Rows = slices.DeleteFunc(b.Rows, func(m Missed) bool { return m.ID() == id })
}

// missing returns the rows as input of the chat's machine.
func (b *Blockade) missing() (m chat.Missed) {
	for i := range b.Rows {
		row := &b.Rows[i]
		m.Through = max(m.Through, row.Seq)
		if until := row.At.Add(chat.MissedFor); row.CanHold && until.After(m.HoldUntil) {
			m.HoldUntil = until
		}
	}
	return m
}

// missedBy lists the packs that may still veto an event, by its sequence.
func (b *Blockade) missedBy(seq int64) (packs []string) {
	for i := range b.Rows {
		if b.Rows[i].Seq == seq {
			packs = append(packs, b.Rows[i].Pack)
		}
	}
	return packs
}

// known ends what an event of another chat, which a pack has made up for, has
// blocked here. Revive is to follow, on Done.Chat.
func (t *Turn) known(ctx context.Context, e *Entry, d *Done) error {
	b, err := t.Blocks.Blockade(ctx, t.Chat.ID)
	if err != nil {
		return err
	}
	pack := e.Forward.Known
	d.Decision.Note = fmt.Sprintf("pack %q no longer blocks reads because of event %d: it ran on it, or is not live", pack, e.Cause)
	for i := range b.Rows {
		if m := &b.Rows[i]; m.Pack == pack && m.Cause == e.Cause {
			d.Made = append(d.Made, m.ID())
		}
	}
	return nil
}

// Revive makes reads of the chat that are no longer blocked wait again. ok is false if
// there is nothing to change.
func (t *Turn) Revive(ctx context.Context) (d Done, ok bool, err error) {
	b, err := t.Blocks.Blockade(ctx, t.Chat.ID)
	if err != nil {
		return d, false, err
	}
	missing := b.missing()
	in := chat.Revive{Missed: &missing}
	for _, a := range b.Reads {
		switch {
		case missing.Blocks(&a, t.Now):
		case t.inactive(&a):
			in.Inactive = append(in.Inactive, a)
		default:
			in.Actions = append(in.Actions, a)
		}
	}
	if was := t.Chat.Missed; len(in.Actions)+len(in.Inactive) == 0 && was.Through == missing.Through && was.HoldUntil.Equal(missing.HoldUntil) {
		return d, false, nil
	}
	_, err = t.move(ctx, in, &d)
	return d, true, err
}
