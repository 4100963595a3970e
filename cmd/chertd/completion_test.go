package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"chertd/engine/control"
)

// Each argument and each flag with a value is completed, or listed as something that people
// make up; and nothing is listed that no command has.
func TestEveryArgumentIsCompleted(t *testing.T) {
	t.Parallel()
	paths, flags := map[string]bool{}, map[string]bool{}
	var walk func(cmd *cobra.Command, path string)
	walk = func(cmd *cobra.Command, path string) {
		paths[path] = true
		known := completions[path]
		for n, args := range [][]string{{"1.0"}, {"1.0", "shadow"}, {"1.0", "add", "x"}} {
			if _, ok := known.argument(n); ok {
				continue
			}
			if cmd.HasSubCommands() && len(strings.Fields(cmd.Use)) == 1 {
				continue // it refuses what is not a subcommand
			}
			if cmd.Args == nil || cmd.Args(cmd, args) == nil {
				t.Errorf("chertd %s takes %d arguments; completions says what %d of them are", path, len(args), len(known.args))
			}
		}
		cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
			if _, own := known.flags[flag.Name]; !own {
				flags[flag.Name] = true
			}
			if _, ok := known.flag(flag); !ok && flag.Value.Type() != "bool" {
				t.Errorf("chertd %s has --%s; flagValues does not say what its value is", path, flag.Name)
			}
		})
		for name := range known.flags {
			if cmd.Flags().Lookup(name) == nil {
				t.Errorf("chertd %s has no --%s", path, name)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub, path+" "+sub.Name())
		}
	}
	for _, cmd := range newRootCommand().Commands() {
		if cmd.Name() != "help" && cmd.Name() != "completion" {
			walk(cmd, cmd.Name())
		}
	}
	for path := range completions {
		if !paths[path] {
			t.Errorf("there is no command chertd %s", path)
		}
	}
	for name := range flagValues {
		if !flags[name] {
			t.Errorf("no command has --%s that means what flagValues says", name)
		}
	}
}

// answering is a daemon that has one of each thing, and one with a hostile name.
type answering struct{ full }

func (answering) Packs(context.Context) ([]control.Pack, error) {
	return []control.Pack{
		{Name: "codes", Mode: "live", Version: "aaaaaaaabbbb", Rules: 2, Versions: []control.PackVersion{{Version: "aaaaaaaabbbb"}, {Version: "3f786850ffff", Events: 7}, {Version: "0123456789ab"}}},
		{Name: "old", Gone: true}, {Name: hostile}, {Name: "--socket"},
	}, nil
}

func (answering) Rules(context.Context, control.RulesQuery) (control.Rules, error) {
	return control.Rules{Rules: []control.Rule{{Pack: "codes", Rule: "read codes", Mode: "live", Place: hostile}, {Pack: "codes", Rule: hostile}}}, nil
}

func (answering) Status(context.Context) (control.Status, error) {
	return control.Status{
		Holds:          &control.Holds{First: []control.Hold{{Chat: "held1", By: hostile}, {Chat: hostile}}},
		HeldSelections: []control.SelectionHold{{ID: 3, Where: "line=+14155550100"}, {ID: 4, Where: "line=+14155550199 is_group=true"}},
		Calls:          control.Calls{Lines: []control.LineStop{{Line: "+14155550155"}}},
	}, nil
}

func (answering) Tail(context.Context, control.TailQuery) (control.TailLines, error) {
	return &oneLine{control.Tailed{Kind: control.TailEvent, Event: "chert:msg:7b7f", Chat: "7d1b2c9e", Type: hostile, Outcome: "read"}}, nil
}

func (answering) Dead(context.Context, control.DeadQuery) (control.Dead, error) {
	return control.Dead{Groups: []control.DeadGroup{{HTTP: 400, Code: 2002, Count: 3}, {HTTP: 502, Count: 1}}, Dead: []control.DeadAction{{ID: "17.0", Chat: "dead1"}, {ID: "18.1", Chat: hostile}}}, nil
}

func (answering) Waiting(context.Context, control.WaitingQuery) (control.Waiting, error) {
	return control.Waiting{Waiting: []control.WaitingAction{{ID: "21.0", Line: "+14155550177", Chat: hostile}}}, nil
}

func (answering) Quarantined(context.Context, int, bool) (control.Quarantine, error) {
	return control.Quarantine{Quarantine: []control.QuarantinedDelivery{{ID: 41, Reason: hostile}}}, nil
}

func (answering) Lists(context.Context) ([]control.List, error) {
	return []control.List{{Name: "vips", Members: 2}, {Name: hostile}}, nil
}

func (answering) List(_ context.Context, name string, _ control.ListQuery) (control.ListShown, error) {
	if name != "vips" {
		return control.ListShown{}, &control.UserError{Message: "there is no list"}
	}
	return control.ListShown{Shown: []control.ListMember{{Member: "+14155550111"}, {Member: "c9"}, {Member: hostile}}}, nil
}

// answeringSocket is the socket of such a daemon.
func answeringSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "complete") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := control.NewServer(control.Handler(control.Config{Daemon: answering{}, Health: func() control.Health { return control.Health{} }}), slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return socket
}

// completeLine completes the last argument of a command line. It returns the words without their
// descriptions, and the directive.
func completeLine(t *testing.T, args ...string) (words []string, directive string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(append([]string{cobra.ShellCompRequestCmd}, args...), strings.NewReader(""), &out, &errs); code != exitOK {
		t.Errorf("chertd %q: exits with %d: %s", args, code, errs.String())
	}
	if !strings.HasPrefix(errs.String(), "Completion ended with directive: ") || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("chertd %q: it prints %q", args, errs.String())
	}
	if what := unsafeIn(out.String()); what != "" {
		t.Errorf("chertd %q: it prints %s: %q", args, what, out.String())
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for _, line := range lines[:len(lines)-1] {
		word, _, _ := strings.Cut(line, "\t")
		words = append(words, word)
	}
	return words, lines[len(lines)-1]
}

func TestCompletionKnowsWhatTheDaemonHas(t *testing.T) {
	t.Parallel()
	socket := answeringSocket(t)
	for line, want := range map[string]string{
		"rollback ":                      "codes old",
		"rollback co":                    "codes",
		"rollback codes ":                "3f786850 01234567",
		"rollback codes 3":               "3f786850",
		"rollback codes 3f786850 ":       "",
		"rollback nosuch ":               "",
		"packs remove ":                  "old",
		"mode codes/":                    "codes/read codes",
		"mode co":                        "codes|codes/read codes",
		"mode codes ":                    "live shadow off",
		"rules codes/r":                  "codes/read codes",
		"shadow ":                        "codes old",
		"retry-errors c":                 "codes",
		"apply x --mode ":                "codes= old=",
		"apply x --mode codes=":          "codes=live codes=shadow codes=off",
		"explain ":                       "7d1b2c9e chert:msg:7b7f",
		"explain chert:m":                "chert:msg:7b7f",
		"explain x --rule o":             "old",
		"hold ":                          "7d1b2c9e",
		"read 7":                         "7d1b2c9e",
		"signal human_replied --chat ":   "7d1b2c9e",
		"release ":                       "held1",
		"release --id ":                  "3 4",
		"release --where ":               "line=+14155550100",
		"forget --line ":                 "+14155550155",
		"tail --pack ":                   "codes old",
		"tail --rule ":                   "codes/read codes",
		"tail --outcome dea":             "dead",
		"tail --outcome dead,superseded": "dead,superseded",
		"waiting --where pa":             "pack=",
		"waiting --where pack=":          "pack=codes pack=old pack=--socket",
		"waiting --where rule=codes/":    "rule=codes/read codes",
		"waiting --where line=+1415":     "line=+14155550155 line=+14155550177",
		"waiting --where for=out":        "for=outage",
		"waiting --where kind=":          "kind=read kind=typing kind=react kind=send kind=notify",
		"waiting cancel ":                "21.0",
		"waiting now 21.0 ":              "",
		"hold --where is":                "is_group=",
		"dead retry ":                    "17.0 18.1",
		"dead retry 17.0 ":               "18.1",
		"dead drop --code ":              "2002 502",
		"dead --chat ":                   "dead1",
		"quarantine retry ":              "41",
		"list ":                          "vips",
		"list vips r":                    "remove",
		"list vips remove ":              "+14155550111 c9",
		"list vips remove c9 ":           "+14155550111",
		"list vips --after +":            "+14155550111",
		"check --format ":                "pretty json junit github",
		"eval e.json --format ":          "pretty json",
		"rules --sort c":                 "cost",
		"subscribe --events message.received,reaction.a": "message.received,reaction.added",
		"store b": "backup",
		"wait":    "waiting",
		"pause ":  "",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			args := strings.Split(line, " ")
			if takesSocket(args) {
				at := len(args) - 1
				if strings.HasPrefix(args[at-1], "--") { // the word is its value
					at--
				}
				args = slices.Insert(args, at, "--socket", socket)
			}
			words, _ := completeLine(t, args...)
			all := strings.Fields(want)
			if strings.Contains(want, "read codes") {
				all = strings.Split(want, "|")
			}
			if !slices.Equal(words, all) {
				t.Errorf("got %q, want %q", words, all)
			}
		})
	}
}

// takesSocket reports whether a command line is of a command with --socket.
func takesSocket(args []string) bool {
	cmd, _, err := newRootCommand().Find(args[:len(args)-1])
	return err == nil && cmd.Flags().Lookup("socket") != nil
}

// Where no daemon runs, completion prints nothing that a terminal would show, and knows the
// packs of the rules directory.
func TestCompletionWorksWithoutADaemon(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "rules/codes.lua", "")
	put(t, dir, "rules/vip/10-hold.lua", "error('never run')")
	put(t, dir, "rules/vip/pack.yaml", "name: vip")
	put(t, dir, "chertd.yaml", "rules: {dir: ./rules}\n")
	put(t, dir, "broken.yaml", "rules: [")
	config := filepath.Join(dir, "chertd.yaml")
	for _, test := range []struct {
		args      []string
		words     []string
		directive string
	}{
		{[]string{"rollback", "-c", config, ""}, []string{"codes", "vip"}, ":36"},
		{[]string{"mode", "-c", config, "v"}, []string{"vip"}, ":36"},
		{[]string{"rollback", "-c", config, "codes", ""}, nil, ":36"},
		{[]string{"check", "-c", config, filepath.Join(dir, "rules") + "/v"}, []string{filepath.Join(dir, "rules", "vip")}, ":0"},
		{[]string{"check", "-c", config, "other/"}, nil, ":0"},
		{[]string{"eval", "-c", config, ""}, []string{"json", "jsonl"}, ":8"},
		{[]string{"eval", "-c", config, "e.json", ""}, []string{filepath.Join(dir, "rules/codes.lua"), filepath.Join(dir, "rules/vip")}, ":0"},
		{[]string{"release", "-c", config, ""}, nil, ":36"},
		{[]string{"explain", "--socket", filepath.Join(dir, "none"), ""}, nil, ":36"},
		{[]string{"rollback", "-c", filepath.Join(dir, "broken.yaml"), ""}, nil, ":36"},
		{[]string{"check", "-c", filepath.Join(dir, "none.yaml"), ""}, nil, ":0"},
		{[]string{"run", "-c", ""}, []string{"yaml", "yml"}, ":8"},
		{[]string{"new", "--dir", ""}, nil, ":16"},
	} {
		words, directive := completeLine(t, test.args...)
		if !slices.Equal(words, test.words) || directive != test.directive {
			t.Errorf("chertd %q: got %q %s, want %q %s", test.args, words, directive, test.words, test.directive)
		}
	}
}

// A daemon that does not answer keeps nobody from typing.
func TestCompletionDoesNotWaitForADaemonThatHangs(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "hang")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	for _, test := range []struct {
		args      []string
		directive string
	}{
		{[]string{"release"}, ":36"},
		{[]string{"mode"}, ":36"}, // asks for rules, and for packs
		{[]string{"rules"}, ":36"},
		{[]string{"list", "vips", "remove"}, ":36"},
	} {
		began := time.Now()
		if words, directive := completeLine(t, append(test.args, "--socket", l.Addr().String(), "")...); len(words) > 0 || directive != test.directive {
			t.Errorf("%q: got %q %s", test.args, words, directive)
		}
		if took := time.Since(began); took > completionTime*3/2 {
			t.Errorf("%q took %s", test.args, took)
		}
	}
}

// bashCompletes completes a command line in bash as TAB does: with the script of chertd, and
// words broken at the characters of COMP_WORDBREAKS. bash-completion's function of the words
// is replaced by what it does for two words that a = or : separates.
const bashCompletes = `
_get_comp_words_by_ref() { words=("${given[@]}"); cword=$((${#given[@]}-1)); cur=${given[cword]}; prev=${given[cword-1]}; }
compopt() { :; } # bash has it only while somebody presses TAB
source <(chertd completion bash)
given=("$@") COLUMNS=200 COMP_TYPE=9 COMPREPLY=()
COMP_WORDS=("$@") COMP_CWORD=$(($#-1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
__start_chertd 2>&1
printf '%s\n' "${COMPREPLY[@]}"
`

// What several chats have in common is inserted in the line. In bash it must be quoted: the next
// TAB evaluates the line, and the names are other people's.
func TestBashDoesNotRunNames(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	for name, found := range map[string]string{
		"described": "a b$(echo ran >&2)1\tone\na b$(echo ran >&2)2\ttwo\n",
		"plain":     "a b$(echo ran >&2)1\na b$(echo ran >&2)2\n",
	} {
		script := strings.Replace(bashCompletes, "source <(chertd completion bash)", `source <(chertd completion bash)
chertd() { printf '`+found+`:36\n'; }`, 1)
		for _, typed := range []string{"", "a\\ b\\$\\(echo"} {
			cmd := exec.Command(bash, "--norc", "-c", script, "bash", "chertd", "explain", typed)
			out, err := cmd.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[0], `a\ b\$\(echo\ ran\ \>\&2\)1`) || !strings.HasPrefix(lines[1], `a\ b\$\(echo\ ran\ \>\&2\)2`) {
				t.Errorf("%s, typed %q: got %q (%v)", name, typed, out, err)
			}
		}
	}
}

// Without the package bash-completion nothing is completed, and TAB prints nothing.
func TestBashWithoutItsPackagePrintsNothing(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	script := strings.Replace(bashCompletes, "_get_comp_words_by_ref()", "other()", 1)
	out, err := exec.Command(bash, "--norc", "-c", script, "bash", "chertd", "rollb").CombinedOutput()
	if err != nil || string(out) != "\n" {
		t.Errorf("got %q (%v)", out, err)
	}
}

func TestBashCompletes(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	socket := answeringSocket(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"rollback", "--socket", socket, "co"}, "codes\n"},
		{[]string{"rollback", "--socket", socket, "codes", "3"}, "3f786850\n"},
		{[]string{"mode", "--socket", socket, `codes/re`}, `codes/read\ codes` + "\n"},
		{[]string{"explain", "--socket", socket, "chert:m"}, "msg:7b7f\n"},
		{[]string{"waiting", "--socket", socket, "--where", "pack=co"}, "codes\n"},
		{[]string{"waiting", "--socket", socket, "--where=fo"}, "for=\n"},
		{[]string{"rollb"}, "rollback\n"},
		{[]string{"release", "--socket", filepath.Join(filepath.Dir(socket), "none"), ""}, "\n"},
	} {
		cmd := exec.Command(bash, append([]string{"--norc", "-c", bashCompletes, "bash", "chertd"}, test.args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != test.want {
			t.Errorf("chertd %q: got %q (%v), want %q", test.args, out, err, test.want)
		}
	}
}
