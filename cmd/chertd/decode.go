package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

// renamedKeys are keys that people know from other versions or programs, with what to
// write instead.
var renamedKeys = map[string]string{
	"rules.specs": "write rules: {gate: {specs: enforce}}; enforce, warn and off are its values",
}

// decoder reads YAML nodes into a struct, strictly, and collects all errors. It records
// the position of each key for errors that are found later.
type decoder struct {
	file   string
	dir    string // that relative files are relative to
	lookup func(name string) (string, bool)
	use    use
	// literal is set if ${NAME} is not expanded.
	literal bool
	// begins is the hint for a file that contains no keys and values.
	begins string

	keys     map[string]*yaml.Node // dotted path → its key
	unknown  map[string]bool       // dotted paths whose values are not looked at (use.offline)
	places   map[string]*yaml.Node // dotted path → its value
	files    map[string]string     // dotted path of a secret → the file that it is read from
	settings int                   // values of packs' settings read so far
	diags    diag.List
}

// newDecoder returns a decoder for the named file.
func newDecoder(file string) *decoder {
	return &decoder{file: file, begins: "begin as docs/configuration.md shows, with chert:", dir: filepath.Dir(file), keys: map[string]*yaml.Node{}, places: map[string]*yaml.Node{}, unknown: map[string]bool{}, files: map[string]string{}}
}

// decode reads n into v, which is the field at path ("" is the whole file). An invalid
// value is reported, and the default stays.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if path != "" {
		d.places[path] = n
	}
	switch v.Interface().(type) {
	case time.Duration:
		d.scalar(n, path, wantDuration, func(s string) error {
			t, err := luabind.ParseDuration(s)
			if err == nil {
				v.SetInt(int64(t))
			}
			return err
		})
		return
	case Size:
		d.scalar(n, path, wantSize, func(s string) error {
			size, err := parseSize(s)
			if err == nil {
				v.SetInt(int64(size))
			}
			return err
		})
		return
	}
	if v.Type() == reflect.TypeFor[rules.Rate]() {
		d.scalar(n, path, wantRate, func(s string) error {
			rate, err := rules.ParseRate(s)
			v.Set(reflect.ValueOf(rate))
			return err
		})
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.table(n, v, path)
	case reflect.Map:
		d.entries(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.String:
		d.scalar(n, path, wantString, func(s string) error { v.SetString(s); return nil })
	case reflect.Bool:
		d.scalar(n, path, wantBool, func(s string) error {
			if s != "true" && s != "false" {
				return strconv.ErrSyntax
			}
			v.SetBool(s == "true")
			return nil
		})
	case reflect.Int:
		d.scalar(n, path, wantWhole, func(s string) error {
			i, err := strconv.Atoi(s)
			if err == nil {
				v.SetInt(int64(i))
			}
			return err
		})
	case reflect.Int64:
		d.scalar(n, path, wantWhole, func(s string) error {
			i, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
			if err == nil {
				v.SetInt(i)
			}
			return err
		})
	case reflect.Float64:
		d.scalar(n, path, wantNumber, func(s string) error {
			f, err := strconv.ParseFloat(s, 64)
			if err == nil {
				v.SetFloat(f)
			}
			return err
		})
	default:
		panic("no configuration is of type " + v.Type().String())
	}
}

// table reads a mapping into a struct. A key without a value counts as an empty mapping,
// because everything below it may be commented out.
func (d *decoder) table(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.failAt(n, codeValue, keysHint(path, known(v)), "%s: expected keys and values, got %s", path, kindOf(n))
		return
	}
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if key := v.Type().Field(i).Tag.Get("yaml"); key != "-" {
			fields[key] = v.Field(i)
		}
	}
	for key, value := range d.pairs(n) {
		d.keys[join(path, key.Value)] = key
		field, ok := fields[key.Value]
		if base, isFile := strings.CutSuffix(key.Value, "_file"); !ok && isFile && secretField(fields[base]) {
			d.secretFile(key, value, fields[base], join(path, base))
			continue
		}
		if !ok {
			hint := "the keys here are " + strings.Join(known(v), ", ")
			if near := nearestKey(key.Value, known(v)); near != "" {
				hint = "did you mean " + near + "?"
			}
			if key.Value == "<<" {
				hint = "merge keys are not read: write the keys here"
			}
			if elsewhere := renamedKeys[join(path, key.Value)]; elsewhere != "" {
				hint = elsewhere
			}
			name := shownName(key.Value)
			if name == strconv.Quote(key.Value) {
				name = strconv.Quote(join(path, key.Value))
			}
			d.failAt(key, codeUnknown, hint, "unknown key %s", name)
			continue
		}
		if secretField(field) {
			d.secret(value, field, join(path, key.Value))
			continue
		}
		d.decode(value, field, join(path, key.Value))
	}
}

// known returns the keys of a struct, in order.
func known(v reflect.Value) (keys []string) {
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("yaml")
		if key == "-" {
			continue
		}
		keys = append(keys, key)
		if secretField(v.Field(i)) {
			keys = append(keys, key+"_file")
		}
	}
	return keys
}

// keysHint returns a hint that shows how to write the keys below a path.
func keysHint(path string, keys []string) string {
	return fmt.Sprintf("write %s: {%s: …}; its keys are %s", path[strings.LastIndexByte(path, '.')+1:], keys[0], strings.Join(keys, ", "))
}

// entries reads a mapping with arbitrary keys.
func (d *decoder) entries(n *yaml.Node, v reflect.Value, path string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.failAt(n, codeValue, "write "+path[strings.LastIndexByte(path, '.')+1:]+": {NAME: …}", "%s: expected keys and values, got %s", path, kindOf(n))
		return
	}
	m := reflect.MakeMap(v.Type())
	for key, value := range d.pairs(n) {
		if !d.literal && secretForm.MatchString(key.Value) { // which every error below it would show
			d.failAt(key, codeValue, "write a name here, and a secret under its own key", "%s: a key of %s can't be a name", path, count(len(key.Value), "character"))
			continue
		}
		d.keys[join(path, key.Value)] = key
		entry := reflect.New(v.Type().Elem()).Elem()
		if entry.Kind() == reflect.Interface {
			before := len(d.diags)
			plain := d.plain(value, join(path, key.Value), 0)
			if plain == nil || len(d.diags) > before {
				continue // what is wrong with it is said; nothing else is said of it
			}
			entry.Set(reflect.ValueOf(plain))
		} else {
			d.decode(value, entry, join(path, key.Value))
		}
		m.SetMapIndex(reflect.ValueOf(key.Value), entry)
	}
	v.Set(m)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.failAt(n, codeValue, "write it as a list: [a, b]", "%s: expected a list, got %s", path, kindOf(n))
		return
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.decode(item, items.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(items)
}

// pairs returns a mapping's keys and values in order. A duplicate key is reported and
// left out.
func (d *decoder) pairs(n *yaml.Node) func(yield func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			if k.Kind != yaml.ScalarNode {
				d.failAt(k, codeUnknown, "write a name, and its value behind a colon", "a key must be a name, got %s", kindOf(k))
				continue
			}
			if line := seen[k.Value]; line > 0 {
				d.failAt(k, codeUnknown, "keep one of them", "key %s is already defined on line %d", shownName(k.Value), line)
				continue
			}
			seen[k.Value] = k.Line
			if !yield(k, v) {
				return
			}
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	return shownNode(n)
}
