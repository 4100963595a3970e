package engine

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chertd/engine/chert"
	"chertd/engine/chertsim"
	"chertd/engine/store"
	"chertd/rules"
	"chertd/rules/chat"
	"chertd/rules/turn"
)

// simulated is a daemon and a simulated Chert that deliver to one another over
// loopback.
type simulated struct {
	sim    *chertsim.Sim
	dir    string
	socket string // of its control API

	mu      sync.Mutex
	changed sync.Cond
	seen    []chertsim.Activity
	handled []*Handled
}

func newSimulated(t *testing.T, o rules.Options, files ...string) *simulated {
	t.Helper()
	s := &simulated{sim: chertsim.New(chertsim.Config{Seed: 1, AllowLoopback: true}), dir: t.TempDir()}
	s.changed.L = &s.mu
	short, err := os.MkdirTemp("", "sim") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	s.socket = filepath.Join(short, "s")
	for i := 0; i+1 < len(files); i += 2 {
		path := filepath.Join(s.dir, "rules", files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.sim.Watch(func(h chertsim.Activity) {
		s.mu.Lock()
		s.seen = append(s.seen, h)
		s.mu.Unlock()
		s.changed.Broadcast()
	})
	api := serve(t, http.Handler(s.sim))
	ctx, cancel := context.WithCancel(context.Background())
	started, ended := make(chan Addresses, 1), make(chan error, 1)
	go func() {
		ended <- Daemon{
			StorePath: filepath.Join(s.dir, "chertd.db"),
			API:       chert.Config{BaseURL: api + chertsim.BasePath, Tenant: chertsim.DefaultTenant, SigningSecret: chertsim.DefaultSigningSecret},
			Webhook:   Webhook{Listen: "127.0.0.1:0", Path: "/hook", Secrets: []string{chertsim.DefaultWebhookSecret}},
			RulesDir:  filepath.Join(s.dir, "rules"), Rules: o,
			Control: Control{Socket: s.socket},
			Log:     slog.New(slog.DiscardHandler),
			Observe: func(h Observation) {
				if h.Handled != nil {
					s.mu.Lock()
					s.handled = append(s.handled, h.Handled)
					s.mu.Unlock()
					s.changed.Broadcast()
				}
			},
			Started: func(a Addresses) { started <- a },
		}.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.sim.Close()
	})
	if _, err := s.sim.Subscribe((<-started).Webhook, chertsim.DefaultWebhookSecret); err != nil {
		t.Fatal(err)
	}
	return s
}

// wait waits until cond holds; it is called with mu held.
func (s *simulated) wait(t *testing.T, what string, cond func() bool) {
	t.Helper()
	began := time.Now()
	timeout := time.AfterFunc(20*time.Second, s.changed.Broadcast)
	defer timeout.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !cond() {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("waited in vain for %s; at Chert: %+v", what, s.seen)
		}
		s.changed.Wait()
	}
}

func (s *simulated) acts(kind chertsim.Kind) (texts []string) {
	for _, h := range s.seen {
		if h.Kind == kind {
			texts = append(texts, h.Text)
		}
	}
	return texts
}

// logged reports whether a rule has logged a message.
func (s *simulated) logged(msg string) bool {
	return slices.ContainsFunc(s.handled, func(h *Handled) bool {
		for _, r := range h.Decision.Rules {
			for _, l := range r.Logs {
				if l.Msg == msg {
					return true
				}
			}
		}
		return false
	})
}

const answering = `
chert.on("message.received", function(ev)
  chert.mark_read(ev.chat.id)
  chert.typing(ev.chat.id, "typing")
  chert.react(ev.message.id, "like")
  chert.send(ev.chat.id, "Thank you, " .. ev.text)
end)
chert.on("action.done", function(ev) log.info("done " .. ev.action.kind) end)
chert.on("action.failed", function(ev) log.info("failed " .. ev.action.kind .. " " .. ev.action.code) end)`

// Permitted actions are carried out in the order requested, and the pack receives their
// results.
func TestActionsAreCarriedOut(t *testing.T) {
	t.Parallel()
	s := newSimulated(t,
		rules.Options{Packs: map[string]rules.PackOptions{"bot": {Grant: []string{"typing", "react", "send"}}}},
		"bot/pack.yaml", "permissions: [typing, react, send]\n", "bot/bot.lua", answering)
	s.sim.Receive(chertsim.Incoming{Chat: "c1", From: "+14155550199", Text: "hello"})
	s.wait(t, "four answers", func() bool {
		return s.logged("done read") && s.logged("done typing") && s.logged("done react") && s.logged("done send")
	})
	defer s.mu.Unlock()
	s.mu.Lock()
	if acts := s.acts(chertsim.Acted); len(acts) != 3 {
		t.Errorf("at Chert: %q, want a typing signal, a reaction and a message", acts)
	}
	if reads := s.acts(chertsim.Read); len(reads) != 1 {
		t.Errorf("%d reads, want 1", len(reads))
	}
}

// The pack that requested an action receives its refusal. A reaction whose answer was
// lost is never repeated; a message is sent once, whatever happened to its answers.
func TestActionsThatFail(t *testing.T) {
	t.Parallel()
	s := newSimulated(t,
		rules.Options{Packs: map[string]rules.PackOptions{"bot": {Grant: []string{"typing", "react", "send"}}}},
		"bot/pack.yaml", "permissions: [typing, react, send]\n", "bot/bot.lua", answering)
	for _, rule := range []chertsim.FailRule{
		{Route: "mark-read", Code: 2002, Times: 1},
		{Route: "react", Mode: "reset", Applied: true, Times: 1},
		{Route: "send", Mode: "reset", Applied: true, Times: 1},
	} {
		if err := s.sim.Fail(rule); err != nil {
			t.Fatal(err)
		}
	}
	s.sim.Receive(chertsim.Incoming{Chat: "c1", From: "+14155550199", Text: "hello"})
	s.wait(t, "the answers", func() bool {
		return s.logged("failed read 2002") && s.logged("failed react 0") && s.logged("done send")
	})
	if n := s.sim.Calls("react"); n != 1 {
		t.Errorf("the reaction was made %d times, want once", n)
	}
	c, _ := s.sim.Chat("c1")
	sent := 0
	for _, m := range c.Messages {
		if m.Direction == "outbound" {
			sent++
		}
	}
	if sent != 1 {
		t.Errorf("%d messages were sent, want 1", sent)
	}
}

// A veto wins over a read of the same event for another chat, in whatever order
// the rules and packs ask.
func TestVetoWinsInAnotherChat(t *testing.T) {
	t.Parallel()
	r := newRig(t,
		"a.lua", `chert.on("message.received", { chat = "c1", text = "veto" }, function(ev) chert.keep_unread("c2") chert.mark_read("c2", { even_if_newer = true }) end)`,
		"b.lua", `
chert.on("message.received", { chat = "c1" }, function(ev) chert.mark_read("c2", { even_if_newer = true }) end)
chert.rule { name = "soonest", on = "message.received", where = { chat = "c1", text = "later" }, run = function(ev)
  chert.mark_read("c3", { after = "1h" })
  chert.mark_read("c3", { after = "30m" })
  chert.mark_read("c3", { after = "2h" })
end }`)
	r.message("c2", "e1", "x")
	r.message("c1", "e2", "veto")
	why := func(chatID string) map[string]int {
		list, err := r.st.Actions(context.Background(), store.ActionFilter{Chat: chatID})
		if err != nil {
			t.Fatal(err)
		}
		whys := map[string]int{}
		for _, a := range list {
			whys[strings.TrimSpace(string(a.Status)+" "+a.Why)]++
		}
		return whys
	}
	r.wait("the veto", func() bool { return r.ended(chat.WhyVetoed)+r.dropped(chat.WhyVetoed) == 2 })
	if got := why("c2"); got["dropped vetoed"] != 2 || len(got) != 1 {
		t.Errorf("the reads of c2: %v, want both vetoed", got)
	}
	r.message("c1", "e3", "later")
	r.wait("the last request", func() bool { return r.dropped(chat.WhyReplaced) == 2 })
	if got := why("c3"); got["waiting"] != 1 || got["dropped replaced"] != 2 {
		t.Errorf("the reads of c3: %v, want the soonest waiting", got)
	}
	c3, err := oneChat(r.st.Chats(context.Background(), []string{"c3"}))
	if err != nil || len(c3.Waiting) != 1 || c3.Waiting[0].Due.Sub(c3.Waiting[0].Requested) > 30*time.Minute {
		t.Errorf("c3 waits for %+v, %v; want the read in half an hour", c3.Waiting, err)
	}
}

// dropped returns how many actions ended by an event.
func (r *rig) dropped(why string) int {
	n := 0
	for _, h := range r.seen {
		if h.Handled == nil {
			continue
		}
		for _, a := range h.Handled.Actions {
			if a.Why == why {
				n++
			}
		}
	}
	return n
}

// A rule that acts on its own answers ends: an answer's event is one deeper than
// the action, through a restart, and through a request for another chat.
func TestAnswersKeepTheirDepth(t *testing.T) {
	t.Parallel()
	c := &crew{rig: &rig{t: t, dir: t.TempDir(), now: time.Now, shards: 2}}
	c.changed.L = &c.mu
	c.options.Packs = map[string]rules.PackOptions{"loop": {Grant: []string{"send"}}}
	c.write("loop/r.lua", `
chert.on({ "message.received", "action.done" }, function(ev)
  chert.send(ev.chat.id == "c1" and "c2" or "c1", "again")
end)`, "loop/pack.yaml", "permissions: [send]")
	c.start()
	c.message("c1", "e1", "x")
	c.wait("some sends", func() bool { return len(c.calls) >= 2 })
	c.stop()
	c.start()
	c.wait("the end", func() bool { return c.dropped(chat.WhyDepth) == 1 })
	c.finished()
	if n := c.reads(); n != chat.MaxDepth+1 {
		t.Errorf("%d messages were sent, want one for the message and one for each of %d answers", n, chat.MaxDepth)
	}
	actions, err := c.st.Actions(ctx, store.ActionFilter{Pack: "loop"})
	if err != nil {
		t.Fatal(err)
	}
	depths := map[int]int{}
	for _, a := range actions {
		depths[a.Depth]++
	}
	for depth := range chat.MaxDepth + 2 {
		if depths[depth] != 1 {
			t.Errorf("actions by depth: %v, want one of each up to %d", depths, chat.MaxDepth+1)
			break
		}
	}
}

// What is refused beyond the depth stands in the decision, and in the log.
func TestDecisionNamesRefusedActions(t *testing.T) {
	t.Parallel()
	c := newCrew(t, "loop.lua", `chert.on({ "message.received", "timer:t" }, function(ev) chert.set_timer("t", 0) end)`)
	c.message("c1", "e1", "x")
	deepest := func() *turn.Decision {
		for _, h := range c.seen {
			if h.Handled != nil && h.Handled.Entry.Event.Depth == chat.MaxDepth+1 {
				return h.Handled.Decision
			}
		}
		return nil
	}
	c.wait("the deepest timer", func() bool { return deepest() != nil })
	func() {
		defer c.lock()()
		d := deepest()
		if len(d.Rules) != 1 || len(d.Rules[0].Refused) != 1 || d.Rules[0].Refused[0] != `set_timer "t" (too_deep)` {
			t.Errorf("the decision is %+v, want one refused timer", d.Rules)
		}
	}()
	if !strings.Contains(c.logged(), "action refused") {
		t.Error("the log says nothing of it")
	}
}
