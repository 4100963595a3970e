package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// furtherReading are the sections of the documents that say more about a command than its help:
// "operations.md#Heading".
var furtherReading = map[string][]string{
	"chertd subscribe":    {"operations.md#Subscribe to events"},
	"chertd doctor":       {"operations.md#Find out what is wrong"},
	"chertd run":          {"configuration.md#All keys", "operations.md#What chertd promises"},
	"chertd new":          {"rules.md"},
	"chertd check":        {"checks.md"},
	"chertd test":         {"specs.md"},
	"chertd eval":         {"rules.md"},
	"chertd backtest":     {"backtest.md"},
	"chertd spec record":  {"operations.md#From a wrong read to a tested fix"},
	"chertd status":       {"operations.md#Check the daemon's status", "operations.md#When calls do not go through"},
	"chertd tail":         {"operations.md#Watch what happens", "outcomes.md"},
	"chertd explain":      {"operations.md#Why was a chat read, or not?", "outcomes.md"},
	"chertd rules":        {"operations.md#Find rules that do nothing"},
	"chertd waiting":      {"operations.md#What waits, and for what"},
	"chertd packs":        {"operations.md#Manage packs and edits", "operations.md#Compare what runs in shadow"},
	"chertd mode":         {"operations.md#Run a pack in shadow mode, or turn it off"},
	"chertd shadow":       {"operations.md#Run live in a share of the chats"},
	"chertd rollback":     {"operations.md#Roll back a pack"},
	"chertd read":         {"operations.md#Mark a chat as read"},
	"chertd apply":        {"operations.md#Run a new rule over yesterday's messages"},
	"chertd hold":         {"operations.md#Hold a chat"},
	"chertd signal":       {"operations.md#Send a signal"},
	"chertd list":         {"operations.md#Lists"},
	"chertd pause":        {"operations.md#Stop all calls"},
	"chertd drain":        {"operations.md#Stop chertd"},
	"chertd dead":         {"operations.md#Dead letters"},
	"chertd quarantine":   {"operations.md#When deliveries are in quarantine"},
	"chertd retry-errors": {"operations.md#Run events again"},
	"chertd store":        {"operations.md#Back up and restore", "operations.md#When the store is damaged"},
	"chertd forget":       {"operations.md#Forget a chat or a person"},
	"chertd version":      {"http-api.md#JSON"},
}

// exitOnes are the commands whose exit code 1 means something of its own.
var exitOnes = []struct{ commands, meaning string }{
	{"check", "there are errors; with --strict, also warnings"},
	{"test", "a spec failed, or a pack does not load"},
	{"eval", "a rule failed, or the rules do not load"},
	{"backtest", "a condition of --fail-if holds"},
	{"doctor", "there is a problem"},
	{"reload", "something is not live, or the settings have an error"},
	{"shadow", "the candidate does not pass"},
	{"read", "the read was dropped"},
	{"tail", "the daemon has stopped; Ctrl-C ends it with 0"},
	{"drain", "the daemon has not stopped in time"},
	{"quarantine retry", "none of the deliveries is understood"},
	{"store check", "the store is damaged"},
}

// cliPage returns docs/cli.md.
func cliPage(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(`# Commands

<!-- Generated from the commands. Change their texts in cmd/chertd, and run:
     go test ./cmd/chertd -run TestCommandReferenceIsCurrent -reference.update -->

This page has each command of ` + "`chertd`" + ` with its arguments, flags and examples. ` + "`chertd help COMMAND`" + ` and
` + "`man chertd-COMMAND`" + ` show the same; the manual pages are in the archive of a release.

`)
	groups := groupsOf(root)
	for _, g := range groups {
		fmt.Fprintf(&b, "**%s**\n\n", g.title)
		for _, cmd := range g.commands {
			for _, c := range referenced(cmd) {
				indent := strings.Repeat("  ", strings.Count(c.CommandPath(), " ")-1)
				fmt.Fprintf(&b, "%s- [%s](#%s): %s\n", indent, strings.TrimPrefix(c.CommandPath(), "chertd "), strings.ReplaceAll(c.CommandPath(), " ", "-"), markdown(lowered(c.Short)))
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(`## Arguments and flags

Words in capitals stand for values. ` + "`[…]`" + ` is optional, ` + "`A | B`" + ` is one of them, and ` + "`…`" + ` after a word means
one or more. Flags may stand before and after arguments; after ` + "`--`" + ` everything is an argument. A DURATION is
a number with a unit: ` + "`500ms`, `90s`, `5m`, `2h`, `7d`" + `. Commands that talk to the daemon find its socket in the
configuration, and ` + "`--json`" + ` prints [documented fields](http-api.md#json). Shells can complete commands, flags and
names: see [chertd completion](#chertd-completion).

## Exit codes

| code | meaning |
|---|---|
| 0 | the command did what it was called for |
| 1 | it failed, or found what it looks for; the error is on standard error |
| 2 | the command line is wrong: an unknown command or flag, or a bad value |
| 78 | ` + "`chertd run`" + ` can't start with this configuration; starting it again does not help |

Exit code 1 of some commands:

| command | 1 means |
|---|---|
`)
	for _, e := range exitOnes {
		fmt.Fprintf(&b, "| [%s](#chertd-%s) | %s |\n", e.commands, strings.ReplaceAll(e.commands, " ", "-"), cell(markdown(e.meaning)))
	}
	for _, g := range groups {
		for _, cmd := range g.commands {
			for _, c := range referenced(cmd) {
				b.WriteString("\n")
				cliSection(&b, c)
			}
		}
	}
	return b.String()
}

// cliSection writes what docs/cli.md has about one command.
func cliSection(b *strings.Builder, cmd *cobra.Command) {
	level := "##"
	if cmd.Parent().HasParent() {
		level = "###"
	}
	fmt.Fprintf(b, "%s %s\n\n%s.\n\n```text\n%s\n```\n\n", level, cmd.CommandPath(), markdown(strings.TrimSuffix(cmd.Short, ".")), cmd.UseLine())
	for _, part := range blocks(cmd.Long) {
		switch part.kind {
		case paragraph:
			b.WriteString(wrapped(markdown(part.lines[0]), "") + "\n\n")
		case literal:
			b.WriteString("```text\n" + strings.Join(part.lines, "\n") + "\n```\n\n")
		case list:
			for _, item := range part.lines {
				b.WriteString("- " + wrapped(markdown(item), "  ") + "\n")
			}
			b.WriteString("\n")
		}
	}
	if flags := flagsOf(cmd); len(flags) > 0 {
		b.WriteString("| flag | meaning |\n|---|---|\n")
		for _, f := range flags {
			usage := markdown(f.usage)
			if f.initial != "" {
				usage += fmt.Sprintf(" (default `%s`)", f.initial)
			}
			fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(f.name, "|", `\|`), cell(usage))
		}
		b.WriteString("\n")
	}
	if cmd.Example != "" {
		b.WriteString("```console\n")
		for _, line := range outdented(strings.Split(strings.TrimRight(cmd.Example, "\n"), "\n")) {
			if !strings.HasPrefix(line, " ") { // no continued line
				line = "$ " + line
			}
			b.WriteString(line + "\n")
		}
		b.WriteString("```\n\n")
	}
	var more []string
	for _, place := range furtherReading[cmd.CommandPath()] {
		file, title, _ := strings.Cut(place, "#")
		if title == "" {
			more = append(more, fmt.Sprintf("[%s](%s)", file, file))
			continue
		}
		anchor := strings.ReplaceAll(regexp.MustCompile(`[^\p{L}\p{N}_\- ]`).ReplaceAllString(strings.ToLower(title), ""), " ", "-")
		more = append(more, fmt.Sprintf("[%s](%s#%s)", title, file, anchor))
	}
	if len(more) > 0 {
		b.WriteString("More: " + strings.Join(more, "; ") + ".\n\n")
	}
	text := strings.TrimRight(b.String(), "\n") + "\n"
	b.Reset()
	b.WriteString(text)
}

var (
	documentName = regexp.MustCompile(`\bdocs/(([a-z-]+)\.md)`)
	codeWord     = regexp.MustCompile(`(^|[ (])(--?[a-z][a-z-]*|[a-z_]+(?:\.[a-z_]+)+(?:\.lua)?|[a-z]+://\S+|\$[a-z]+)([ ,.;:)]|$)`)
)

// markdown returns a sentence of a help text as Markdown. Flags, keys and file names are code.
func markdown(text string) string {
	text = strings.NewReplacer("<", "&lt;", "*", `\*`, "`", "'").Replace(text)
	for range 2 { // two that follow each other share the space between them
		text = codeWord.ReplaceAllString(text, "$1`$2`$3")
	}
	return documentName.ReplaceAllString(text, "[$1]($1)")
}

// cell returns text for a cell of a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// lowered returns a command's short description for a list.
func lowered(short string) string { return strings.ToLower(short[:1]) + short[1:] }

// wrapped breaks a paragraph into lines of at most 110 characters, each after the first indented.
func wrapped(text, indent string) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(indent)+len(line)+1+len(word) > 110 {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return strings.Join(slices.Concat(lines, []string{line}), "\n"+indent)
}
