package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const tutorialDoc = "../../docs/getting-started.md"

// TestTutorialWorksAsWritten runs docs/getting-started.md from its first command to its
// last, in a directory of its own. The document is the script:
//
//   - a block `lua FILE` or `yaml FILE` is saved as FILE;
//   - a block `console` has commands, after "$ ", and the output of each. A command
//     without output must print nothing. A line "…" stands for any number of lines;
//   - a block `text COMMAND` shows what COMMAND, which runs in another terminal, prints
//     from here on, among other lines.
//
// What differs from run to run is compared by its form only (tutorialMasks). Ids and
// versions must be used consistently.
func TestTutorialWorksAsWritten(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here", tool)
		}
	}
	began := time.Now()
	tut := newTutorial(t)
	list := snippets(t, tutorialDoc)
	steps := 0
	for _, s := range list {
		lang, file, _ := strings.Cut(s.lang, " ")
		switch {
		case lang == "console":
			steps += tut.console(s)
		case lang == "text" && file != "":
			tut.prints(s, file)
		case file != "":
			tut.save(s, file)
		}
	}
	tut.end()
	if steps < 30 {
		t.Errorf("the document has %d commands: the test proves nothing", steps)
	}
	for _, command := range tutorialCommands {
		if !slices.ContainsFunc(tut.ran, func(line string) bool { return strings.HasPrefix(line+" ", "chertd "+command+" ") }) {
			t.Errorf("the document does not run chertd %s", command)
		}
	}
	t.Logf("%d commands in %v", steps, time.Since(began).Round(time.Millisecond))
}

// tutorialCommands are what a newcomer must have used in the end.
var tutorialCommands = []string{"demo", "sim", "check", "run", "explain", "packs", "test", "new", "eval", "mode", "waiting", "backtest", "shadow", "rollback"}

// tutorialElsewhere are commands that the test does not run, and why.
var tutorialElsewhere = map[string]string{
	"go install ./cmd/chertd": "the tests have a chertd on their PATH",
	"chertd subscribe --url https://chertd.example.com/webhooks/chert": "needs an account",
	"chertd doctor": "is about the account",
}

// tutorialServers are the commands that run in terminals of their own, with what the
// test adds to them.
var tutorialServers = map[string]func(*tutorial) []string{
	"chertd demo": func(*tutorial) []string {
		// Long enough for a burst to settle and be read; the race detector slows the start.
		return []string{"--for", choose(raceEnabled, "20s", "7s"), "--rate", "8", "--seed", "1"}
	},
	"chertd sim --no-traffic": func(tut *tutorial) []string {
		return []string{"--listen", tut.api, "--webhook", "http://" + tut.webhook + "/webhooks/chert"}
	},
	"chertd run": func(*tutorial) []string { return nil },
}

// tutorialDelay is the delay that the document's pack has, and what it is in the test.
const tutorialDelay, tutorialShortDelay = "wait: 30s", "wait: 4s"

// tutorial is one run of the document.
type tutorial struct {
	t            *testing.T
	root, dir    string
	env          []string
	api, webhook string // addresses instead of the documented ones
	servers      map[string]*terminal
	same         tutorialIDs
	ran          []string // commands
}

const documentedAPI, documentedWebhook = "127.0.0.1:8790", "127.0.0.1:8787"

func newTutorial(t *testing.T) *tutorial {
	dir := t.TempDir()
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CHERTD_") })
	env = append(env, "HOME="+dir, "TZ=UTC")
	return &tutorial{t: t, root: dir, dir: dir, env: env, api: freeAddress(t), webhook: freeAddress(t),
		servers: map[string]*terminal{}, same: tutorialIDs{}}
}

// here replaces the documented addresses by those of the test.
func (tut *tutorial) here(text string) string {
	return strings.NewReplacer(documentedAPI, tut.api, documentedWebhook, tut.webhook).Replace(text)
}

// documented does the opposite, for outputs.
func (tut *tutorial) documented(text string) string {
	return strings.NewReplacer(tut.api, documentedAPI, tut.webhook, documentedWebhook).Replace(text)
}

func (tut *tutorial) save(s snippet, file string) {
	tut.t.Helper()
	path := filepath.Join(tut.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		tut.t.Fatal(err)
	}
	text := strings.ReplaceAll(tut.here(s.text), tutorialDelay, tutorialShortDelay)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tut.t.Fatal(err)
	}
}

// console runs the commands of a block, and returns their number.
func (tut *tutorial) console(s snippet) (commands int) {
	tut.t.Helper()
	for _, c := range strings.Split("\n"+s.text, "\n$ ")[1:] {
		line, want, _ := strings.Cut(c, "\n")
		commands++
		tut.command(s.place, line, want)
	}
	return commands
}

func (tut *tutorial) command(place, line, want string) {
	tut.t.Helper()
	if dir, ok := strings.CutPrefix(line, "cd "); ok {
		tut.dir = filepath.Join(tut.dir, dir)
		return
	}
	if tutorialElsewhere[line] != "" {
		return
	}
	tut.ran = append(tut.ran, line)
	if more := tutorialServers[line]; more != nil {
		term := tut.serve(line, more(tut))
		if line == "chertd demo" {
			term.atEnd, term.place = want, place // tut.end awaits it
			return
		}
		term.await(tut, place, line, want)
		return
	}
	tut.run(place, line, want)
}

// tutorialPatience is how long a command may take to print what the document shows.
const tutorialPatience = 30 * time.Second

// run runs a command. One that only looks is repeated until it prints what the document
// shows: chertd handles events, and notices edits, a moment later.
func (tut *tutorial) run(place, line, want string) {
	tut.t.Helper()
	ctx, stop := context.WithTimeout(tut.t.Context(), tutorialPatience)
	defer stop()
	for {
		cmd := exec.CommandContext(ctx, "sh", "-c", tut.here(line))
		cmd.Dir, cmd.Env = tut.dir, tut.env
		out, err := cmd.CombinedOutput()
		got := tut.documented(string(out))
		wrong := tut.same.compare(want, got)
		if wrong == "" && got != "" && !strings.HasSuffix(got, "\n") {
			wrong = "the next prompt would be on its last line"
		}
		if wrong == "" {
			return
		}
		if !onlyLooks(line) || ctx.Err() != nil {
			tut.t.Fatalf("%s: $ %s\n%s\nit ends with %v and prints\n%s\nthe document shows\n%s", place, line, wrong, err, got, want)
		}
	}
}

// onlyLooks reports whether a command can be repeated.
func onlyLooks(line string) bool {
	for _, command := range []string{"explain", "packs", "status", "waiting", "backtest", "version"} {
		if strings.HasPrefix(line, "chertd "+command) {
			return true
		}
	}
	return false
}

// prints waits until a terminal has printed what a block shows.
func (tut *tutorial) prints(s snippet, command string) {
	tut.t.Helper()
	term := tut.servers[command]
	if term == nil {
		tut.t.Fatalf("%s: %q does not run", s.place, command)
	}
	term.await(tut, s.place, command, "…\n"+s.text+"…\n")
}

// end stops what still runs, and looks at what was to run to its end.
func (tut *tutorial) end() {
	tut.t.Helper()
	if demo := tut.servers["chertd demo"]; demo != nil {
		<-demo.ended
		if wrong := tut.same.compare(demo.atEnd, demo.since(0)); wrong != "" {
			tut.t.Errorf("%s: chertd demo: %s\nit prints\n%s\nthe document shows\n%s", demo.place, wrong, demo.since(0), demo.atEnd)
		}
	}
}

// serve starts a command that runs in a terminal of its own.
func (tut *tutorial) serve(line string, more []string) *terminal {
	tut.t.Helper()
	if before := tut.servers[line]; before != nil {
		select { // its terminal is free once it has ended
		case <-before.ended:
		case <-time.After(tutorialPatience):
			tut.t.Fatalf("$ %s runs already", line)
		}
	}
	words := append(strings.Fields(line), more...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Env = tut.dir, tut.env
	term, err := openTerminal(cmd)
	if err != nil {
		tut.t.Fatalf("$ %s: %v", line, err)
	}
	tut.t.Cleanup(term.close)
	tut.servers[line] = term
	return term
}

// await waits until a terminal shows what the document does, since what was awaited last.
func (term *terminal) await(tut *tutorial, place, line, want string) {
	tut.t.Helper()
	patience := time.NewTimer(tutorialPatience)
	defer patience.Stop()
	for {
		changed := term.change()
		got := tut.documented(term.since(term.seen))
		wrong := tut.same.compare(want, got)
		if wrong == "" {
			term.seen += strings.Count(got, "\n")
			return
		}
		select {
		case <-changed:
		case <-term.ended:
			tut.t.Fatalf("%s: $ %s has ended: %s\nit prints\n%s", place, line, wrong, got)
		case <-patience.C:
			tut.t.Fatalf("%s: $ %s: %s\nit prints\n%s\nthe document shows\n%s", place, line, wrong, got, want)
		}
	}
}
