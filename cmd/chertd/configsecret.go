package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxSecretFile bounds a file of secrets: whoever names a larger one meant another.
const maxSecretFile = 64 << 10

var secretType = reflect.TypeFor[Secret]()

// secretField reports whether a field is a Secret or a list of them.
func secretField(v reflect.Value) bool {
	return v.IsValid() && (v.Type() == secretType || v.Kind() == reflect.Slice && v.Type().Elem() == secretType)
}

// secret reads a secret, or a list of them, that stands in the configuration.
// What is wrong is said without what stands there.
func (d *decoder) secret(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if !d.claim(n, path) {
		return
	}
	if v.Type() == secretType {
		if s, ok := d.oneSecret(n, path); ok {
			v.SetString(s)
		}
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.failAt(n, codeSecret, `write ["${NAME}"]`, "%s: expected a list of secrets", path)
		return
	}
	var secrets []Secret
	for _, item := range n.Content {
		if s, ok := d.oneSecret(item, path); ok {
			secrets = append(secrets, Secret(s))
		}
	}
	v.Set(reflect.ValueOf(secrets))
}

// claim notes where a secret comes from, and refuses a second place.
func (d *decoder) claim(n *yaml.Node, path string) bool {
	if d.given(path) {
		d.failAt(n, codeSecret, "", "%s is given twice: keep either it or %s_file", path, path)
		return false
	}
	d.places[path] = n
	return true
}

func (d *decoder) oneSecret(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.failAt(n, codeSecret, "", "%s: expected text", path)
		return "", false
	}
	text, _, ok := d.expand(n, path)
	if !ok {
		return "", false
	}
	// control.token's default is the empty text: it may be written so.
	if text = strings.TrimSpace(text); (text == "" || isNull(n)) && path != "control.token" {
		d.failAt(n, codeSecret, "", "%s: the secret is empty", path)
		return "", false
	}
	return text, true
}

// secretFile reads secrets from a file, one a line. Empty lines don't count.
func (d *decoder) secretFile(key, n *yaml.Node, v reflect.Value, path string) {
	if !d.claim(key, path) {
		return
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.failAt(n, codeSecret, "", "%s_file: expected the path of a file", path)
		return
	}
	if d.use.offline {
		d.unknown[path] = true
		return
	}
	name, _, ok := d.expand(n, path+"_file")
	if !ok {
		return
	}
	lines, err := readLines(relativeTo(d.dir, name))
	single := v.Type() == secretType
	switch {
	case err != nil:
		d.failAt(n, codeSecret, "", "%s_file: %v", path, err)
	case len(lines) == 0:
		d.failAt(n, codeSecret, "", "%s_file: %s is empty", path, name)
	case single && len(lines) > 1:
		d.failAt(n, codeSecret, "", "%s_file: %s has %d lines, and one secret is expected", path, name, len(lines))
	case single:
		v.SetString(lines[0])
	default:
		secrets := make([]Secret, len(lines))
		for i, line := range lines {
			secrets[i] = Secret(line)
		}
		v.Set(reflect.ValueOf(secrets))
	}
}

// readLines reads the lines of a small file that say something.
func readLines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSecretFile {
		return nil, errors.New(path + " is too large to be a file of secrets")
	}
	var lines []string
	scan := bufio.NewScanner(strings.NewReader(string(text)))
	scan.Buffer(nil, maxSecretFile+1)
	for scan.Scan() {
		if line := strings.TrimSpace(scan.Text()); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, scan.Err()
}
