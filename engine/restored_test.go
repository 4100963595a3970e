package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"chertd/rules"
	"chertd/rules/chat"
)

// A store that is replaced by a backup handles again what came since, and the messages that
// rules send on it have the keys that they had: Chert sends each once, although the events
// have other places in the journal.
func TestRestoredStoreSendsNothingTwice(t *testing.T) {
	t.Parallel()
	l := newLogged(t, `chert.on("message.received", function(ev) chert.send(ev.chat.id, "thanks") end)`)
	dir := filepath.Join(l.d.RulesDir, "p")
	err := errors.Join(
		os.Mkdir(dir, 0o700),
		os.WriteFile(filepath.Join(dir, "pack.yaml"), []byte("permissions: [send]\n"), 0o600),
		os.Rename(dir+".lua", filepath.Join(dir, "p.lua")))
	if err != nil {
		t.Fatal(err)
	}
	l.d.Rules = rules.Options{Packs: map[string]rules.PackOptions{"p": {Grant: []string{"send"}}}}
	sends := func(n int) {
		t.Helper()
		l.mu.Lock()
		defer l.mu.Unlock()
		for len(l.reads) < n { // calls of any kind
			l.changed.Wait()
		}
		for _, c := range l.reads {
			if c.Kind != chat.Send {
				t.Fatalf("a call is %+v, want messages alone", c)
			}
		}
	}
	want := map[string][]string{}
	l.start()
	l.receive(5, want)
	l.wait(5)
	sends(5)
	l.stop()
	backup, err := os.ReadFile(l.d.StorePath)
	if err != nil {
		t.Fatal(err)
	}
	l.start()
	l.receive(20, want)
	l.wait(25)
	sends(25)
	l.stop()
	if err := os.WriteFile(l.d.StorePath, backup, 0o600); err != nil {
		t.Fatal(err)
	}
	l.receive(3, want) // they come among the others now
	l.start()
	l.wait(25 + 20 + 3)
	sends(25 + 20 + 3)
	sent := 0
	for _, c := range l.sim.Chats() {
		for _, m := range c.Messages {
			if m.Direction == "outbound" {
				sent++
			}
		}
	}
	if sent != 28 {
		t.Errorf("%d messages were sent for 28 events", sent)
	}
	if n := l.sim.Calls("send"); n != 48 {
		t.Errorf("%d calls, want 48: the test proves nothing", n)
	}
}
