package rules

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

var (
	yamlLine      = regexp.MustCompile(`^yaml: line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	// parserError are the messages whose lines count from 0.
	parserError = regexp.MustCompile(`^(did not find expected (key|node content|'-' indicator|',' or|<)|found (incompatible YAML document|undefined tag handle|duplicate %))`)
)

// YAMLSyntax explains an error that the YAML package returned for the text: the line,
// what is wrong, and where to look. The message contains nothing of the text, which may
// be a secret.
func YAMLSyntax(text []byte, err error) (line int, message, hint string) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(message, "unmarshal errors:\n"); ok {
		message, _, _ = strings.Cut(strings.TrimSpace(rest), "\n")
	}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = strings.TrimPrefix(err.Error(), m[0])
	}
	line = syntaxLine(text, message, line)
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		message = "a value that begins with * refers to another place in the file"
		line = lineAt(text, max(0, bytes.Index(text, []byte("*"+m[1]))))
	}
	switch {
	case strings.Contains(message, "alphabetic or numeric character"):
		message, hint = "a value that begins with * or & refers to another place in the file, by a name of letters and digits", "put the value in quotes if the * or & is part of it"
	case strings.Contains(message, "begins with *"):
		hint = "put the value in quotes if the * is part of it"
	case strings.Contains(message, "UTF-8"):
		hint = "save the file as UTF-8"
	case strings.Contains(message, "control characters"):
		hint = "delete the invisible character in this line"
	case strings.Contains(message, "unexpected end of stream"):
		message, hint = "a quote is opened here and not closed", "close the quote"
	case strings.Contains(message, "incompatible YAML document"):
		hint = "delete this line: files are YAML 1.1 or what 1.2 has in common with it"
	case bytes.Contains(text, []byte("\t")) && (strings.Contains(message, "cannot start any token") || strings.Contains(message, "a tab character")):
		hint = "indent with spaces, and quote a value that begins with a special character"
	case strings.Contains(message, "mapping values are not allowed"):
		hint = "look at the indentation of this line and the one before it, and quote a value that has a colon and a space in it"
	case strings.Contains(message, "did not find expected"):
		hint = "look for a bracket, a brace or a quote that is not closed, and at the indentation, in this line and those before it"
	default:
		hint = "look at this line and the one before it, and quote a value that begins with a special character"
	}
	return line, message, hint
}

// syntaxLine corrects the line of a YAML error. The parser counts the lines of some
// errors from 0, and gives none for others.
func syntaxLine(text []byte, message string, line int) int {
	lines := strings.Split(strings.TrimSuffix(string(unixLines(text)), "\n"), "\n")
	first := func(wrong func(line string) bool) int { return slices.IndexFunc(lines, wrong) + 1 }
	switch {
	case strings.Contains(message, "a tab character"):
		line = first(func(l string) bool {
			return strings.Contains(l[:len(l)-len(strings.TrimLeft(l, " \t"))], "\t") && strings.TrimSpace(l) != ""
		})
	case strings.Contains(message, "control characters"):
		line = first(func(l string) bool {
			return strings.ContainsFunc(l, func(r rune) bool {
				return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 && r != 0x85 || r == 0xfffe || r == 0xffff
			})
		})
	case strings.Contains(message, "UTF-8"):
		line = first(func(l string) bool { return !utf8.ValidString(l) })
	case strings.Contains(message, "unexpected end of stream"):
		line = unclosedLine(lines)
	case parserError.MatchString(message):
		line++
	}
	return min(max(line, 1), len(lines))
}

// unclosedLine returns the line of the quote that is open at the end of the text: the
// lines before it are valid without those that follow.
func unclosedLine(lines []string) int {
	return 1 + sort.Search(len(lines)-1, func(n int) bool {
		var doc yaml.Node
		dec := yaml.NewDecoder(strings.NewReader(strings.Join(lines[:n+1], "\n")))
		err := dec.Decode(&doc)
		return err != nil && !errors.Is(err, io.EOF) && strings.Contains(err.Error(), "unexpected end of stream")
	})
}
