package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/rules"
)

// plain reads a pack's setting, which may be any value that Lua has.
func (d *decoder) plain(n *yaml.Node, path string, depth int) any {
	// Both limits also stop an alias that contains itself or multiplies.
	const deepest, most = 16, 10_000
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.settings++; d.settings >= most {
		if d.settings == most {
			d.failAt(n, codeValue, "put large lists into a pack's data/", "%s: the packs' settings have more than %d values", path, most)
		}
		return nil
	}
	if depth > deepest {
		d.failAt(n, codeValue, "write it with fewer levels", "%s: nested deeper than %d", path, deepest)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for key, value := range d.pairs(n) {
			if problem, hint := rules.YAMLKey(key); problem != "" {
				d.failAt(key, codeValue, hint, "%s: %s", path, problem)
				continue
			}
			m[key.Value] = d.plain(value, join(path, key.Value), depth+1)
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for i, item := range n.Content {
			list = append(list, d.plain(item, fmt.Sprintf("%s[%d]", path, i), depth+1))
		}
		return list
	}
	text, _, ok := d.expand(n, path)
	if !ok {
		return nil
	}
	if isNull(n) {
		d.failAt(n, codeValue, "give it a value, or delete it", "%s has no value", path)
		return nil
	}
	expanded := *n
	expanded.Value = text
	v, problem, hint := rules.YAMLScalar(&expanded)
	if problem != "" {
		d.failAt(n, codeValue, hint, "%s: %s", path, problem)
	}
	return v
}

// scalar reads one value with a function that reports whether the value is valid.
func (d *decoder) scalar(n *yaml.Node, path, want string, set func(string) error) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		hint := example(path, want)
		if isNull(n) {
			hint = "give it a value, or delete the line: then the default counts"
		}
		d.failAt(n, codeValue, hint, "%s: expected %s, got %s", path, want, kindOf(n))
		return
	}
	if name := bareVariable(n.Value); name != "" {
		d.failAt(n, codeEnv, "write ${"+name+"}: only with braces is it an environment variable", "%s: %s is not expanded", path, shownVariable(n.Value))
		return
	}
	text, expanded, ok := d.expand(n, path)
	if !ok {
		return
	}
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	if quoted && !expanded && (want == wantBool || want == wantWhole || want == wantNumber) {
		d.failAt(n, codeValue, "write it without quotes", "%s: expected %s, got a string", path, want)
		return
	}
	if err := set(text); err != nil {
		d.failAt(n, codeValue, example(path, want), "%s: expected %s, got %s", path, want, shownNode(n))
	}
}

// Descriptions of the expected scalars.
const (
	wantDuration = "a duration like 90s, 5m or 30d"
	wantSize     = "a size like 64KiB or 1MiB"
	wantRate     = "a number of reads in a span of time like 300/10m"
	wantBool     = "true or false"
	wantWhole    = "a whole number"
	wantNumber   = "a number"
	wantString   = "a single value"
)

// example returns a hint that shows how to write the value at a path.
func example(path, want string) string {
	value := ""
	if v := defaultAt(path, nil); v != nil {
		value = human(v)
	}
	switch want {
	case wantDuration:
		return "for example " + cmp.Or(value, "90s") + "; the units are ms, s, m, h and d"
	case wantSize:
		return "for example " + cmp.Or(value, "1MiB") + "; the units are B, KiB, MiB and GiB"
	case wantRate:
		return "for example 300/10m: at most 300 reads in 10 minutes"
	case wantBool:
		return "yes, no, on and off are strings: write true or false"
	case wantWhole, wantNumber:
		return "for example " + cmp.Or(value, "1")
	}
	if value != "" {
		return "write one value, for example " + value
	}
	return "write one value, without brackets and braces"
}

// bareVariable returns the name in a string that was probably meant as an environment
// variable but is not written as one: $NAME, $(NAME), %NAME%. It returns "" if there is
// none.
func bareVariable(text string) string {
	for _, form := range bareForms {
		if m := form.FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}

var bareForms = []*regexp.Regexp{
	regexp.MustCompile(`(?:^|[^$\w])\$([A-Z_][A-Z0-9_]*)\b`),
	regexp.MustCompile(`(?:^|[^$])\$\(([A-Za-z_][A-Za-z0-9_]*)\)`),
	regexp.MustCompile(`^%([A-Z_][A-Z0-9_]*)%$`),
}

func shownVariable(text string) string {
	if len(text) <= 32 {
		return strconv.Quote(text)
	}
	return "the variable in it"
}

var variable = regexp.MustCompile(`\$?\$\{[^}]*\}?`)

// expand replaces ${NAME} by environment variables; $${ is a literal ${.
func (d *decoder) expand(n *yaml.Node, path string) (text string, expanded, ok bool) {
	if d.literal {
		return n.Value, false, true
	}
	ok = true
	text = variable.ReplaceAllStringFunc(n.Value, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		name := strings.TrimSuffix(ref[2:], "}")
		if !strings.HasSuffix(ref, "}") || !variableName.MatchString(name) {
			d.failAt(n, codeEnv, "write ${NAME}, or $${ for a literal ${", "%s: what follows ${ names no environment variable", path)
			ok = false
			return ""
		}
		if d.use.offline && path != "rules" && !strings.HasPrefix(path, "rules.") {
			d.unknown[path] = true
			ok = false
			return ""
		}
		value, set := d.lookup(name)
		if !set {
			d.failAt(n, codeEnv, unsetHint(name), "%s: the environment variable %s is not set", path, name)
			ok = false
		}
		expanded = true
		return value
	})
	return text, expanded, ok
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var sizeForm = regexp.MustCompile(`^([0-9]+) ?(B|KiB|MiB|GiB)?$`)

// parseSize parses a number of bytes: "1MiB", "65536".
func parseSize(s string) (Size, error) {
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("size %q is not understood", s)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	shift := 10 * max(0, slices.Index([]string{"B", "KiB", "MiB", "GiB"}, m[2]))
	if err != nil || n > (1<<40)>>shift {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return Size(n << shift), nil
}
