package rules

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/engine/event/handle"
)

// YAMLScalar returns the value of a scalar as data.load and pack.yaml read it, or what is
// wrong with it and the fix.
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

// YAMLKey returns what is wrong with a key of settings or data, and the fix; "" if
// nothing is.
func YAMLKey(n *yaml.Node) (problem, hint string) {
	var r yamlReader
	if r.key(n); len(r.faults) > 0 {
		return r.faults[0].message, r.faults[0].hint
	}
	return "", ""
}

var (
	plainNumber = regexp.MustCompile(`^-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)$`)
	plainWhole  = regexp.MustCompile(`^-?[0-9]+$`)
	// switches are words that are true or false in YAML 1.1, and strings in 1.2.
	switches = regexp.MustCompile(`^(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF)$`)
)

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
			return r.number(n) // with a comma, YAML reads it as a string
		}
	}
	return strings.Clone(n.Value) // the YAML package's string keeps more memory
}

// number returns a plain decimal number, or a string of digits that a number would lose.
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

// numberAsText reports whether a scalar that YAML reads as a number has digits that a
// number would lose: +4915…, 0049…, 007.
func numberAsText(s string) bool {
	return s[0] == '+' && onlyDigitsIn(s[1:]) || len(s) > 1 && s[0] == '0' && onlyDigitsIn(s)
}

func onlyDigitsIn(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// stringNode reports whether a scalar is a string by its quotes, block style or tag.
func stringNode(n *yaml.Node) bool {
	const marked = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if n.Style&yaml.TaggedStyle != 0 {
		return n.ShortTag() == "!!str"
	}
	return n.Style&marked != 0
}

// significant returns a plain number without insignificant zeros.
func significant(s string) string {
	whole, fraction, _ := strings.Cut(strings.TrimLeft(s, "-"), ".")
	return strings.TrimLeft(whole, "0") + "." + strings.TrimRight(fraction, "0")
}

// exactWhole reports whether a whole number is exact: up to 2^53.
func exactWhole(v float64, s string) bool {
	const most = 1 << 53
	return math.Abs(v) < most || math.Abs(v) == most && strings.TrimLeft(s, "-") == strconv.Itoa(most)
}
