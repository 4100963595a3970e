package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"chertd/engine/chertsim"
	"chertd/engine/control"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
)

// settleSoon waits until no call waits for missed events any more, under load.
func (w *world) settleSoon(ctx context.Context) error {
	client := control.Dial(w.socket())
	for {
		s, err := client.Status(ctx)
		if err == nil && s.Calls.State == control.CallsGoOut && s.Events >= w.sent.Load()-int64(w.rate) {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the load has ended and missed events are not caught up: calls are %s, %d of %d events", s.Calls.State, s.Events, w.sent.Load())
		}
	}
}

// concurrent is how far apart two messages are created, by timestamps of whole seconds, that
// are not delivered at the same time.
const concurrent = 2 * time.Second

// check stops the daemon, and compares its store with Chert: each message is there and
// handled once, the state of each chat counts its messages, and each chat is read whose
// last message allows it. Without faults on the way, the order of each chat is Chert's.
func (w *world) check(ctx context.Context) error {
	if err := w.end(syscall.SIGTERM); err != nil {
		return err
	}
	s, err := sqlite.Open(ctx, filepath.Join(w.dir, "chertd.db"), sqlite.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	place := map[string]int{} // in Chert's log, by event
	rows := w.sim.Log()
	for i, row := range rows {
		place[row.EventID] = i
	}
	found, undecided, foreign, turned := map[string]int{}, 0, 0, 0
	later := map[string]int{} // by chat, the place of the event after the one that is looked at
	kept := map[string]bool{} // chats whose last message that was handled is to stay unread
	for before := int64(0); ; {
		records, err := s.Events(ctx, "", before, 1000)
		if err != nil {
			return err
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			before = r.Seq
			at, ok := place[r.Event.ID]
			if !ok {
				foreign++
				continue
			}
			found[r.Event.ID]++
			if r.Decision == nil {
				undecided++
			}
			next, ok := later[r.Event.Chat.ID]
			if ok && rows[at].CreatedAt.Sub(rows[next].CreatedAt) >= concurrent {
				turned++
			}
			if !ok {
				kept[r.Event.Chat.ID] = bytes.Contains(rows[at].Payload, []byte(keepText))
			}
			later[r.Event.Chat.ID] = at
		}
	}
	lost, twice := 0, 0
	for id := range place {
		switch n := found[id]; {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	unread := 0
	for _, c := range w.sim.Chats() {
		// A message that arrives after a newer one does not undo the veto of that one.
		if c.Unread > 0 && !kept[c.ID] && c.Messages[len(c.Messages)-1].Text() != keepText {
			if unread++; unread <= 5 {
				w.explain(ctx, s, c)
			}
		}
	}
	fmt.Printf("messages %d, lost %d, twice %d, undecided %d, of others %d, orders turned %d, chats %d, unread that should be read %d, calls of mark-read %d\n",
		len(rows), lost, twice, undecided, foreign, turned, len(w.sim.Chats()), unread, w.sim.Calls("mark-read"))
	if n := len(w.memory); n > 1 {
		fmt.Printf("resident memory %d MB after %s, %d MB after %s\n", w.memory[1].mb, w.memory[1].at.Round(1e9), w.memory[n-1].mb, w.memory[n-1].at.Round(1e9))
	}
	if lost+twice+undecided+foreign+unread > 0 || turned > 0 && !w.faults {
		return fmt.Errorf("what must hold does not")
	}
	return nil
}

// explain prints what the store has about a chat that is unread and should not be.
func (w *world) explain(ctx context.Context, s store.Store, c chertsim.Chat) {
	fmt.Printf("chat %s has %d unread messages; its last events, newest first:\n", c.ID, c.Unread)
	records, err := s.Events(ctx, c.ID, 0, 5)
	if err != nil {
		fmt.Println("  ", err)
	}
	for _, r := range records {
		fmt.Printf("  %d %s %s by %s\n", r.Seq, r.Event.ID, r.Received.Format(time.TimeOnly+".000"), r.Event.Source)
		for _, a := range r.Actions {
			fmt.Printf("    %s %s %s, due %s, ended %s, trace %s\n", a.Kind, a.Status, a.Why, a.Due.Format(time.TimeOnly+".000"), a.Ended.Format(time.TimeOnly+".000"), a.TraceID)
		}
	}
	for _, m := range c.Messages[max(len(c.Messages)-5, 0):] {
		fmt.Printf("  at Chert: %s %q\n", m.CreatedAt.Format(time.TimeOnly+".000"), m.Text())
	}
	for _, r := range w.sim.Receipts() {
		if r.Chat == c.ID {
			fmt.Printf("  mark-read at %s: %+v\n", r.At.Format(time.TimeOnly+".000"), r)
		}
	}
}
