package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"gopkg.in/yaml.v3"

	"chertd/engine/event/handle"
)

// maxYAMLDepth limits how deep settings and data may be nested.
const maxYAMLDepth = 64

// parseYAML parses one document into the types that rules see.
func parseYAML(b []byte, d *dataSize) (any, []fault, error) {
	doc, x, err := readYAML(b, d.room)
	switch {
	case err != nil:
		return nil, nil, err
	case x != nil:
		return nil, []fault{*x}, nil
	case len(doc.Content) == 0 || isNull(doc.Content[0]):
		// nil would remove a condition of where: a rule for the people of a list
		// would become one for everybody when the list has only comments.
		return nil, []fault{{line: 1, message: "the file is empty; write [] for an empty list"}}, nil
	}
	return plainYAML(doc.Content[0], d)
}

// plainYAML returns the value of a node in the types of luabind's settings. A value that
// YAML would change is a fault, or a string, because rules compare values with what
// people see: a phone number or a date without quotes is a string; 0x1F, 1_000 and yes
// are refused.
func plainYAML(n *yaml.Node, d *dataSize) (any, []fault, error) {
	if err := d.take(yamlSize(n, map[*yaml.Node]int64{}, 0), d.whole); err != nil {
		return nil, nil, err
	}
	r := yamlReader{open: map[*yaml.Node]bool{}}
	v := r.value(n, 0)
	if len(r.faults) > 0 {
		return nil, r.faults, nil
	}
	return v, nil, nil
}

// readYAML parses the one document of a file; the node has no Kind if there is none. A
// second document, which would be ignored, is a fault. The nodes may take room bytes; the
// error is an errDataSize if they need more. With a fault or an error the node is nil.
func readYAML(b []byte, room int64) (*yaml.Node, *fault, error) {
	if need := int64(nodesOf(b)) * nodeBytes; need > room {
		return nil, nil, errDataSize{need}
	}
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(b))
	err := dec.Decode(&doc)
	if err == nil {
		if err = dec.Decode(&second); err == nil && second.Content[0].Tag != "!!null" {
			return nil, &fault{second.Line, 0, "a second YAML document begins here; a file may have only one", "delete the line ---, or what follows it"}, nil
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		return &doc, nil, nil
	}
	line, message, hint := YAMLSyntax(b, err)
	return nil, &fault{line: line, message: message, hint: hint}, nil
}

// yamlReader makes values of nodes. It makes each value once, so that its time is linear
// in the nodes.
type yamlReader struct {
	faults []fault
	open   map[*yaml.Node]bool // anchors whose values are being made
}

// value returns a node's value; nil after a fault, or for null.
func (r *yamlReader) value(n *yaml.Node, depth int) any {
	switch {
	case len(r.faults) >= mostFaults:
		return nil
	case depth > maxYAMLDepth:
		r.fail(n, "", "it is nested more than %d levels deep", maxYAMLDepth)
		return nil
	case n.Kind == yaml.AliasNode:
		if r.open[n.Alias] {
			r.fail(n, "", "the anchor %s contains itself", n.Value)
			return nil
		}
		return r.value(n.Alias, depth+1)
	}
	if n.Anchor != "" {
		r.open[n] = true
		defer delete(r.open, n)
	}
	if !r.knownTag(n) {
		return nil
	}
	switch n.Kind {
	case yaml.SequenceNode:
		return r.list(n, depth)
	case yaml.MappingNode:
		table := make(map[string]any, len(n.Content)/2)
		r.table(n, table, depth)
		return table
	}
	return r.scalar(n)
}

// knownTag refuses tags that change a value, such as !!binary and !mine.
func (r *yamlReader) knownTag(n *yaml.Node) bool {
	switch tag := n.ShortTag(); {
	case n.Style&yaml.TaggedStyle == 0:
		return true
	case n.Kind == yaml.SequenceNode && tag == "!!seq", n.Kind == yaml.MappingNode && tag == "!!map":
		return true
	case n.Kind == yaml.ScalarNode:
		switch tag {
		case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp":
			return true
		}
	}
	r.fail(n, "remove the tag", "the tag %s is not supported", n.Tag)
	return false
}

func (r *yamlReader) list(n *yaml.Node, depth int) any {
	items := make([]any, 0, len(n.Content))
	for i, c := range n.Content {
		if v := r.value(c, depth+1); v != nil {
			items = append(items, v)
		} else if isNull(c) {
			r.fail(c, `remove the item, or write "" for an empty string`, "item %d of the list is empty: in Lua the list would end before it", i+1)
		}
	}
	return items
}

// table adds a mapping's entries to the table. Those of a merge come first.
func (r *yamlReader) table(n *yaml.Node, table map[string]any, depth int) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.ShortTag() == "!!merge" {
			r.merge(n.Content[i+1], table, depth)
		}
	}
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, c := n.Content[i], n.Content[i+1]
		if k.ShortTag() == "!!merge" {
			continue
		}
		name, ok := r.key(k)
		if !ok {
			continue
		}
		if line := lines[name]; line > 0 {
			r.fail(k, "keep one of them", "key %q is already defined on line %d", name, line)
			continue
		}
		lines[name] = k.Line
		v := r.value(c, depth+1)
		if v == nil && isNull(c) {
			r.fail(k, `remove the key, or write a value, for example true or ""`, "key %q has no value: in Lua it would not exist", name)
		}
		if v != nil {
			table[name] = v
		}
	}
}

// merge adds the entries of the mappings that << refers to; the first of a list wins.
func (r *yamlReader) merge(n *yaml.Node, table map[string]any, depth int) {
	from := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		from = n.Content
	}
	for i := len(from) - 1; i >= 0; i-- {
		v, ok := r.value(from[i], depth+1).(map[string]any)
		if !ok {
			if len(r.faults) == 0 {
				r.fail(n, "write <<: *anchor, where the anchor is a table", "<< merges tables, and this is not a table")
			}
			return
		}
		for k, x := range v {
			table[k] = x
		}
	}
}

// key returns a key as it is written.
func (r *yamlReader) key(n *yaml.Node) (string, bool) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "write the key as a string", "a key must be a string, not a list or a table")
		return "", false
	}
	if !r.knownTag(n) {
		return "", false
	}
	if stringNode(n) {
		return n.Value, true
	}
	if handle.Shortened(n.Value) {
		x := shortened(n.Value, n.Line, n.Column)
		r.fail(n, x.hint, "%s", x.message)
		return "", false
	}
	switch n.ShortTag() {
	case "!!null":
		r.fail(n, fmt.Sprintf("put it in quotes if it is intended: %q", n.Value), "a key is empty: YAML reads %s as no value", orNothing(n.Value))
		return "", false
	case "!!int", "!!float":
		if !plainNumber.MatchString(n.Value) && !numberAsText(n.Value) {
			r.fail(n, fmt.Sprintf("put it in quotes: %q", n.Value), "the key %s is a number in a special form, and keys are strings", n.Value)
			return "", false
		}
	}
	return n.Value, true
}

func (r *yamlReader) fail(n *yaml.Node, hint, format string, args ...any) {
	x := fault{n.Line, n.Column, fmt.Sprintf(format, args...), hint}
	for _, known := range r.faults {
		if known == x {
			return // an alias leads to the same place
		}
	}
	if len(r.faults) >= mostFaults {
		return
	}
	r.faults = append(r.faults, x)
}

func isNull(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n.Kind == yaml.ScalarNode && !stringNode(n) && n.ShortTag() == "!!null"
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
