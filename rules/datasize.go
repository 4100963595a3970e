package rules

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"gopkg.in/yaml.v3"

	"chertd/luabind/diag"
)

// The memory of a pack's data files is counted while they are parsed, and nothing is
// allocated beyond the limit: a file of 4 MB can become 400 MB of tables. The figures are
// what Go 1.26 allocates on a 64-bit machine, measured and rounded up;
// TestDataIsCountedAsItIsInMemory compares them with the heap.
const (
	slotBytes = 16  // a value in a list or table
	boxBytes  = 16  // what a string or number in it points to
	listBytes = 24  // a list
	nodeBytes = 256 // a value of YAML while its file is read
)

// tableBytes returns the size of a table with the given number of entries.
func tableBytes(names int) int64 {
	switch {
	case names == 0:
		return 48
	case names <= 8:
		return 336
	}
	return 100 + 75*int64(names)
}

// dataRoom returns how much of its memory limit a pack's data may use. The rest is for
// what handlers allocate and the pack keeps.
func dataRoom(memory int64) int64 { return memory / 4 * 3 }

// errDataSize is returned if a file's values need more memory than the pack's limit
// leaves.
type errDataSize struct{ need int64 } // estimated bytes of the whole file

func (e errDataSize) Error() string { return "it takes about " + sizeText(e.need) + " of memory" }

// dataSize counts the memory of one file's values.
type dataSize struct {
	room  int64 // limit of used
	used  int64
	text  int64 // part of used that is for the file as a whole
	whole int   // bytes of the file
	read  int   // bytes of it whose values have been counted
}

// hold counts memory for the file as a whole.
func (d *dataSize) hold(memory int64) {
	d.text += memory
	d.used += memory
}

// take counts memory for the values of the file's next part bytes.
func (d *dataSize) take(memory int64, part int) error {
	d.used += memory
	d.read += part
	if d.used <= d.room {
		return nil
	}
	// The estimate assumes that the rest of the file is like what was read.
	scale := max(float64(d.whole)/float64(max(d.read, 1)), 1)
	return errDataSize{d.text + int64(min(float64(d.used-d.text)*scale, math.MaxInt64/4))}
}

// mostSensible is the size beyond which the hint is not to raise the limit.
const mostSensible = 1 << 30

// tooLarge returns the error for a file that does not fit the memory limit.
func (b *builder) tooLarge(f File, used int64, err errDataSize) diag.Diagnostic {
	p := b.pack
	memory := p.config.Limits.Memory
	need := sizeOption((used+err.need)/3*4 + 1<<20)
	where := "in pack.yaml, write limits: {memory: " + need + "}"
	if b.mine.Limits.Memory > 0 {
		where = fmt.Sprintf("in chertd.yaml, write rules: {packs: {%s: {limits: {memory: %s}}}}", p.Name, need)
	}
	switch {
	case used+err.need > mostSensible:
		where = "split it up; in YAML, each *name is a copy of what it refers to"
	case dataFormat(f.Name) == "yaml":
		where += "; as .csv or .txt the same list needs less"
	}
	return diag.Diagnostic{File: f.Path, Severity: diag.SeverityError, Hint: where,
		Message: fmt.Sprintf("%s: the pack's data may take %s, three quarters of its limits.memory of %s%s", err, sizeText(dataRoom(memory)), sizeText(memory), besides(used))}
}

// besides mentions the memory of a pack's other files, if it is considerable.
func besides(used int64) string {
	if used < 1<<16 {
		return ""
	}
	return ", and its other files take " + sizeText(used)
}

// nodesOf returns an upper bound of the nodes of a YAML text. The YAML package makes
// nodes of the whole text before it returns, so they are bounded before it is called.
// Each node is the first of the text, or follows something that is counted here.
func nodesOf(b []byte) int {
	n := 4
	comma := 1
	if bytes.IndexByte(b, '{') >= 0 {
		comma = 2 // {a, b}: each has a value, too
	}
	blank := func(i int) bool {
		return i < 0 || i >= len(b) || strings.IndexByte(" \t\r\n", b[i]) >= 0 || b[i] >= 0x80 // some line breaks
	}
	comment, start := false, true // start: nothing but space on this line so far
	for i, c := range b {
		switch {
		case c == '\n' || c == '\r' || c >= 0x80:
			comment, start = false, c < 0x80
			continue
		case comment:
			continue
		case c == '#' && start:
			comment = true
		case c == '-' && blank(i-1) && blank(i+1):
			n++
		case c == '?' && (blank(i + 1)):
			n += 3
		case c == '[' || c == '{':
			n += 2
		case c == ',':
			n += comma
		case c == ':' && (blank(i+1) || strings.IndexByte(",[]{}\"'", b[i+1]) >= 0 || i > 0 && strings.IndexByte("\"']}", b[i-1]) >= 0):
			n += 3 // in a list, [a: b] is a table of its own
		}
		start = start && (c == ' ' || c == '\t')
	}
	return n
}

// yamlSize returns the memory of a node's value, where each alias counts as a copy.
func yamlSize(n *yaml.Node, known map[*yaml.Node]int64, depth int) int64 {
	if n == nil || depth > maxYAMLDepth {
		return 0 // yamlReader refuses it
	}
	if size, ok := known[n]; ok {
		return size
	}
	if n.Anchor != "" {
		known[n] = 0 // one that contains itself is refused
	}
	size := int64(slotBytes)
	switch n.Kind {
	case yaml.AliasNode:
		size = yamlSize(n.Alias, known, depth+1)
	case yaml.ScalarNode:
		size += boxBytes + int64(len(n.Value))
	case yaml.SequenceNode:
		size += listBytes
	case yaml.MappingNode:
		size += tableBytes(len(n.Content) / 2)
	}
	for i, c := range n.Content {
		size += yamlSize(c, known, depth+1)
		if n.Kind == yaml.MappingNode {
			size -= slotBytes // tableBytes has counted it
		}
		if size > math.MaxInt64/4 || i%2 == 1 && size < 0 {
			return math.MaxInt64 / 4
		}
	}
	if n.Anchor != "" {
		known[n] = size
	}
	return size
}
