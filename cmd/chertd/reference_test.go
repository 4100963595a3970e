package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// docs/cli.md and the manual pages are generated from the commands. The generator is a test,
// as that is what may look at the commands without being part of chertd.
var (
	updateReference = flag.Bool("reference.update", false, "write docs/cli.md")
	manFolder       = flag.String("reference.man", "", "write the manual pages into this folder")
	manVersion      = flag.String("reference.version", "", "the version that the manual pages are of")
	manDate         = flag.String("reference.date", "", "the date of that version, such as 2026-01-05")
)

const cliReference = "../../docs/cli.md"

// block is a part of a command's description.
type block struct {
	kind  blockKind
	lines []string // of a paragraph: one, without line ends; of a list: its items
}

type blockKind int

const (
	paragraph blockKind = iota
	literal             // shown as it is
	list
)

// blocks returns the parts of a text that is wrapped for terminals. What is indented is
// literal, and lines that begin with "- " are a list.
func blocks(text string) (all []block) {
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		line = strings.TrimRight(strings.ReplaceAll(line, "\t", "    "), " \n")
		if heading := strings.TrimLeft(line, "#"); heading != line {
			line = strings.TrimSpace(heading) // Cobra's headings are paragraphs
		}
		last := len(all) - 1
		kind := paragraph
		switch {
		case line == "":
			all = append(all, block{kind: -1})
			continue
		case strings.HasPrefix(line, "- "):
			kind, line = list, line[2:]
		case strings.HasPrefix(line, "  ") && last >= 0 && all[last].kind == list:
			all[last].lines[len(all[last].lines)-1] += " " + strings.TrimSpace(line)
			continue
		case strings.HasPrefix(line, "  "):
			kind = literal
			if last > 0 && all[last].kind == -1 && all[last-1].kind == literal {
				all = all[:last] // an empty line within a literal
				all[last-1].lines = append(all[last-1].lines, "")
				last--
			}
		}
		switch {
		case last < 0 || all[last].kind != kind:
			all = append(all, block{kind, []string{line}})
		case kind == paragraph:
			all[last].lines[0] += " " + line
		default:
			all[last].lines = append(all[last].lines, line)
		}
	}
	var kept []block
	for _, b := range all {
		if b.kind == literal {
			b.lines = outdented(b.lines)
		}
		if b.kind >= 0 {
			kept = append(kept, b)
		}
	}
	return kept
}

// outdented returns lines without the indentation that all have.
func outdented(lines []string) (all []string) {
	least := -1
	for _, line := range lines {
		if n := len(line) - len(strings.TrimLeft(line, " ")); line != "" && (least < 0 || n < least) {
			least = n
		}
	}
	for _, line := range lines {
		all = append(all, line[min(least, len(line)):])
	}
	return all
}

// flagShown is a flag as the reference shows it.
type flagShown struct {
	name    string // "-c, --config FILE"
	usage   string
	initial string // "": none that matters
}

// flagsOf returns the flags of a command, by name.
func flagsOf(cmd *cobra.Command) (all []flagShown) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" || f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		shown := flagShown{name: "--" + f.Name, usage: usage}
		if f.Shorthand != "" {
			shown.name = "-" + f.Shorthand + ", " + shown.name
		}
		if value != "" {
			shown.name += " " + value
		}
		switch f.DefValue {
		case "", "false", "0", "0s", "[]":
		default:
			shown.initial = strings.Trim(f.DefValue, "[]")
		}
		all = append(all, shown)
	})
	return all
}

// referenced returns the commands of a group, and those below them, as the reference lists them.
func referenced(cmd *cobra.Command) (all []*cobra.Command) {
	all = append(all, cmd)
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, referenced(sub)...)
		}
	}
	return all
}

// groupsOf returns the commands by purpose.
func groupsOf(root *cobra.Command) (groups []commandGroup) {
	for _, g := range root.Groups() {
		group := commandGroup{title: strings.TrimSuffix(g.Title, ":")}
		for _, cmd := range root.Commands() {
			if cmd.GroupID == g.ID && cmd.Name() != "help" {
				group.commands = append(group.commands, cmd)
			}
		}
		groups = append(groups, group)
	}
	return groups
}

// TestCommandReferenceIsCurrent compares docs/cli.md with the commands.
func TestCommandReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	want := cliPage(newRootCommand())
	if *updateReference {
		if err := os.WriteFile(cliReference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := os.ReadFile(cliReference) // without it, all differs
	if string(got) == want {
		return
	}
	old, now := strings.Split(string(got), "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(old) && i < len(now) && old[i] == now[i] {
		i++
	}
	t.Errorf("docs/cli.md is not what the commands give: line %d is %q, want %q; to write it, run: go test ./cmd/chertd -run TestCommandReferenceIsCurrent -reference.update", i+1, lineAt(old, i), lineAt(now, i))
}

func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// What the reference adds to the commands' own texts is of commands that exist.
func TestCommandReferenceNamesExistingCommands(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	walkCommands(newRootCommand(), func(cmd *cobra.Command) { there[cmd.CommandPath()] = true })
	for path := range furtherReading {
		if !there[path] {
			t.Errorf("there is no command %s", path)
		}
	}
	for _, e := range exitOnes {
		if !there["chertd "+e.commands] {
			t.Errorf("there is no command chertd %s", e.commands)
		}
	}
}

// Each command describes itself, and shows how it is called.
func TestCommandsHaveDescriptionsAndExamples(t *testing.T) {
	t.Parallel()
	walkCommands(newRootCommand(), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if !cmd.HasParent() || cmd.Name() == "help" || strings.HasPrefix(path, "chertd completion") {
			return // they are Cobra's
		}
		if cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s has no Long or no Example", path)
		}
		for _, f := range flagsOf(cmd) {
			if _, value, ok := strings.Cut(f.name[strings.Index(f.name, "--"):], " "); ok && value != strings.ToUpper(value) {
				t.Errorf("%s %s: its usage has no name for the value, in capitals and backquotes", path, f.name)
			}
		}
		for line := range strings.Lines(cmd.Example) {
			if command, ok := strings.CutPrefix(line, "  chertd "); ok {
				checkCommand(t, "chertd "+strings.TrimSpace(command))
			}
		}
	})
}

// The manual pages are those of all commands. groff, where there is one, finds nothing wrong with
// them. With -reference.man they are written.
func TestManualPages(t *testing.T) {
	t.Parallel()
	pages := manPages(newRootCommand(), *manVersion, *manDate)
	folder := *manFolder
	if folder == "" {
		folder = t.TempDir()
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	walkCommands(newRootCommand(), func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, ok := pages[name]
		if !ok && cmd.Name() != "help" {
			t.Errorf("there is no page %s", name)
		}
		for _, f := range flagsOf(cmd) {
			if ok && !strings.Contains(page, roff(f.name)) {
				t.Errorf("%s lacks %s", name, f.name)
			}
		}
	})
	if _, ok := pages["chertd.yaml.5"]; !ok {
		t.Error("there is no page chertd.yaml.5")
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("there is no groff")
	}
	for name := range pages {
		cmd := exec.Command(groff, "-man", "-ww", "-Tutf8", "-Kutf8", "-z", filepath.Join(folder, name))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("groff finds fault with %s: %v\n%s", name, err, out)
		}
	}
}

// What a description has in it keeps its form.
func TestDescriptionsKeepTheirForm(t *testing.T) {
	t.Parallel()
	got := blocks("One\ntwo.\n\n  literal\n\n    more\n\n- first\n  item\n- second\nend\n")
	want := []block{{paragraph, []string{"One two."}}, {literal, []string{"literal", "", "  more"}}, {list, []string{"first item", "second"}}, {paragraph, []string{"end"}}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := markdown("see docs/lua.md, rules.dir and --raw <x> * [CH041] of ev.state"), "see [lua.md](lua.md), `rules.dir` and `--raw` &lt;x> \\* [CH041] of `ev.state`"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := roff(`-x a\b`)+roffLine(".not a request"), `\-x a\eb\&.not a request`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
