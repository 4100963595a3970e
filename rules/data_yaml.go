package rules

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/engine/event/handle"
)

// maxYAMLDepth is deeper than any settings or data are nested on purpose.
const maxYAMLDepth = 64

// parseYAML reads one document into the types a rule can see.
func parseYAML(b []byte, d *dataSize) (any, []fault, error) {
	doc, x, err := readYAML(b, d.room)
	switch {
	case err != nil:
		return nil, nil, err
	case x != nil:
		return nil, []fault{*x}, nil
	case len(doc.Content) == 0 || isNull(doc.Content[0]):
		// nil would make a condition of where vanish: a rule for the people of a
		// list would be one for everybody, once the list has nothing but comments.
		return nil, []fault{{line: 1, message: "the file is empty; write [] for an empty list"}}, nil
	}
	return plainYAML(doc.Content[0], d)
}

// plainYAML is the value of a node in the types of luabind's settings. What YAML
// would read as something else than is written is a fault: rules compare values with
// what people see. So a phone number or a date without quotes is a string, and
// 0x1F, 1_000 and yes are refused.
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

// yamlReader makes values of nodes, each once: its time grows with their number.
type yamlReader struct {
	faults []fault
	open   map[*yaml.Node]bool // anchors whose values are being made
}

func (r *yamlReader) fail(n *yaml.Node, hint, format string, args ...any) {
	x := fault{n.Line, n.Column, fmt.Sprintf(format, args...), hint}
	for _, known := range r.faults {
		if known == x {
			return // an alias comes to the same place
		}
	}
	if len(r.faults) >= mostFaults {
		return
	}
	r.faults = append(r.faults, x)
}

// value is a node's value; nil after a fault, or if it is null.
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

// knownTag refuses tags that change what is written, as !!binary and !mine.
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

// table adds a mapping's entries to what is there: those of a merge are there first.
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

// merge adds the entries of the mappings that "<<" names; the first of a list wins.
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

// key is a key as it is written.
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

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

var (
	plainNumber = regexp.MustCompile(`^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)$`)
	plainWhole  = regexp.MustCompile(`^-?[0-9]+$`)
	// switches are words that are true or false in YAML 1.1, and strings in 1.2.
	switches = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$`)
)

// numberAsText reports whether a scalar that YAML takes for a number has digits that
// a number would lose: +4915…, 0049…, 007.
func numberAsText(s string) bool {
	return s[0] == '+' && onlyDigitsIn(s[1:]) || len(s) > 1 && s[0] == '0' && onlyDigitsIn(s)
}

func onlyDigitsIn(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// stringNode reports whether a scalar is a string by its quotes, block or tag.
func stringNode(n *yaml.Node) bool {
	const marked = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&yaml.TaggedStyle != 0 {
		return n.ShortTag() == "!!str"
	}
	return n.Style&marked != 0
}

// YAMLScalar is the value of a scalar as data.load and pack.yaml give it, or what is
// wrong with it.
func YAMLScalar(n *yaml.Node) (v any, problem, hint string) {
	var r yamlReader
	if r.knownTag(n) {
		v = r.scalar(n)
	}
	if len(r.faults) > 0 {
		return nil, r.faults[0].message, r.faults[0].hint
	}
	return v, "", ""
}

// YAMLKey is what is wrong with a key of settings or data; "": nothing is.
func YAMLKey(n *yaml.Node) (problem, hint string) {
	var r yamlReader
	if r.key(n); len(r.faults) > 0 {
		return r.faults[0].message, r.faults[0].hint
	}
	return "", ""
}

func (r *yamlReader) scalar(n *yaml.Node) any {
	if stringNode(n) {
		return n.Value
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		switch n.Value {
		case "true", "True", "TRUE":
			return true
		case "false", "False", "FALSE":
			return false
		}
		r.fail(n, "write true or false", "%q is neither true nor false", n.Value)
		return nil
	case "!!int", "!!float":
		return r.number(n)
	case "!!str":
		if switches.MatchString(n.Value) {
			yes := strings.EqualFold(n.Value, "yes") || strings.EqualFold(n.Value, "on")
			r.fail(n, fmt.Sprintf("write %t, or %q in quotes if the word is intended", yes, n.Value), "%s can mean %t or the word", n.Value, yes)
			return nil
		}
		if handle.Shortened(n.Value) {
			return r.number(n) // with a comma the library takes it for a string
		}
	}
	return strings.Clone(n.Value) // what the library made takes more room
}

// number is a plain decimal number, or a string of digits that a number would lose.
func (r *yamlReader) number(n *yaml.Node) any {
	s := n.Value
	inQuotes := fmt.Sprintf("put it in quotes: %q", s)
	switch {
	case s == "":
		r.fail(n, "remove the tag", "it is not a number")
		return nil
	case numberAsText(s):
		return s
	case handle.Shortened(s):
		x := shortened(s, n.Line, n.Column)
		r.fail(n, x.hint, "%s", x.message)
		return nil
	case !plainNumber.MatchString(s):
		var v float64
		if n.Decode(&v) == nil && !math.IsInf(v, 0) && !math.IsNaN(v) && math.Abs(v) < 1<<53 {
			inQuotes = fmt.Sprintf("write %s, or put it in quotes: %q", strconv.FormatFloat(v, 'f', -1, 64), s)
		}
		r.fail(n, inQuotes, "%s is a number in a special form", s)
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || plainWhole.MatchString(s) && !exactWhole(v, s):
		r.fail(n, inQuotes, "the number %s is too large to be exact in Lua", s)
		return nil
	case strings.Contains(s, ".") && significant(s) != significant(strconv.FormatFloat(v, 'f', -1, 64)):
		r.fail(n, inQuotes, "the number %s has more digits than a number of Lua keeps", s)
		return nil
	}
	return v
}

// significant is a plain number without zeros that do not count.
func significant(s string) string {
	whole, fraction, _ := strings.Cut(strings.TrimLeft(s, "-"), ".")
	return strings.TrimLeft(whole, "0") + "." + strings.TrimRight(fraction, "0")
}

// exactWhole reports whether a whole number up to 2^53 is what is written.
func exactWhole(v float64, s string) bool {
	const most = 1 << 53
	return math.Abs(v) < most || math.Abs(v) == most && strings.TrimLeft(s, "-") == strconv.Itoa(most)
}

func isNull(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n.Kind == yaml.ScalarNode && !stringNode(n) && n.ShortTag() == "!!null"
}

// readYAML reads the one document of a file: a node of no kind if it holds
// none. What stood in a second one would be lost without a word. Its nodes take
// room at most: the error is an errDataSize. With a fault there is no node.
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
