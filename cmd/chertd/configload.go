package main

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/luabind/diag"
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
func loadOffline(file string) (*Config, diag.List, error) {
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
func loadConfig(file string, u use) (*Config, diag.List, error) {
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
func unreadConfig(file string, err error) diag.List {
	why, hint := whyUnread(file, err)
	switch {
	case diag.OpenFilesHint(err) != "", errors.Is(err, fs.ErrPermission), strings.Contains(why, "named pipe"):
	case errors.Is(err, fs.ErrNotExist):
		hint = "create it as docs/configuration.md shows, or name another with -c FILE"
	default:
		hint = "name the configuration with -c FILE"
	}
	return diag.List{{File: file, Severity: diag.SeverityError, Code: codeConfigFile, Hint: hint,
		Message: "the configuration can't be read: " + why}}
}

// parseConfig makes a configuration of the file's text. lookup is the environment.
func parseConfig(file string, text []byte, lookup func(string) (string, bool), u use) (*Config, diag.List) {
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
	slices.SortStableFunc(d.diags, func(a, b diag.Diagnostic) int {
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
		d.failAt(&second, codeSyntax, "delete the line ---, or what follows it", "a second document begins here: the file is one")
		return nil, false
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode && !isNull(top) {
		d.failAt(top, codeSyntax, d.begins, "expected keys and values, got %s", kindOf(top))
		return nil, false
	}
	return top, true
}

// syntax reports what the YAML parser finds wrong, at the line it names. Its
// message is shown only where nothing of the file is in it.
func (d *decoder) syntax(text []byte, err error) bool {
	diag := diag.Diagnostic{File: d.file, Severity: diag.SeverityError, Code: codeSyntax}
	diag.Line, diag.Message, diag.Hint = rules.YAMLSyntax(text, err)
	d.diags = append(d.diags, diag)
	return false
}
