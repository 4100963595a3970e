package main

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"chertd/luabind/diag"
	"chertd/rules"
)

// A secret may be under the wrong key. For that reason, an error shows a value only if
// it is too short for a secret, a number with its unit, or the name of an environment
// variable. It describes any other value, and its position shows where to look.
var (
	shownNumber = regexp.MustCompile(`^[-+]?[0-9]{1,10}(\.[0-9]{1,6})?( ?[A-Za-z]{1,3})?(/[0-9]{0,4}[a-z])?$`)
	shownRef    = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`)
)

// secretForm matches strings that look like secrets and not like the name of a file or
// pack.
var secretForm = regexp.MustCompile(`^(whsec[_-].*|[0-9a-fA-F]{32,})$`)

// longestShown is the number of characters up to which any value is shown, because no
// secret is that short.
const longestShown = 5

// shownNode returns a scalar for an error, as written in the file.
func shownNode(n *yaml.Node) string {
	text := n.Value
	if harmless(text) {
		return strconv.Quote(text)
	}
	return "a string of " + count(utf8.RuneCountInString(text), "character")
}

func harmless(text string) bool {
	return utf8.RuneCountInString(text) <= longestShown || shownNumber.MatchString(text) || shownRef.MatchString(text)
}

// shownName returns a key for an error, or a description of it.
func shownName(key string) string {
	if harmless(key) {
		return strconv.Quote(key)
	}
	return rules.ShownName(key)
}

// shown returns the text of an error without names of packs and lists that may be secrets.
func (d *decoder) shown(text string) string {
	for path, key := range d.keys {
		for _, entries := range []string{packsPath, listsPath} {
			if name, ok := strings.CutPrefix(path, entries); ok && name == key.Value && shownName(name) != strconv.Quote(name) {
				text = strings.ReplaceAll(text, path, entries+"…")
			}
		}
	}
	return diag.Visible(text)
}

// packsPath and listsPath match paths within the entries of packs and lists.
const (
	packsPath = "rules.packs."
	listsPath = "rules.lists."
)

// shownAt returns the value at a path for an error; got is the parsed value. A word that
// is close to an allowed one is shown, too.
func (d *decoder) shownAt(path, got string, near bool) string {
	n := d.places[path]
	switch {
	case n == nil && harmless(got):
		return strconv.Quote(got)
	case n == nil || n.Kind != yaml.ScalarNode:
		return "another value"
	case shownRef.MatchString(n.Value):
		if value, set := d.lookup(strings.Trim(n.Value, "${}")); set && value == "" {
			return strconv.Quote(n.Value) + ", which is empty"
		}
	case near && n.Value == got && len(got) < 32 && isWord(got):
		return strconv.Quote(got)
	}
	return shownNode(n)
}

func isWord(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && r != '-' && r != '_' {
			return false
		}
	}
	return true
}
