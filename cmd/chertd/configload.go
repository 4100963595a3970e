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

// configPlaces are the paths that are searched for a configuration without -c.
var configPlaces = []string{"chertd.yaml", "/etc/chertd/chertd.yaml"}

// maxConfig is the maximum size of the configuration's file, in bytes.
const maxConfig = 1 << 20

// use is the purpose for which a configuration is loaded.
type use struct {
	// events is set if the daemon has another source of events and needs none from the
	// configuration.
	events bool
	// offline is set by commands that run rules and make no calls. They need no secrets:
	// secret files are not read, and missing values are warnings. Environment variables
	// are expanded only within `rules`, where they affect what rules do; other keys with
	// a variable keep their default.
	offline bool
}

// loadOffline reads and checks a configuration for a command that runs rules and makes
// no calls: check, test, eval. The error is about reading the file. Errors and warnings
// in the file are in the diagnostics. The Config is nil if the file could not be parsed.
// "" searches configPlaces.
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

// loadConfig reads and checks the configuration: the named file, or the first of
// configPlaces. It also returns warnings. If the daemon can't run with the
// configuration, the error has exit code 78 and lists all problems.
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

// readConfig reads the configuration's file. Its error is a diag.List.
func readConfig(file string) ([]byte, error) {
	text, err := readSmall(file, maxConfig)
	if err != nil {
		return nil, unreadConfig(file, err)
	}
	return text, nil
}

// unreadConfig returns the error of a configuration file that can't be read.
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

// parseConfig parses the text of a configuration file. lookup returns environment
// variables.
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
	c.secretFiles = d.files
	c.Sources.Webhook.SecretsFile = d.files["sources.webhook.secrets"]
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

// document returns the only YAML document of the file, or nil if it is empty.
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
		d.failAt(&second, codeSyntax, "delete the line ---, or what follows it", "a second YAML document begins here; expected a single one")
		return nil, false
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode && !isNull(top) {
		d.failAt(top, codeSyntax, d.begins, "expected keys and values, got %s", kindOf(top))
		return nil, false
	}
	return top, true
}

// syntax reports an error of the YAML parser, at the line it names. The parser's message
// is shown only if it quotes nothing from the file, which may be a secret.
func (d *decoder) syntax(text []byte, err error) bool {
	diag := diag.Diagnostic{File: d.file, Severity: diag.SeverityError, Code: codeSyntax}
	diag.Line, diag.Message, diag.Hint = rules.YAMLSyntax(text, err)
	d.diags = append(d.diags, diag)
	return false
}
