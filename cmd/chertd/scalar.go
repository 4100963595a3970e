package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/rules"
)

// plain reads a pack's setting: what Lua has, of any shape.
func (d *decoder) plain(n *yaml.Node, path string, depth int) any {
	// Both also end an alias that contains itself, or multiplies.
	const deepest, most = 16, 10_000
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.settings++; d.settings >= most {
		if d.settings == most {
			d.failAt(n, codeValue, "", "%s: the packs' settings have more than %d values", path, most)
		}
		return nil
	}
	if depth > deepest {
		d.failAt(n, codeValue, "", "%s: nested deeper than %d", path, deepest)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for key, value := range d.pairs(n) {
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
		d.failAt(n, codeValue, "", "%s has no value", path)
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

// scalar reads one value by a function that says whether it is what is wanted.
func (d *decoder) scalar(n *yaml.Node, path, want string, set func(string) error) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.failAt(n, codeValue, "", "%s: expected %s, got %s", path, want, kindOf(n))
		return
	}
	text, expanded, ok := d.expand(n, path)
	if !ok {
		return
	}
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	if quoted && !expanded && (want == "true or false" || strings.HasSuffix(want, "number")) {
		d.failAt(n, codeValue, "write it without quotes", "%s: expected %s, got text", path, want)
		return
	}
	if err := set(text); err != nil {
		got := strconv.Quote(n.Value) // as written: what a variable holds may be private
		d.failAt(n, codeValue, "", "%s: expected %s, got %s", path, want, got)
	}
}

var variable = regexp.MustCompile(`\$?\$\{[^}]*\}?`)

// expand puts environment variables in the place of ${NAME}; $${ is a literal ${.
func (d *decoder) expand(n *yaml.Node, path string) (text string, expanded, ok bool) {
	ok = true
	text = variable.ReplaceAllStringFunc(n.Value, func(ref string) string {
		if strings.HasPrefix(ref, "$$") {
			return ref[1:]
		}
		name := strings.TrimSuffix(ref[2:], "}")
		if !strings.HasSuffix(ref, "}") || !variableName.MatchString(name) {
			d.failAt(n, codeEnv, "write ${NAME}, or $${ for a literal ${", "%s: %q names no environment variable", path, ref)
			ok = false
			return ""
		}
		value, set := d.lookup(name)
		if !set {
			d.failAt(n, codeEnv, "export "+name+" before starting chertd", "%s: the environment variable %s is not set", path, name)
			ok = false
		}
		expanded = true
		return value
	})
	return text, expanded, ok
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

var sizeForm = regexp.MustCompile(`^([0-9]+) ?(B|KiB|MiB|GiB)?$`)

// parseSize reads bytes: "1MiB", "65536".
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
