package main

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"chertd/luabind"
	"chertd/rules"
)

// configPlaces are where the configuration is looked for without -c.
var configPlaces = []string{"chertd.yaml", "/etc/chertd/chertd.yaml"}

// maxConfig bounds the configuration's file.
const maxConfig = 1 << 20

// use is what a configuration is loaded for.
type use struct {
	// events says that the daemon has events from elsewhere and needs no source
	// of its own.
	events bool
	// offline is for commands that run rules and make no calls. No secret is
	// needed: files of secrets are not read, and what is missing is a warning.
	// Environment variables are read within `rules` only, where they decide what
	// rules do; another key that takes one has its default.
	offline bool
}

// loadOffline reads and checks a configuration for a command that runs rules
// and makes no calls: check, test, eval. The error is one of reading the file.
// What is wrong in the file is in the diagnostics, errors and warnings; the
// Config is nil if nothing could be understood. "" looks in configPlaces.
func loadOffline(file string) (*Config, luabind.Diagnostics, error) {
	file, err := findConfig(file)
	if err != nil {
		return nil, nil, fail(exitFailure, err)
	}
	text, err := readConfig(file)
	if err != nil {
		return nil, nil, fail(exitFailure, err)
	}
	c, diags := parseConfig(file, text, os.LookupEnv, use{offline: true})
	return c, diags, nil
}

// loadConfig reads and checks the configuration: the file named, or the first
// of configPlaces. Its warnings come with it; whatever can't be run with is an
// error of exit code 78, with all that is wrong at once.
func loadConfig(file string, u use) (*Config, luabind.Diagnostics, error) {
	file, err := findConfig(file)
	if err != nil {
		return nil, nil, err
	}
	text, err := readConfig(file)
	if err != nil {
		return nil, nil, fail(exitConfig, err)
	}
	c, diags := parseConfig(file, text, os.LookupEnv, u)
	if diags.Errors() {
		return nil, nil, fail(exitConfig, diags)
	}
	return c, diags, nil
}

func findConfig(file string) (string, error) {
	if file != "" {
		return file, nil
	}
	for _, place := range configPlaces {
		_, err := os.Stat(place)
		if err == nil {
			return place, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fail(exitConfig, unreadConfig(place, err))
		}
	}
	return "", hinted(fail(exitConfig, errors.New("there is no configuration: neither ./chertd.yaml nor /etc/chertd/chertd.yaml exists")),
		"create chertd.yaml as docs/configuration.md shows, or name one with -c FILE;\n"+
			"to try chertd without an account run `chertd demo`, or develop against `chertd sim`")
}

// readConfig reads a configuration's file. Its error is a Diagnostics.
func readConfig(file string) ([]byte, error) {
	text, err := readSmall(file, maxConfig)
	if err != nil {
		return nil, unreadConfig(file, err)
	}
	return text, nil
}

// unreadConfig says why a configuration's file can't be read.
func unreadConfig(file string, err error) luabind.Diagnostics {
	why, hint := whyUnread(file, err)
	switch {
	case luabind.OpenFilesHint(err) != "", errors.Is(err, fs.ErrPermission), strings.Contains(why, "named pipe"):
	case errors.Is(err, fs.ErrNotExist):
		hint = "create it as docs/configuration.md shows, or name another with -c FILE"
	default:
		hint = "name the configuration with -c FILE"
	}
	return luabind.Diagnostics{{File: file, Severity: luabind.SeverityError, Code: codeConfigFile, Hint: hint,
		Message: "the configuration can't be read: " + why}}
}

// parseConfig makes a configuration of the file's text. lookup is the environment.
func parseConfig(file string, text []byte, lookup func(string) (string, bool), u use) (*Config, luabind.Diagnostics) {
	c := defaultConfig()
	c.File = file
	d := newDecoder(file)
	d.lookup, d.use = lookup, u
	doc, ok := d.document(text)
	if !ok {
		return nil, d.diags
	}
	if doc != nil {
		d.decode(doc, reflect.ValueOf(&c).Elem(), "")
	}
	c.check(d)
	c.resolve()
	c.places = map[string]rules.Position{}
	for path, key := range d.keys {
		c.places[path] = rules.Position{File: file, Line: key.Line, Col: key.Column}
	}
	for path, item := range d.places {
		if strings.HasSuffix(path, "]") {
			c.places[path] = rules.Position{File: file, Line: item.Line, Col: item.Column}
		}
	}
	slices.SortStableFunc(d.diags, func(a, b luabind.Diagnostic) int {
		return cmp.Compare(uint(a.Line-1), uint(b.Line-1)) // those without a place last
	})
	return &c, d.diags
}

// document is the one YAML document of the file; nil if it says nothing.
func (d *decoder) document(text []byte) (*yaml.Node, bool) {
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, true
	case err != nil:
		return nil, d.syntax(text, err)
	}
	switch err := dec.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, d.syntax(text, err)
	default:
		d.failAt(&second, codeSyntax, "delete the line ---, or what follows it", "a second document begins here: a configuration is one")
		return nil, false
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode && !isNull(top) {
		d.failAt(top, codeSyntax, "begin as docs/configuration.md shows, with chert:", "expected keys and values, got %s", kindOf(top))
		return nil, false
	}
	return top, true
}

var (
	yamlLine      = regexp.MustCompile(`^yaml: line (\d+): `)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntax reports what the YAML parser finds wrong, at the line it names. Its
// message is shown only where nothing of the file is in it.
func (d *decoder) syntax(text []byte, err error) bool {
	diag := luabind.Diagnostic{File: d.file, Severity: luabind.SeverityError, Code: codeSyntax}
	diag.Message = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		diag.Line, _ = strconv.Atoi(m[1])
		diag.Message = strings.TrimPrefix(err.Error(), m[0])
	}
	diag.Line = syntaxLine(text, diag.Message, diag.Line)
	if m := unknownAnchor.FindStringSubmatch(diag.Message); m != nil {
		diag.Message = "a value that begins with * refers to another place in the file"
		diag.Line = 1 + strings.Count(string(text[:max(0, bytes.Index(text, []byte("*"+m[1])))]), "\n")
	}
	switch {
	case strings.Contains(diag.Message, "UTF-8"):
		diag.Hint = "save the file as UTF-8"
	case strings.Contains(diag.Message, "control characters"):
		diag.Hint = "delete the invisible character in this line"
	case bytes.Contains(text, []byte("\t")) && (strings.Contains(diag.Message, "cannot start any token") || strings.Contains(diag.Message, "a tab character")):
		diag.Hint = "indent with spaces, and quote a value that begins with a special character"
	case strings.Contains(diag.Message, "mapping values are not allowed"):
		diag.Hint = "look at the indentation of this line and the one before it, and quote a value that has a colon and a space in it"
	case strings.Contains(diag.Message, "did not find expected"):
		diag.Hint = "look for a bracket, a brace or a quote that is not closed, and at the indentation, in this line and those before it"
	default:
		diag.Hint = "look at this line and the one before it, and quote a value that begins with a special character"
	}
	d.diags = append(d.diags, diag)
	return false
}

// syntaxLine is the line of an error of the YAML parser's, which counts the lines
// of some errors from 0, and does not tell those of others.
func syntaxLine(text []byte, message string, line int) int {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	first := func(wrong func(line string) bool) int { return slices.IndexFunc(lines, wrong) + 1 }
	switch {
	case strings.Contains(message, "a tab character"):
		line = first(func(l string) bool {
			return strings.Contains(l[:len(l)-len(strings.TrimLeft(l, " \t"))], "\t") && strings.TrimSpace(l) != ""
		})
	case strings.Contains(message, "control characters"):
		line = first(func(l string) bool {
			return strings.ContainsFunc(l, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' || r == 0x7f })
		})
	case strings.Contains(message, "UTF-8"):
		line = first(func(l string) bool { return !utf8.ValidString(l) })
	case strings.Contains(message, "end of stream") && line > len(lines):
		line = 1 // where what does not end begins
	case parserError.MatchString(message):
		line++
	}
	return min(max(line, 1), len(lines))
}

// parserError are the messages whose lines count from 0.
var parserError = regexp.MustCompile(`^did not find expected (key|node content|'-' indicator|',' or|<)`)
