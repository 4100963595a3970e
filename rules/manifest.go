package rules

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/luabind"
	"chertd/luabind/diag"
)

// Mode is whether a pack runs, and whether its requests are carried out.
type Mode string

const (
	Live   Mode = "live"
	Shadow Mode = "shadow" // requests are recorded, but not carried out
	Off    Mode = "off"    // its rules do not run
)

// FailurePolicy is whether the failure of a pack's handler blocks the reads of the event.
type FailurePolicy string

const (
	// FailClosed blocks them even if the pack has no veto.
	FailClosed FailurePolicy = "fail_closed"
	// FailOpen blocks none even if the pack has a veto.
	FailOpen FailurePolicy = "fail_open"
)

// Manifest is the content of a pack.yaml. Zero fields are not set.
type Manifest struct {
	Name          string
	Description   string
	Version       string // for people; Pack.Version identifies the content
	Mode          Mode
	Config        map[string]any // settings with their defaults
	Permissions   []string       // capabilities beyond reading that the pack requests
	Limits        luabind.Limits
	Reads         Rate  // when it is reached, the pack is switched to shadow
	KV            int64 // bytes in kv
	FailurePolicy FailurePolicy

	nameLine, nameCol int // place of Name
}

// capabilities returns the valid permissions and grants.
func capabilities() []string { return []string{"typing", "react", "send", "notify"} }

// manifestReader collects the errors of one pack.yaml.
type manifestReader struct {
	file  string
	diags diag.List
}

// manifestRoom limits the memory of a pack.yaml and of its settings, each.
const manifestRoom = 4 << 20

// tooLargeFor adds the limit to an errDataSize of a pack.yaml.
func tooLargeFor(what string, err error) error {
	var large errDataSize
	if errors.As(err, &large) {
		return fmt.Errorf("%w: %s may take %s; put large lists into data/", err, what, sizeText(manifestRoom))
	}
	return err
}

// parseManifest parses a pack.yaml. An empty file is valid.
func parseManifest(f File) (Manifest, diag.List) {
	r := &manifestReader{file: f.Path}
	var m Manifest
	doc, x, err := readYAML(f.Bytes, manifestRoom)
	switch {
	case err != nil:
		r.failAt(0, 0, "", "%s", tooLargeFor("a pack.yaml", err))
		return m, r.diags
	case x != nil:
		r.failAt(x.line, x.col, x.hint, "%s", x.message)
		return m, r.diags
	}
	if len(doc.Content) == 0 {
		return m, nil
	}
	r.table(doc.Content[0], "pack.yaml", map[string]func(*yaml.Node){
		"name":        func(n *yaml.Node) { m.Name, m.nameLine, m.nameCol = r.text(n, "name"), n.Line, n.Column },
		"description": func(n *yaml.Node) { m.Description = r.text(n, "description") },
		"version":     func(n *yaml.Node) { m.Version = r.text(n, "version") },
		"mode": func(n *yaml.Node) {
			m.Mode = Mode(r.choice(n, "mode", string(Live), string(Shadow), string(Off)))
		},
		"config":      func(n *yaml.Node) { m.Config = r.settings(n) },
		"permissions": func(n *yaml.Node) { m.Permissions = r.permissions(n) },
		"limits": func(n *yaml.Node) {
			r.table(n, "limits", map[string]func(*yaml.Node){
				"steps":  func(n *yaml.Node) { m.Limits.Steps = r.steps(n) },
				"memory": func(n *yaml.Node) { m.Limits.Memory = r.size(n, "limits.memory", "32MiB", LeastMemory) },
				"kv":     func(n *yaml.Node) { m.KV = r.size(n, "limits.kv", "64MiB", 1) },
				"reads":  func(n *yaml.Node) { m.Reads = r.rate(n) },
			})
		},
		"failure_policy": func(n *yaml.Node) {
			m.FailurePolicy = FailurePolicy(r.choice(n, "failure_policy", string(FailClosed), string(FailOpen)))
		},
	})
	return m, r.diags
}

// table parses a mapping, each key by its function. Other keys are errors.
func (r *manifestReader) table(n *yaml.Node, name string, keys map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "", "%s: expected keys and values", name)
		return
	}
	known := slices.Sorted(maps.Keys(keys))
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		read := keys[k.Value]
		if read == nil {
			r.fail(k, cmp.Or(diag.DidYouMeanString("", k.Value, known), "its keys are "+strings.Join(known, ", ")), "%s has no key %q", name, k.Value)
			continue
		}
		if line := seen[k.Value]; line > 0 {
			r.fail(k, "", "%s is already defined on line %d", k.Value, line)
			continue
		}
		seen[k.Value] = k.Line
		read(v)
	}
}

func (r *manifestReader) text(n *yaml.Node, name string) string {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
		r.fail(n, "", "%s: expected a string", name)
		return ""
	}
	return n.Value
}

func (r *manifestReader) choice(n *yaml.Node, name string, allowed ...string) string {
	// The value is compared as written: in YAML 1.1 a bare off is false.
	if n.Kind != yaml.ScalarNode || !slices.Contains(allowed, n.Value) {
		r.fail(n, diag.DidYouMeanString("", n.Value, allowed), "%s: expected %s, got %q", name, strings.Join(allowed, ", "), n.Value)
		return ""
	}
	return n.Value
}

func (r *manifestReader) settings(n *yaml.Node) map[string]any {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "", "config: expected settings with their defaults")
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; !identifier.MatchString(k.Value) {
			r.fail(k, "use letters, digits and _, with a letter or _ first: rules read it as config.NAME", "config: %q is not a valid setting name", k.Value)
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; isNull(n.Content[i+1]) {
			r.fail(k, "the default determines the type", "config: %s has no default", k.Value)
		}
	}
	v, faults, err := plainYAML(n, &dataSize{room: manifestRoom})
	if err != nil {
		r.failAt(n.Line, 0, "", "config: %s", tooLargeFor("the settings of a pack.yaml", err))
	}
	for _, x := range faults {
		at := func(d diag.Diagnostic) bool { return d.Line == x.line && d.Col == x.col }
		if !slices.ContainsFunc(r.diags, at) {
			r.failAt(x.line, x.col, x.hint, "config: %s", x.message)
		}
	}
	settings, _ := v.(map[string]any)
	return settings
}

func (r *manifestReader) permissions(n *yaml.Node) []string {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "for example [typing]", "permissions: expected a list")
		return nil
	}
	var needs []string
	for _, item := range n.Content {
		if s := r.choice(item, "permissions", capabilities()...); s != "" {
			needs = append(needs, s)
		}
	}
	return needs
}

func (r *manifestReader) steps(n *yaml.Node) int64 {
	steps, err := strconv.ParseInt(strings.ReplaceAll(n.Value, "_", ""), 10, 64)
	if err != nil || steps <= 0 {
		r.fail(n, "for example 1000000, which is about 20 ms", "limits.steps: expected a number of VM steps, got %q", n.Value)
		return 0
	}
	return steps
}

func (r *manifestReader) size(n *yaml.Node, name, example string, least int64) int64 {
	b, err := parseSize(n.Value)
	switch {
	case err != nil:
		r.fail(n, "for example "+example, "%s: %s", name, err)
	case b < least:
		r.fail(n, "for example "+example, "%s: at least %s, got %q", name, sizeText(least), n.Value)
	}
	return b
}

func (r *manifestReader) rate(n *yaml.Node) Rate {
	rate, err := ParseRate(n.Value)
	if err != nil {
		r.fail(n, "for example 300/10m", "limits.reads: %s, got %q", err, n.Value)
	}
	return rate
}

func (r *manifestReader) fail(n *yaml.Node, hint, format string, args ...any) {
	r.failAt(n.Line, n.Column, hint, format, args...)
}

func (r *manifestReader) failAt(line, col int, hint, format string, args ...any) {
	r.diags = append(r.diags, diag.Diagnostic{File: r.file, Line: line, Col: col,
		Severity: diag.SeverityError, Message: fmt.Sprintf(format, args...), Hint: hint})
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)
