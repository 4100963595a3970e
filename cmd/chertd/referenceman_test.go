package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// manPages returns the manual pages by the names of their files: one for each command, and
// chertd.yaml(5). They have no date but the one given.
func manPages(root *cobra.Command, version, date string) map[string]string {
	pages := map[string]string{}
	title := func(name, section string) string {
		return fmt.Sprintf(".TH %q %s %q %q %q\n", roff(strings.ToUpper(name)), section, date, strings.TrimSpace("chertd "+version), "chertd manual")
	}
	for _, cmd := range referenced(root) {
		if cmd.Name() == "help" {
			continue
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		var b strings.Builder
		b.WriteString(title(name, "1"))
		manPage(&b, name, cmd)
		pages[name+".1"] = b.String()
	}
	pages["chertd.yaml.5"] = title("chertd.yaml", "5") + configurationPage()
	return pages
}

func manPage(b *strings.Builder, name string, cmd *cobra.Command) {
	fmt.Fprintf(b, ".SH NAME\n%s \\- %s\n", roff(name), roff(lowered(cmd.Short)))
	usage := cmd.UseLine()
	if !cmd.HasParent() {
		usage = "chertd COMMAND [flags]"
	}
	fmt.Fprintf(b, ".SH SYNOPSIS\n.nf\n%s\n.fi\n", roffLine(usage))
	b.WriteString(".SH DESCRIPTION\n")
	for i, part := range blocks(cmd.Long) {
		switch part.kind {
		case paragraph:
			if i > 0 {
				b.WriteString(".PP\n")
			}
			b.WriteString(roffLine(part.lines[0]) + "\n")
		case literal:
			roffLiteral(b, part.lines)
		case list:
			for _, item := range part.lines {
				b.WriteString(".IP \\(bu 2\n" + roffLine(item) + "\n")
			}
		}
	}
	if flags := flagsOf(cmd); len(flags) > 0 {
		b.WriteString(".SH OPTIONS\n")
		for _, f := range flags {
			usage := f.usage
			if f.initial != "" {
				usage += fmt.Sprintf(" (default %s)", f.initial)
			}
			fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(f.name), roffLine(usage))
		}
	}
	if !cmd.HasParent() {
		for _, g := range groupsOf(cmd) {
			fmt.Fprintf(b, ".SH %s\n", roff(strings.ToUpper(g.title)))
			for _, c := range g.commands {
				fmt.Fprintf(b, ".TP\n.BR %s (1)\n%s\n", roff("chertd-"+c.Name()), roffLine(lowered(c.Short)))
			}
		}
	}
	b.WriteString(".SH EXIT STATUS\n")
	meaning := "It failed."
	for _, e := range exitOnes {
		if "chertd "+e.commands == cmd.CommandPath() {
			meaning = "It failed, or " + e.meaning + "."
		}
	}
	fmt.Fprintf(b, ".TP\n.B 0\nThe command did what it was called for.\n.TP\n.B 1\n%s\n.TP\n.B 2\nThe command line is wrong.\n", roffLine(meaning))
	if cmd.CommandPath() == "chertd run" || !cmd.HasParent() {
		b.WriteString(".TP\n.B 78\n" + roffLine("chertd run can't start with this configuration; starting it again does not help.") + "\n")
	}
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		roffLiteral(b, outdented(strings.Split(strings.TrimRight(cmd.Example, "\n"), "\n")))
	}
	b.WriteString(".SH SEE ALSO\n")
	var others []string
	if cmd.HasParent() {
		others = append(others, strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-"))
		for _, c := range cmd.Commands() {
			others = append(others, name+"-"+c.Name())
		}
	}
	for _, other := range others {
		fmt.Fprintf(b, ".BR %s (1),\n", roff(other))
	}
	b.WriteString(".BR chertd.yaml (5)\n")
}

// configurationPage returns the body of chertd.yaml(5): the key table of docs/configuration.md.
func configurationPage() string {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		panic(err)
	}
	_, keys, _ := strings.Cut(string(text), "\n## All keys\n")
	_, keys, _ = strings.Cut(keys, "```yaml\n")
	keys, _, ok := strings.Cut(keys, "\n```")
	if !ok {
		panic("docs/configuration.md has no block of all keys")
	}
	var b strings.Builder
	b.WriteString(".SH NAME\nchertd.yaml \\- the configuration of chertd\n.SH DESCRIPTION\n")
	for i, p := range []string{
		"chertd run reads the file given with -c, or else ./chertd.yaml, or else /etc/chertd/chertd.yaml. All keys except the credentials have defaults. Relative paths are relative to the file.",
		"${NAME} is replaced by an environment variable. Any secret may be in a file: instead of signing_secret, write signing_secret_file with its path.",
		"chertd check -c FILE lists all errors of the file, with their lines and fixes.",
	} {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		b.WriteString(roffLine(p) + "\n")
	}
	b.WriteString(".SH KEYS\n")
	roffLiteral(&b, strings.Split(keys, "\n"))
	b.WriteString(".SH SEE ALSO\n.BR chertd (1),\n.BR chertd\\-check (1),\n.BR chertd\\-reload (1)\n")
	return b.String()
}

// roffLiteral writes lines as they are.
func roffLiteral(b *strings.Builder, lines []string) {
	b.WriteString(".PP\n.RS 4\n.nf\n")
	for _, line := range lines {
		b.WriteString(roffLine(line) + "\n")
	}
	b.WriteString(".fi\n.RE\n")
}

// roff escapes text for roff. A hyphen stays one that can be copied into a shell.
func roff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(text)
}

// roffLine escapes a line that must not be taken for a request.
func roffLine(text string) string {
	escaped := roff(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + escaped
	}
	return escaped
}
