package engine

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store"
	"chertd/engine/store/sqlite"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// mute is a store that answers nothing.
type mute struct{ store.Store }

func (mute) Journaled(func([]turn.Entry)) {}
func (mute) Healthy() error               { return &sqlite.StalledError{For: 4 * time.Second} }
func (mute) LastSeq() int64               { return 0 }

func (mute) Stats(ctx context.Context) (store.Stats, error) {
	<-ctx.Done()
	return store.Stats{}, ctx.Err()
}

func (mute) Holds(ctx context.Context, _ time.Time, _ int) ([]store.Hold, int64, error) {
	<-ctx.Done()
	return nil, 0, ctx.Err()
}

func (mute) Versions(ctx context.Context, _ string, _ int) ([]store.Version, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (mute) Chats(ctx context.Context, _ []string) ([]chat.Chat, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (mute) Events(ctx context.Context, _ string, _ int64, _ int) ([]store.Record, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A tail begins without the store, too: it shows that, and then what happens.
func TestTailBeginsWithoutTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		m, err := newManager(&Daemon{Log: log, Now: time.Now, RulesDir: t.TempDir()},
			Config{Store: mute{}, Now: time.Now, Log: log}, mute{}, nil, newClock(time.Now))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		lines, err := m.Tail(ctx, control.TailQuery{Lines: 10, Chat: "c1"})
		if took := time.Since(began); err != nil || took > 5*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
		defer lines.Close()
		for _, id := range []string{"c1", "c2"} {
			m.observed(Observation{Ended: &chat.Action{Chat: id, Kind: chat.Read, Status: chat.Dead, Why: chat.WhyRefused}})
		}
		got, err := lines.Next(ctx)
		if err != nil || len(got) != 2 || got[0].Kind != control.TailNote || !strings.Contains(got[0].Summary, "does not answer") || got[1].Chat != "c1" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// While the store does not answer, status and packs answer within seconds from memory,
// and name what is unknown.
func TestStatusAndPacksAnswerWithoutTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := slog.New(slog.DiscardHandler)
		m, err := newManager(&Daemon{Log: log, Now: time.Now, RulesDir: t.TempDir()},
			Config{Store: mute{}, Now: time.Now, Log: log}, mute{}, nil, newClock(time.Now))
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		st, err := m.Status(ctx)
		if took := time.Since(began); err != nil || st.Ready || !strings.Contains(st.Unknown, "does not answer") || took > 3*time.Second {
			t.Errorf("after %v: %+v, %v", took, st, err)
		}
		if m.stalled() == nil {
			t.Error("commands would wait for it")
		}
		began = time.Now()
		packs, cancel := withStoreTimeout(ctx)
		defer cancel()
		for i := range 10 {
			p := m.describe(packs, live.PackStanding{Name: fmt.Sprint("p", i), Version: "v", Mode: rules.Live})
			if p.Version != "v" || p.Mode != "live" || !strings.Contains(p.Unknown, "does not answer") {
				t.Errorf("the pack is %+v", p)
			}
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("the packs took %v", took)
		}
	})
}

// Status lists the chats that are held, also by a pack that is gone, and how many
// there are beyond.
func TestStatusListsHolds(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll, "vip.lua", `chert.rule({ name = "keep", on = "message.received", where = { text = "vip" }, run = function(ev)
  chert.hold(ev.chat.id, "1d", { reason = "quiet" })
end })`)
	held := func() *control.Holds {
		t.Helper()
		st, err := c.m.Status(ctx)
		if err != nil || st.Unknown != "" {
			t.Fatalf("%+v, %v", st, err)
		}
		return st.Holds
	}
	c.handle("c", "e", "x")
	if h := held(); h == nil || h.Total != 0 || h.First == nil {
		t.Errorf("nothing is held, and the status says %+v", h)
	}
	for i := range control.ShownHolds + 5 {
		c.handle(fmt.Sprint("c", i), fmt.Sprint("e", i), "vip")
	}
	c.remove("vip.lua")
	c.reload()
	c.ahead.Store(int64(5 * time.Second)) // it is gone for long enough
	c.reload()
	c.stop()
	c.start()
	h := held()
	if h == nil || h.Total != control.ShownHolds+5 || len(h.First) != control.ShownHolds {
		t.Fatalf("the status says %+v", h)
	}
	first := h.First[0]
	if first.Chat != fmt.Sprint("c", control.ShownHolds+4) || first.By != "vip/keep" || first.Reason != "quiet" || first.Until.Before(c.now().Add(23*time.Hour)) {
		t.Errorf("the first is %+v", first)
	}
	c.ahead.Store(int64(25 * time.Hour))
	if h := held(); h == nil || h.Total != 0 {
		t.Errorf("all holds are over, and the status says %+v", h)
	}
}

// partly is a store that answers all but one question.
type partly struct {
	store.Store
	stats, holds, postponed error
}

func (p partly) Stats(ctx context.Context) (store.Stats, error) {
	if p.stats != nil {
		return store.Stats{}, p.stats
	}
	return p.Store.Stats(ctx)
}

func (p partly) Holds(ctx context.Context, now time.Time, limit int) ([]store.Hold, int64, error) {
	if p.holds != nil {
		return nil, 0, p.holds
	}
	return p.Store.Holds(ctx, now, limit)
}

func (p partly) Postponed(ctx context.Context, now time.Time, limit int) ([]store.Postponement, int64, error) {
	if p.postponed != nil {
		return nil, 0, p.postponed
	}
	return p.Store.Postponed(ctx, now, limit)
}

// Where the store does not say one thing, the status says that something is
// missing: nobody takes it for none.
func TestStatusNamesWhatIsUnknown(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "read.lua", readAll)
	whole := c.m.store
	for name, st := range map[string]store.Store{"counts": partly{Store: whole, stats: errKilled}, "holds": partly{Store: whole, holds: errKilled}, "postponements": partly{Store: whole, postponed: errKilled}} {
		c.m.store = st
		if got, err := c.m.Status(ctx); err != nil || !strings.Contains(got.Unknown, errKilled.Error()) {
			t.Errorf("without %s: unknown is %q, %v", name, got.Unknown, err)
		}
	}
	c.m.store = whole
	if got, err := c.m.Status(ctx); err != nil || got.Unknown != "" {
		t.Errorf("with all: unknown is %q, %v", got.Unknown, err)
	}
}
