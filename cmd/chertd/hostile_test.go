package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"chertd/engine"
	"chertd/engine/chertsim"
	"chertd/engine/control"
	"chertd/engine/live"
	"chertd/engine/store/sqlite"
	"chertd/luabind/diag"
	"chertd/rules/backtest"
	"chertd/rules/chat"
	"chertd/rules/spec"
	"chertd/rules/turn"
)

// hostile is what somebody may write into a message, a rule or a file's name: it
// changes colours, ends lines and begins others, turns text around, hides some, and
// would add an annotation where a line is one.
const hostile = "h\x1b[31m\r\nFORGED\n::error::FORGED\x00\x07\x7f\u0085\u009b\u200e\u061c\u202e\u2066\u2028\u2029\u200b\u2060\ufeff\U000e0041"

// hostileName is as much of it as a file's name can have.
var hostileName = strings.ReplaceAll(hostile, "\x00", "")

// unsafeIn returns what must not be in an output.
func unsafeIn(out string) string {
	if !utf8.ValidString(out) {
		return "bytes that are not UTF-8"
	}
	for _, r := range out {
		switch {
		case r == '\n', r == '\t':
		case r < ' ', r >= 0x7f && r < 0xa0, r >= 0x200b && r <= 0x200f, r == 0x61c, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f,
			r == 0xfeff, r >= 0xe0000 && r <= 0xe0fff:
			return fmt.Sprintf("%U", r)
		}
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "FORGED") || strings.HasPrefix(line, "::error::FORGED") {
			return "a line that a text has begun"
		}
	}
	return ""
}

// hostileWorld is where commands meet hostile texts.
type hostileWorld struct {
	t      *testing.T
	dir    string // of packs that say hostile things
	broken string // of packs that don't load
	event  string // a file
	config string // a file, wrong
	socket string // of a daemon
}

// run runs a command line and looks at what it prints.
func (w *hostileWorld) run(args ...string) (stdout, stderr string) {
	w.t.Helper()
	var out, errOut bytes.Buffer
	execute(args, strings.NewReader(""), &out, &errOut)
	for name, text := range map[string]string{"output": out.String(), "standard error": errOut.String()} {
		if what := unsafeIn(text); what != "" {
			w.t.Errorf("chertd %q: its %s has %s:\n%q", args, name, what, text)
		}
	}
	if out.Len()+errOut.Len() == 0 {
		w.t.Errorf("chertd %q prints nothing", args)
	}
	return out.String(), errOut.String()
}

// asks runs a command that asks the daemon, for people and as JSON.
func (w *hostileWorld) asks(args ...string) {
	w.t.Helper()
	args = append(args, "--socket", w.socket)
	w.run(args...)
	out, _ := w.run(append(args, "--json")...)
	w.decodes(out, args)
}

// decodes looks whether a JSON text holds what was put in, as it was.
func (w *hostileWorld) decodes(text string, args []string) {
	w.t.Helper()
	var all any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		w.t.Errorf("chertd %q prints no JSON: %v\n%s", args, err, text)
	}
	if !holds(all, hostile) {
		w.t.Errorf("chertd %q: the JSON has lost what it was to show:\n%s", args, text)
	}
}

func holds(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, text)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return holds(e, text) })
	case map[string]any:
		for k, e := range v {
			if holds(k, text) || holds(e, text) {
				return true
			}
		}
	}
	return false
}

// hostileCommands is how each command is made to show hostile texts. A command that
// is not here fails the test: whoever adds one says how it is tried.
var hostileCommands = map[string]func(w *hostileWorld){
	"chertd": func(w *hostileWorld) { w.run(hostileName); w.run("--" + hostileName) },
	"chertd explain": func(w *hostileWorld) {
		w.asks("explain", hostile)
		w.asks("explain", "x", "--rule", hostile, "--all")
		w.run("explain", "refused", "--socket", w.socket)
	},
	"chertd check": func(w *hostileWorld) {
		for _, format := range []string{"pretty", "json", "github"} {
			for _, dir := range []string{w.dir, w.broken, filepath.Join(w.broken, hostileName)} {
				w.run("check", "--strict", "--format", format, dir)
			}
		}
		for _, dir := range []string{w.dir, w.broken} {
			out, _ := w.run("check", "--format", "junit", dir)
			if err := xml.Unmarshal([]byte(out), new(junitSuites)); err != nil {
				w.t.Errorf("check --format junit: %v\n%s", err, out)
			}
		}
		w.run("check", "--format", hostile)
	},
	"chertd test": func(w *hostileWorld) {
		for _, format := range []string{"pretty", "github"} {
			w.run("test", "-v", "--cover", "--cover-min", "100", "--format", format, w.dir)
		}
		out, _ := w.run("test", "--format", "json", w.dir)
		w.decodes(out, []string{"test"})
		out, _ = w.run("test", "--format", "junit", w.dir)
		var suites junitSuites
		if err := xml.Unmarshal([]byte(out), &suites); err != nil || suites.Failures == 0 {
			w.t.Errorf("test --format junit: %v, %d failures\n%s", err, suites.Failures, out)
		}
		w.run("test", w.broken)
		w.run("test", "--run", "("+hostile, w.dir)
	},
	"chertd eval": func(w *hostileWorld) {
		out, stderr := w.run("eval", w.event, w.dir)
		if !strings.Contains(out, `FORGED`) {
			w.t.Errorf("eval shows nothing of the event:\n%s%s", out, stderr)
		}
		out, _ = w.run("eval", "--format", "json", w.event, w.dir)
		w.decodes(out, []string{"eval"})
		w.run("eval", w.event, w.broken)
		w.run("eval", filepath.Join(w.dir, hostileName))
		w.run("eval", "--at", hostile, w.event, w.dir)
	},
	"chertd backtest": func(w *hostileWorld) {
		quiet := w.t.TempDir() // the events of it have other texts, so that the sides differ
		writeFile(w.t, filepath.Join(quiet, "bad.lua"), `chert.on("no.event", function(ev) end)`)
		events := filepath.Join(w.t.TempDir(), "events.jsonl")
		line, err := os.ReadFile(w.event)
		if err != nil {
			w.t.Fatal(err)
		}
		writeFile(w.t, events, strings.Join(strings.Fields(string(line)), " ")+"\n"+hostileName+"\n")
		for _, format := range []string{"pretty", "github"} {
			out, stderr := w.run("backtest", w.dir, "--against", quiet, "--events", events, "--text", "--all", "--format", format, "--fail-if", "added > 0")
			if !strings.Contains(out, `FORGED`) {
				w.t.Errorf("backtest --format %s shows nothing of the event:\n%s%s", format, out, stderr)
			}
			w.run("backtest", quiet, "--against", w.dir, "--events", events, "--text", "--format", format)
		}
		args := []string{"backtest", w.dir, "--against", quiet, "--events", events, "--text", "--format", "json"}
		out, _ := w.run(args...)
		w.decodes(out, args)
		out, _ = w.run("backtest", w.dir, "--against", quiet, "--events", events, "--format", "junit", "--fail-if", "added > 0")
		var suites junitSuites
		if err := xml.Unmarshal([]byte(out), &suites); err != nil || suites.Failures == 0 {
			w.t.Errorf("backtest --format junit: %v, %d failures\n%s", err, suites.Failures, out)
		}
		w.run("backtest", w.broken, "--events", events)
		w.run("backtest", w.dir, "--store", hostileName)
		w.run("backtest", w.dir, "--events", events, "--mode", hostile)
		w.run("backtest", w.dir, "--events", events, "--fail-if", hostile)
		w.run("backtest", "-c", w.config)
		w.shows(func(out *screen) {
			r := hostileOf[backtestReport](true)
			for _, kind := range []backtest.Kind{backtest.Added, backtest.Left, backtest.OtherRule} {
				d := hostileOf[backtestDifference](false)
				d.Kind = kind
				r.Differences = append(r.Differences, d)
			}
			_ = r.pretty(out, out)
			_ = r.github(out)
			_ = r.junit(out)
		})
		var drawn bytes.Buffer
		(&screen{w: &drawn}).redraw(hostile)
		if what := unsafeIn(strings.TrimSuffix(strings.TrimPrefix(drawn.String(), "\r"), "\x1b[K")); what != "" {
			w.t.Errorf("the line of progress has %s: %q", what, drawn.String())
		}
	},
	"chertd apply": func(w *hostileWorld) {
		w.run("apply", w.dir, "-c", w.config)
		w.run("apply", hostileName, "--mode", hostile)
		w.run("apply", w.dir, "--since", hostile)
		w.run("apply", w.dir, "--batch", hostile, "-c", hostileName)
		w.shows(func(out *screen) {
			r := hostileOf[applyReport](true)
			for _, left := range []string{"", backtest.LeftNewer} {
				x := hostileOf[applyRead](false)
				x.Left = left
				r.Reads = append(r.Reads, x)
			}
			r.count()
			_ = r.print(out, &applyOptions{})
			for _, line := range r.requested(&daemonFlags{}) {
				_, _ = fmt.Fprintln(out, diag.Visible(line))
			}
		})
	},
	"chertd new": func(w *hostileWorld) {
		w.run("new", hostileName, "--dir", w.t.TempDir())
		w.run("new", "fine", "--dir", filepath.Join(w.t.TempDir(), hostileName))
	},
	"chertd run": func(w *hostileWorld) {
		w.run("run", "-c", w.config)
		w.run("run", "-c", hostileName)
	},
	"chertd sim": func(w *hostileWorld) {
		w.run("sim", "--webhook", hostileName, "--listen", "127.0.0.1:0")
		w.run("sim", "--listen", hostileName)
		w.shows(func(out *screen) {
			for kind := chertsim.Arrived; kind != ""; kind = nextKind[kind] {
				h := hostileOf[chertsim.Activity](true)
				h.Kind = kind
				(&simPrinter{out: out}).print(h)
			}
		})
	},
	"chertd demo": func(w *hostileWorld) {
		w.run("demo", "--for", hostileName)
		w.shows(func(out *screen) {
			view := newDemoView(out)
			view.begin(time.Second, hostile)
			for kind := chertsim.Arrived; kind != ""; kind = nextKind[kind] {
				h := hostileOf[chertsim.Activity](true)
				h.Kind = kind
				view.chert(h)
			}
			view.daemon(engine.Observation{Handled: &engine.Handled{Entry: &turn.Entry{}}})
			view.daemon(engine.Observation{Ended: &chat.Action{Chat: hostile, Pack: hostile, Reason: hostile, Kind: chat.Read, Status: chat.Done, Why: chat.WhyRead}})
			view.note(slog.LevelError, diag.List{{File: hostile, Message: hostile, Hint: hostile}}.Error())
			view.problem(hostile)
			view.end()
		})
	},
	"chertd version": func(w *hostileWorld) { w.run("version"); w.run("version", "--json"); w.run("version", hostile) },
	"chertd tail": func(w *hostileWorld) {
		w.asks("tail", "--no-follow", "--text", "--pack", hostile, "--chat", hostile)
		w.run("tail", "--socket", w.socket)
		w.run("tail", "--outcome", hostile)
		w.run("tail", "--lines", hostile)
		w.shows(func(out *screen) {
			for _, kind := range []string{control.TailEvent, control.TailCall, control.TailAction, control.TailGap, control.TailNote} {
				line := hostileOf[control.Tailed](true)
				line.Kind = kind
				for _, json := range []bool{true, false} {
					_ = newTailView(out, json, true).show(line)
				}
			}
		})
	},
	"chertd status": func(w *hostileWorld) { w.asks("status"); w.run("status", "--socket", hostileName) },
	"chertd packs": func(w *hostileWorld) {
		w.asks("packs")
		w.asks("packs", hostile)
		w.asks("packs", "--diff")
		w.asks("packs", "--diff", hostile)
		w.run("packs", "-c", w.config)
	},
	"chertd rules": func(w *hostileWorld) {
		w.asks("rules")
		w.asks("rules", "--stale", "1d", "--all", hostileName)
		w.run("rules", "refused", "--socket", w.socket)
		w.run("rules", "--stale", hostile)
		w.run("rules", "--sort", hostile)
		w.run("rules", hostile+"/"+hostile, "--socket", w.socket)
	},
	"chertd packs remove": func(w *hostileWorld) {
		w.asks("packs", "remove", hostile)
		w.run("packs", "remove", "refused", "--socket", w.socket)
	},
	"chertd spec": func(w *hostileWorld) { w.run("spec", hostile); w.run("spec") },
	"chertd spec record": func(w *hostileWorld) {
		w.asks("spec", "record", hostile)
		w.asks("spec", "record", hostile, "--text", "--pack", hostileName)
		w.run("spec", "record", hostile, "--since", hostile)
		w.run("spec", "record", hostile, "-o", filepath.Join(w.dir, "bad", "r.lua"), "--socket", w.socket)
	},
	"chertd read": func(w *hostileWorld) {
		w.asks("read", hostile, "--reason", hostile, "--by", hostile)
		w.run("read", "refused", "--socket", w.socket)
	},
	"chertd hold": func(w *hostileWorld) {
		w.asks("hold", hostile, "--reason", hostile)
		w.run("hold", "refused", "--socket", w.socket)
		w.run("hold", "x", "--for", hostile)
		w.asks("hold", "--where", "line="+hostile, "--by", hostile, "--yes")
		w.asks("hold", "--list")
		w.run("hold", "--where", "line=refused", "--socket", w.socket)
		w.run("hold", "--where", "line=x", "--socket", w.socket)
		w.run("hold", "--where", hostile)
	},
	"chertd waiting": func(w *hostileWorld) {
		w.asks("waiting", "--where", "line="+hostile)
		w.run("waiting", "--where", "line=refused", "--socket", w.socket)
		w.run("waiting", "--where", hostile)
	},
	"chertd waiting cancel": func(w *hostileWorld) {
		w.run("waiting", "cancel", "7.0", "--socket", w.socket)
		w.run("waiting", "cancel", hostile)
		w.run("waiting", "cancel", "--where", "line="+hostile, "--socket", w.socket)
	},
	"chertd waiting now": func(w *hostileWorld) {
		w.asks("waiting", "now", "7.0")
		w.run("waiting", "now", "--where", "line="+hostile, "--yes", "--socket", w.socket)
	},
	"chertd signal": func(w *hostileWorld) {
		w.asks("signal", hostile, "--chat", hostile, "--id", hostile, "--data", quoteJSON(hostile))
		w.asks("signal", "unheard", "--chat", hostile)
		w.run("signal", hostile, "--chat", "refused", "--socket", w.socket)
		w.run("signal", hostile)
		w.run("signal", "x", "--chat", "x", "--data", hostile)
	},
	"chertd list": func(w *hostileWorld) {
		w.asks("list")
		w.asks("list", hostile)
		w.asks("list", hostile, "history")
		w.asks("list", hostile, "add", hostile, "--by", hostile, "--reason", hostile)
		w.asks("list", hostile, "remove", hostile)
		w.run("list", "x", "add", "refused", "--socket", w.socket)
		w.run("list", "x", hostile)
		w.run("list", "x", "add", "y", "--for", hostile)
		file := filepath.Join(w.dir, "list.csv")
		if err := os.WriteFile(file, []byte("refused\n"+strings.NewReplacer("\n", " ", "\r", " ").Replace(hostile)+",a,b,c\n"), 0o600); err != nil {
			w.t.Fatal(err)
		}
		w.run("list", "x", "import", file, "--socket", w.socket)
		w.run("list", "x", "import", file, "--skip-bad", "--socket", w.socket)
		w.run("list", "x", "import", hostileName, "--socket", w.socket)
	},
	"chertd retry-errors": func(w *hostileWorld) {
		w.asks("retry-errors", hostile)
		w.run("retry-errors", "refused", "--socket", w.socket)
		w.run("retry-errors", "x", "--since", hostile)
	},
	"chertd forget": func(w *hostileWorld) {
		w.asks("forget", hostile)
		w.run("forget", "refused", "--socket", w.socket)
		w.run("forget", "--line", hostile, "--socket", w.socket)
	},
	"chertd drain": func(w *hostileWorld) {
		w.asks("drain", "--timeout", "2s")
		w.run("drain", "--timeout", hostile)
	},
	"chertd release": func(w *hostileWorld) {
		w.asks("release", hostile)
		w.run("release", "refused", "--socket", w.socket)
		w.asks("release", "--id", "7", "--by", hostile)
		w.run("release", "--where", "line=x", "--by", "refused", "--socket", w.socket)
	},
	"chertd dead": func(w *hostileWorld) {
		w.asks("dead", "--attempts")
		w.run("dead", "--chat", hostile, "--code", "-1")
	},
	"chertd dead list": func(w *hostileWorld) { w.asks("dead", "list", "--pack", hostile) },
	"chertd dead retry": func(w *hostileWorld) {
		w.asks("dead", "retry", "17.0")
		w.run("dead", "retry", hostile, "--socket", w.socket)
	},
	"chertd dead drop": func(w *hostileWorld) {
		w.run("dead", "drop", "7.0", "--socket", w.socket)
		w.run("dead", "drop", hostile, "--all")
	},
	"chertd quarantine":       func(w *hostileWorld) { w.asks("quarantine", "--bodies"); w.run("quarantine", "--limit", hostile) },
	"chertd quarantine list":  func(w *hostileWorld) { w.asks("quarantine", "list") },
	"chertd quarantine retry": func(w *hostileWorld) { w.asks("quarantine", "retry", "7"); w.run("quarantine", "retry", hostile) },
	"chertd quarantine drop": func(w *hostileWorld) {
		w.run("quarantine", "drop", "7", "--socket", w.socket)
		w.run("quarantine", "drop", hostile)
	},
	"chertd reload": func(w *hostileWorld) { w.asks("reload"); w.asks("reload", "--settings") },
	"chertd subscribe": func(w *hostileWorld) {
		w.run("subscribe", "--url", hostile)
		w.run("subscribe", "--list", "-c", hostileName)
		for _, refuses := range []bool{false, true} {
			config := hostileChert(w.t, refuses)
			for _, args := range [][]string{{"--list"}, {"--url", "https://hooks.example.com/webhooks/chert", "--again"}, {"--rotate", hostile, "--again"},
				{"--delete", hostile}, {"--delete", "nosuch"}} {
				args = append(append([]string{"subscribe"}, args...), "-c", config, "--socket", w.socket)
				w.run(args...)
				if out, _ := w.run(append(args, "--json")...); out != "" {
					w.decodes(out, args)
				}
			}
		}
	},
	"chertd doctor": func(w *hostileWorld) {
		w.run("doctor", "--wait", hostile)
		w.asks("doctor", "-c", w.config)
		w.run("doctor", "-c", hostileName)
		for _, refuses := range []bool{false, true} {
			w.asks("doctor", "-c", hostileChert(w.t, refuses))
		}
	},
	"chertd store": func(w *hostileWorld) { w.run("store", hostile); w.run("store", "copy", hostile) },
	"chertd store check": func(w *hostileWorld) {
		w.run("store", "check", "--file", hostile)
		w.run("store", "check", "-c", hostileName)
		w.shows(func(out *screen) {
			_ = tell(printsTo(out), false, nil, checkWords(hostileOf[sqlite.CheckReport](true), 0)...)
		})
	},
	"chertd store backup": func(w *hostileWorld) {
		w.run("store", "backup", hostile, "--file", hostile)
		w.run("store", "backup", hostile, "-c", hostileName)
		w.shows(func(out *screen) {
			_ = tell(printsTo(out), false, nil, backupWords(hostileOf[sqlite.BackedUp](true), 0))
		})
	},
	"chertd store restore": func(w *hostileWorld) {
		w.run("store", "restore", hostile, "--file", filepath.Join(w.broken, hostileName))
		w.run("store", "restore", hostile, "-c", hostileName)
		w.shows(func(out *screen) {
			_ = tell(printsTo(out), false, nil, restoreWords(hostileOf[sqlite.Restored](true), nil)...)
		})
	},
	"chertd rollback": func(w *hostileWorld) { w.asks("rollback", hostile); w.run("rollback", "refused", "--socket", w.socket) },
	"chertd shadow": func(w *hostileWorld) {
		w.asks("shadow", hostile, "--end")
		w.run("shadow", "x", hostile)
		w.run("shadow", "refused", w.dir, "--socket", w.socket)
	},
	"chertd mode": func(w *hostileWorld) {
		w.asks("mode", hostile, "live")
		w.asks("mode", "x/"+hostile, "off", "--for", "1h", "--by", hostile, "--reason", hostile)
		w.run("mode", "x", hostile)
		w.run("mode", "x", "off", "--for", hostile)
		w.run("mode", hostile+"/", "off")
	},
	"chertd pause":                 func(w *hostileWorld) { w.run("pause", "--socket", w.socket); w.run("pause", hostile) },
	"chertd resume":                func(w *hostileWorld) { w.run("resume", "--socket", w.socket); w.run("resume", hostile) },
	"chertd completion bash":       ownWords,
	"chertd completion zsh":        ownWords,
	"chertd completion fish":       ownWords,
	"chertd completion powershell": ownWords,
	"chertd completion":            func(w *hostileWorld) { w.run("completion") },
	"chertd help":                  func(w *hostileWorld) { w.run("help", hostile); w.run("help") },
}

// nextKind lists what happens at a simulator.
var nextKind = map[chertsim.Kind]chertsim.Kind{
	chertsim.Arrived: chertsim.Operator, chertsim.Operator: chertsim.Delivered, chertsim.Delivered: chertsim.DeliveryFailed,
	chertsim.DeliveryFailed: chertsim.Read, chertsim.Read: chertsim.Acted, chertsim.Acted: chertsim.Refused,
}

// ownWords is for commands that print nothing but what this binary holds.
func ownWords(*hostileWorld) {}

// printsTo returns a command that prints to a screen.
func printsTo(out *screen) *cobra.Command {
	cmd := &cobra.Command{}
	cmd.SetOut(out)
	return cmd
}

// shows looks at what is printed to a screen.
func (w *hostileWorld) shows(print func(*screen)) {
	w.t.Helper()
	var out bytes.Buffer
	s := &screen{w: &out}
	print(s)
	s.flush()
	if what := unsafeIn(out.String()); what != "" || out.Len() == 0 {
		w.t.Errorf("printed %s:\n%q", what, out.String())
	}
}

func TestNothingHostileComesOutOfCommands(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		path := c.CommandPath()
		if c.Runnable() || c.HasSubCommands() {
			tried[path] = true
			try := hostileCommands[path]
			if try == nil {
				t.Errorf("%s: add it to hostileCommands, which checks what it prints of hostile texts", path)
			} else {
				t.Run(path, func(t *testing.T) {
					t.Parallel()
					try(newHostileWorld(t))
				})
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	root := newRootCommand()
	root.InitDefaultHelpCmd()
	visit(root)
	for path := range hostileCommands {
		if !tried[path] {
			t.Errorf("there is no command %s", path)
		}
	}
}

func newHostileWorld(t *testing.T) *hostileWorld {
	t.Helper()
	w := &hostileWorld{t: t, dir: filepath.Join(t.TempDir(), hostileName), broken: t.TempDir()}
	files := map[string]string{
		filepath.Join(w.dir, "bad", "r.lua"): `local h = HOSTILE
			print(h)
			chert.rule({ name = NAME, on = "message.received", where = { text = { h, "FORGED" } }, run = function(ev)
				log.warn(h, { [h] = h, err = h, list = { h } })
				chert.mark_read(ev.chat.id, { reason = h, after = "1m" })
				chert.set_timer("a" .. NAME, "5m", h)
			end })
			chert.rule({ name = "refused", on = "message.received", where = { chat = h, words = "x" .. h, matches = "FORGED \n x" }, run = function(ev) end })
			chert.rule({ name = "fails", on = "message.received", run = function(ev) error(h) end })`,
		filepath.Join(w.dir, "bad", "spec", "r_spec.lua"): `local h = HOSTILE
			describe(h, function()
				it(h, function() print(h) receive { chat = h, text = h } assert.equal(h, "x") end)
				it("fails " .. h, function() error(h) end)
				it("is fine " .. h, function() print(h) assert.is_true(true) end)
				pending(h)
			end)`,
		filepath.Join(w.dir, hostileName+" copy.lua"):  `x = 1`,
		filepath.Join(w.broken, "a.lua"):               `error(HOSTILE)`,
		filepath.Join(w.broken, "b.lua"):               "local x = \"\x1b\u202e" + `" .. nosuch` + "\u202e\x1b",
		filepath.Join(w.broken, "c.lua"):               `chert.on("message.recieved" .. HOSTILE, { text = "", [HOSTILE] = 1, matches = "(" .. HOSTILE, from = HOSTILE }, function(ev) end)`,
		filepath.Join(w.broken, "d", "pack.yaml"):      "name: " + quoteJSON(hostile) + "\n" + quoteJSON(hostile) + ": 1\nmode: " + quoteJSON(hostile) + "\n",
		filepath.Join(w.broken, "d", "r.lua"):          `data.load(HOSTILE)`,
		filepath.Join(w.broken, "e", "data", "x.yaml"): quoteJSON(hostile) + ": " + quoteJSON(hostile) + "\n" + quoteJSON(hostile) + ": 2\n",
		filepath.Join(w.broken, "e", "r.lua"):          `data.load("x") require(HOSTILE)`,
		filepath.Join(w.broken, hostileName+".lua"):    `chert.on("message.received", function(ev) end)`,
	}
	for name, text := range files {
		text = strings.NewReplacer("HOSTILE", luaString(hostile), "NAME", luaString("n\x1b\u202e\u2028")).Replace(text)
		writeFile(t, name, text)
	}
	w.event = filepath.Join(w.dir, "event.json")
	writeFile(t, w.event, strings.NewReplacer("TEXT", quoteJSON(hostile), "ID", quoteJSON("id\u202e\u2028\u200b")).Replace(`{"event_id": ID, "event_type": "message.received",
		"data": {"chat": {"id": ID, "is_group": false}, "message": {"id": ID, "direction": "inbound", "from": TEXT, "parts": [{"type": "text", "value": TEXT}]}}, "created_at": "2026-01-05T12:00:00Z"}`))
	w.config = filepath.Join(t.TempDir(), hostileName+".yaml")
	writeFile(t, w.config, fmt.Sprintf("chert: {tenant: %[1]s, base_url: %[1]s, auth: %[1]s, signing_secret: %[1]s}\n%[1]s: 1\nlog: {level: %[1]s}\nrules: {timezone: %[1]s, packs: {%[1]s: {mode: %[1]s}}}\ncontrol: {listen: %[1]s}\n", quoteJSON(hostile)))
	w.socket = hostileSocket(t)
	return w
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func quoteJSON(s string) string {
	b, _ := json.Marshal(s) // a string always can
	return string(diag.VisibleJSON(b))
}

func luaString(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "\\%03d", s[i])
	}
	return `"` + b.String() + `"`
}

// hostileDaemon answers every question with hostile texts. What it does not answer
// makes a test of a command that asks fail.
type hostileDaemon struct {
	control.Daemon
	bools bool
}

// hostileOf is a value all of whose texts are hostile.
func hostileOf[T any](bools bool) T { return filled[T](filling{text: hostile, bools: bools}) }

func (d hostileDaemon) Tail(context.Context, control.TailQuery) (control.TailLines, error) {
	return &oneLine{hostileOf[control.Tailed](d.bools)}, nil
}

// oneLine is a tail of one line.
type oneLine struct{ line control.Tailed }

func (o *oneLine) Next(context.Context) ([]control.Tailed, error) {
	line := o.line
	if o.line = (control.Tailed{}); line.Kind == "" {
		return nil, io.EOF
	}
	return []control.Tailed{line}, nil
}

func (o *oneLine) Through() int64 { return 0 }

func (o *oneLine) Close() {}

func (d hostileDaemon) Status(context.Context) (control.Status, error) {
	return hostileOf[control.Status](d.bools), nil
}

func (d hostileDaemon) Packs(context.Context) ([]control.Pack, error) {
	return hostileOf[[]control.Pack](d.bools), nil
}

func (d hostileDaemon) Reload(context.Context) (control.Reload, error) {
	return hostileOf[control.Reload](d.bools), nil
}

func (d hostileDaemon) ReloadSettings(context.Context) (control.Settings, error) {
	return hostileOf[control.Settings](d.bools), nil
}

func (d hostileDaemon) SettingsInUse(context.Context) (control.SettingsInUse, error) {
	return hostileOf[control.SettingsInUse](d.bools), nil
}

func (d hostileDaemon) Remove(_ context.Context, pack string, _ bool) (live.Dropped, error) {
	return hostileOf[live.Dropped](d.bools), unwilling(pack)
}

func (d hostileDaemon) Rollback(_ context.Context, pack string, _ control.RollbackRequest) (control.Changed, error) {
	return hostileOf[control.Changed](d.bools), unwilling(pack)
}

func (d hostileDaemon) Shadow(_ context.Context, pack string, _ control.CandidateRequest) (control.Changed, error) {
	return hostileOf[control.Changed](d.bools), unwilling(pack)
}

func (d hostileDaemon) Differences(_ context.Context, pack string, _ int) (control.Differences, error) {
	return hostileOf[control.Differences](d.bools), unwilling(pack)
}

func (d hostileDaemon) Rules(_ context.Context, q control.RulesQuery) (control.Rules, error) {
	return hostileOf[control.Rules](d.bools), unwilling(q.Pack)
}

func (d hostileDaemon) EndShadow(_ context.Context, pack string, _ bool) (control.Changed, error) {
	return hostileOf[control.Changed](d.bools), unwilling(pack)
}

func (d hostileDaemon) SetMode(_ context.Context, pack string, _ control.ModeRequest) (control.Changed, error) {
	return hostileOf[control.Changed](d.bools), unwilling(pack)
}

func (d hostileDaemon) Pause(context.Context, bool) error { return nil }

func (d hostileDaemon) RetryErrors(_ context.Context, pack string, _ control.RetryErrorsRequest) (control.Retried, error) {
	return hostileOf[control.Retried](d.bools), unwilling(pack)
}

func (d hostileDaemon) ErrorsRetried(context.Context, string, time.Duration) (control.Retried, error) {
	return hostileOf[control.Retried](d.bools), nil
}

func (d hostileDaemon) Explain(_ context.Context, q control.ExplainQuery) (control.Explained, error) {
	return hostileOf[control.Explained](d.bools), unwilling(q.Of)
}

func (d hostileDaemon) Forget(_ context.Context, in control.ForgetRequest) (control.Forgotten, error) {
	return hostileOf[control.Forgotten](d.bools), unwilling(in.Who)
}

func (d hostileDaemon) Drain(context.Context) (control.Drain, error) {
	return hostileOf[control.Drain](d.bools), nil
}

func (d hostileDaemon) Drained(context.Context, time.Duration) (control.Drain, error) {
	return hostileOf[control.Drain](d.bools), nil
}

func (d hostileDaemon) Apply(_ context.Context, in control.ApplyRequest) (control.ApplyResult, error) {
	out := control.ApplyResult{Batch: in.Batch, Waits: []string{hostile}}
	for range in.Reads {
		out.Reads = append(out.Reads, hostileOf[control.AppliedNow](d.bools))
	}
	return out, nil
}
func (d hostileDaemon) Read(_ context.Context, in control.ReadRequest) (control.ReadRequested, error) {
	return hostileOf[control.ReadRequested](d.bools), unwilling(in.Chat)
}

func (d hostileDaemon) Hold(_ context.Context, in control.HoldRequest) (control.Held, error) {
	return hostileOf[control.Held](d.bools), unwilling(in.Chat)
}

func (d hostileDaemon) Signal(_ context.Context, in control.SignalRequest) (control.Signaled, error) {
	s := hostileOf[control.Signaled](d.bools)
	if in.Name == "unheard" {
		s.Rules, s.Shadow = 0, 0
	}
	return s, unwilling(in.Chat)
}

func (d hostileDaemon) Release(_ context.Context, in control.ReleaseRequest) (control.Released, error) {
	return hostileOf[control.Released](d.bools), unwilling(in.Chat)
}

func (d hostileDaemon) Lists(context.Context) ([]control.List, error) {
	return []control.List{hostileOf[control.List](d.bools)}, nil
}

func (d hostileDaemon) List(context.Context, string, control.ListQuery) (control.ListShown, error) {
	return hostileOf[control.ListShown](d.bools), nil
}

func (d hostileDaemon) ListHistory(context.Context, string, int) (control.ListHistory, error) {
	return hostileOf[control.ListHistory](d.bools), nil
}

func (d hostileDaemon) ListAdd(_ context.Context, _ string, in control.ListAddRequest) (control.ListChanged, error) {
	if len(in.Members) > 0 && in.Members[0].Member == "refused" {
		return control.ListChanged{}, &control.RefusedError{Message: hostile, Hint: hostile, Diagnostics: diag.List{{Line: 1, Message: hostile, Hint: hostile}}}
	}
	return hostileOf[control.ListChanged](d.bools), nil
}

func (d hostileDaemon) ListRemove(context.Context, string, control.ListRemoveRequest) (control.ListChanged, error) {
	return hostileOf[control.ListChanged](d.bools), nil
}

func (d hostileDaemon) HoldSelection(_ context.Context, in control.HoldRequest) (control.HeldSelection, error) {
	return hostileOf[control.HeldSelection](d.bools), unwilling(strings.TrimPrefix(in.Where[0], "line="))
}

func (d hostileDaemon) ReleaseSelection(_ context.Context, in control.ReleaseRequest) (control.ReleasedSelection, error) {
	return hostileOf[control.ReleasedSelection](d.bools), unwilling(in.By)
}

func (d hostileDaemon) Waiting(_ context.Context, q control.WaitingQuery) (control.Waiting, error) {
	if len(q.Where) > 0 {
		return hostileOf[control.Waiting](d.bools), unwilling(strings.TrimPrefix(q.Where[0], "line="))
	}
	return hostileOf[control.Waiting](d.bools), nil
}

func (d hostileDaemon) CancelWaiting(context.Context, control.WaitingRequest) (control.WaitingChanged, error) {
	return hostileOf[control.WaitingChanged](d.bools), unwilling("refused")
}

func (d hostileDaemon) HurryWaiting(context.Context, control.WaitingRequest) (control.WaitingChanged, error) {
	return hostileOf[control.WaitingChanged](d.bools), nil
}

func (d hostileDaemon) RecordChat(context.Context, control.RecordQuery) (spec.Recording, error) {
	return hostileOf[spec.Recording](d.bools), nil
}

func (d hostileDaemon) Dead(context.Context, control.DeadQuery) (control.Dead, error) {
	return hostileOf[control.Dead](d.bools), nil
}

func (d hostileDaemon) RetryDead(context.Context, control.DeadRequest) (control.DeadRetried, error) {
	return hostileOf[control.DeadRetried](d.bools), nil
}

func (d hostileDaemon) DropDead(context.Context, control.DeadRequest) (control.DeadDropped, error) {
	return hostileOf[control.DeadDropped](d.bools), unwilling("refused")
}

func (d hostileDaemon) Quarantined(context.Context, int, bool) (control.Quarantine, error) {
	return hostileOf[control.Quarantine](d.bools), nil
}

func (d hostileDaemon) RetryQuarantined(context.Context, control.QuarantineRequest) (control.QuarantineRetried, error) {
	return hostileOf[control.QuarantineRetried](d.bools), nil
}

func (d hostileDaemon) DropQuarantined(context.Context, control.QuarantineRequest) (control.QuarantineDropped, error) {
	return hostileOf[control.QuarantineDropped](d.bools), unwilling("refused")
}

// hostileChert serves a Chert that answers with hostile texts, or refuses each call with
// one. It returns a configuration for it, with packs of hostile texts.
func hostileChert(t *testing.T, refuses bool) (config string) {
	t.Helper()
	sub := fmt.Sprintf(`{"id": %[1]s, "url": %[1]s, "events": [%[1]s], "version": %[1]s, "is_active": true, "created_at": %[1]s, "secret": %[1]s}`, quoteJSON(hostile))
	answers := map[string]string{
		"phone-numbers":         fmt.Sprintf(`{"phone_numbers": [{"id": %[1]s, "phone_number": %[1]s, "is_active": false}, {"phone_number": %[1]s, "is_active": true}]}`, quoteJSON(hostile)),
		"webhook-subscriptions": `{"subscriptions": [` + sub + `], "subscription": ` + sub + `}`,
		"events":                fmt.Sprintf(`{"events": [{"id": %[1]s, "event_id": %[1]s, "type": %[1]s, "created_at": %[1]s}], "next_cursor": %[1]s}`, quoteJSON(hostile)),
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
		if refuses {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"success": false, "error": {"status": 403, "code": 2005, "message": %[1]s, "retryable": false}, "trace_id": %[1]s}`, quoteJSON(hostile))
			return
		}
		io.WriteString(w, answers[route])
	}))
	t.Cleanup(api.Close)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "rules", hostileName+".lua"), `error(`+luaString(hostile)+`)`)
	config = filepath.Join(dir, "chertd.yaml")
	writeFile(t, config, fmt.Sprintf("chert: {base_url: %q, tenant: %s, signing_secret: %s}\nsources: {webhook: {listen: \"127.0.0.1:0\", secrets: [whsec_first]}}\n",
		api.URL+chertsim.BasePath, chertsim.DefaultTenant, chertsim.DefaultSigningSecret))
	return config
}

// unwilling returns the error of a command about what is named so.
func unwilling(name string) error {
	if name == "refused" {
		return &control.UserError{Message: hostile, Hint: hostile}
	}
	return nil
}

// hostileSocket serves a hostileDaemon.
func hostileSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "h") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	health := hostileOf[control.Health](true)
	health.Quoted = nil // probes hide these
	s := control.NewServer(control.Handler(control.Config{Daemon: hostileDaemon{bools: true}, Health: func() control.Health { return health }}), slog.New(slog.DiscardHandler))
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }() // ends with ErrServerClosed
	t.Cleanup(func() { s.Close(); <-served })
	return socket
}

// What a daemon may answer is printed whole in every shape it has.
func TestNothingHostileComesOutOfPrinters(t *testing.T) {
	t.Parallel()
	for _, bools := range []bool{true, false} {
		d := hostileDaemon{bools: bools}
		s, _ := d.Status(t.Context())
		packs, _ := d.Packs(t.Context())
		w := &hostileWorld{t: t}
		w.shows(func(out *screen) { _ = printStatus(out, s, time.Now()) })
		w.shows(func(out *screen) { _ = printPacks(out, packs) })
		w.shows(func(out *screen) { _ = printPack(out, packs[0]) })
		w.shows(func(out *screen) { _ = printIgnored(out, s.Ignored) })
		w.shows(func(out *screen) {
			forgotten := hostileOf[control.Forgotten](bools)
			for _, of := range []string{forgotten.Line, ""} {
				forgotten.Line = of
				for _, line := range forgottenWords(control.ForgetRequest{}, forgotten) {
					fmt.Fprintln(out, diag.Visible(line))
				}
			}
		})
		if s.Version != hostile || packs[0].Diagnostics[0].Message != hostile {
			t.Error("printing has changed the data")
		}
	}
}

// The control API's own answers are as safe to look at, and decode to what there is.
func TestNothingHostileComesOutOfTheAPI(t *testing.T) {
	t.Parallel()
	socket := hostileSocket(t)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer client.CloseIdleConnections()
	for _, request := range []string{
		"GET /-/ready?calls", "GET /api/v1/status", "GET /api/v1/packs", "POST /-/reload", "POST /api/v1/reload",
		"POST /api/v1/packs/x/mode", "POST /api/v1/packs/refused/mode", "GET /nosuch/%1b%0aFORGED%e2%80%ae", "GET /api/v1/packs/%1b%0aFORGED%e2%80%ae",
	} {
		method, path, _ := strings.Cut(request, " ")
		r, err := http.NewRequestWithContext(t.Context(), method, "http://chertd"+path, strings.NewReader(choose(strings.HasSuffix(path, "/mode"), `{"mode": "live"}`, "")))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", request, err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		var all any
		if err != nil || json.Unmarshal(body, &all) != nil {
			t.Errorf("%s answers no JSON: %v %q", request, err, body)
		}
		if what := unsafeIn(string(body)); what != "" {
			t.Errorf("%s: the answer has %s: %q", request, what, body)
		}
		if strings.Contains(path, "%") == false && !holds(all, hostile) {
			t.Errorf("%s: the answer has lost what it was to show: %s", request, body)
		}
	}
}

// A log line is a line, whoever gave what is in it, and a JSON record decodes.
func TestNothingHostileComesOutOfLogs(t *testing.T) {
	t.Parallel()
	type named string
	values := []any{
		hostile, named(hostile), errors.New(hostile), []byte(hostile), []string{hostile}, map[string]any{hostile: hostile},
		slog.GroupValue(slog.String(hostile, hostile)), &stringer{hostile}, diag.List{{File: hostile, Message: hostile, Hint: hostile}}, nil,
	}
	for _, format := range []string{"text", "json"} {
		for i, v := range values {
			for _, key := range []string{"k", "err", "hint", hostile} {
				var out bytes.Buffer
				log, _ := newLogger(&screen{w: &out}, LogConfig{Level: "debug", Format: format, Text: true})
				log.With(key, v).WithGroup(hostile).Info(hostile, key, v)
				text := out.String()
				if what := unsafeIn(text); what != "" {
					t.Errorf("%s: %s=%T: the log has %s: %q", format, key, v, what, text)
				}
				lines := strings.Count(text, "\n")
				for line := range strings.Lines(text) {
					if strings.HasPrefix(line, "    ") {
						lines-- // a text of several lines, below its record
					}
				}
				if lines != 1 {
					t.Errorf("%s: value %d under %q: %d lines: %q", format, i, key, lines, text)
				}
				if format == "json" {
					var record map[string]any
					if err := json.Unmarshal(out.Bytes(), &record); err != nil || record["msg"] != hostile {
						t.Errorf("%s=%T: not the record that was logged: %v %q", key, v, err, text)
					}
				}
			}
		}
	}
}

// stringer is a Stringer.
type stringer struct{ s string }

func (u *stringer) String() string { return u.s }

// A letter that comes in two writes is one, and one that never ends is shown.
func TestScreenJoinsSplitCharacters(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"aé验👋z", "\u202eé\x1b", "é\xe9", "\xff\xff"} {
		for i := range len(text) + 1 {
			var out bytes.Buffer
			s := &screen{w: &out}
			for _, part := range []string{text[:i], text[i:]} {
				if n, err := io.WriteString(s, part); n != len(part) || err != nil {
					t.Errorf("wrote %d of %d bytes: %v", n, len(part), err)
				}
			}
			s.flush()
			if out.String() != diag.Visible(text) {
				t.Errorf("%q in two at %d is %q", text, i, out.String())
			}
		}
	}
}

// Columns are those of a terminal, where letters of East Asia take two.
func TestPacksWithWideNamesAlign(t *testing.T) {
	t.Parallel()
	packs := []control.Pack{{Name: "验证码", Mode: "live", ModeBy: "default"}, {Name: "codes", Mode: "live", ModeBy: "default"}}
	compare(t, printed(t, func(b *strings.Builder) error { return printPacks(b, packs) }), `
PACK    VERSION   LIVE SINCE         MODE    RULES    EVENTS  FAILED
验证码  none      -                  -           0         0       0
codes   none      -                  -           0         0       0
`)
}
