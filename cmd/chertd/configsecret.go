package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"chertd/luabind/diag"
)

// maxSecretFile is the maximum size of a secrets file, in bytes. A larger file was named
// by mistake.
const maxSecretFile = 64 << 10

var secretType = reflect.TypeFor[Secret]()

// secretField reports whether a field is a Secret or a list of them.
func secretField(v reflect.Value) bool {
	return v.IsValid() && (v.Type() == secretType || v.Kind() == reflect.Slice && v.Type().Elem() == secretType)
}

// secret reads a secret, or a list of secrets, from the configuration. Errors do not
// show the value.
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
	if len(n.Content) == 0 {
		d.unknown[path] = true // said here
		d.failAt(n, codeSecret, `write ["${NAME}"]`, "%s: the list is empty", path)
	}
	var secrets []Secret
	for _, item := range n.Content {
		if item.Kind == yaml.AliasNode {
			item = item.Alias
		}
		if s, ok := d.oneSecret(item, path); ok {
			secrets = append(secrets, Secret(s))
		}
	}
	v.Set(reflect.ValueOf(secrets))
}

// claim records where a secret comes from, and reports a second place.
func (d *decoder) claim(n *yaml.Node, path string) bool {
	if d.given(path) {
		d.failAt(n, codeSecret, "delete one of them", "%s is given twice: keep either it or %s_file", path, path)
		return false
	}
	d.places[path] = n
	return true
}

func (d *decoder) oneSecret(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.failAt(n, codeSecret, "write ${NAME}, or name a file that holds it: "+path[strings.LastIndexByte(path, '.')+1:]+"_file", "%s: expected a single value", path)
		return "", false
	}
	text, expanded, ok := d.expandSecret(n, path)
	if !ok {
		return "", false
	}
	// The default of control.token is the empty string, which may be given explicitly.
	if path == "control.token" && text == "" && !expanded && !isNull(n) {
		return "", true
	}
	hint := "set it, or delete the line"
	if expanded {
		hint = "the environment variable is set, and empty: set it to the secret"
	}
	if text = trimSecret(text); text == "" || isNull(n) {
		d.failAt(n, codeSecret, hint, "%s: the secret is empty", path)
		return "", false
	}
	if wrong, hint := secretFlaw(path, text); wrong != "" {
		d.failAt(n, codeSecret, hint, "%s: %s", path, wrong)
		return "", false
	}
	return text, true
}

// expandSecret works like expand, for a secret. An error shows the name of a variable
// only if the value has nothing else in it, because anything else may be part of the
// secret.
func (d *decoder) expandSecret(n *yaml.Node, path string) (text string, expanded, ok bool) {
	if name := bareVariable(n.Value); name != "" {
		if _, set := d.lookup(name); set || bareWhole.MatchString(strings.TrimSpace(n.Value)) {
			d.failAt(n, codeEnv, "write ${NAME}: only with braces is it an environment variable", "%s: an environment variable without braces is not expanded", path)
			return "", false, false
		}
	}
	if shownRef.MatchString(strings.TrimSpace(n.Value)) {
		return d.expand(n, path)
	}
	hidden := &decoder{file: d.file, lookup: d.lookup, use: d.use, unknown: d.unknown}
	text, expanded, ok = hidden.expand(n, path)
	if len(hidden.diags) > 0 {
		d.failAt(n, codeEnv, "write the secret as ${NAME} alone, with NAME set; a ${ that is part of the secret is written $${", "%s: the secret contains a ${ that names no environment variable that is set", path)
	}
	return text, expanded, ok
}

var bareWhole = regexp.MustCompile(`^(\$[A-Z_][A-Z0-9_]*|\$\([A-Za-z_][A-Za-z0-9_]*\)|%[A-Z_][A-Z0-9_]*%)$`)

// trimSecret removes what editors and shells add around a secret.
func trimSecret(text string) string { return strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")) }

var (
	assignment  = regexp.MustCompile(`^(export )?[A-Z][A-Z0-9]*_[A-Z0-9_]*=.`)
	placeholder = regexp.MustCompile(`^(<.*>|\.\.\.|…|changeme|xxx+)$`)
	hex32       = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
)

// placeholderHints are the hints for a placeholder, by the secret's path.
var placeholderHints = map[string]string{
	"chert.signing_secret":    "write the signing secret of the account, as Chert shows it",
	"sources.webhook.secrets": "write the subscription's secret, which Chert shows once, when it is made",
	"control.token":           "make one up: openssl rand -hex 32",
}

// signingLength is the number of hexadecimal digits of Chert's signing secrets.
const signingLength = 32

// secretFlaw returns why a string can't be the secret at path, and the fix, or "" if it
// can.
func secretFlaw(path, text string) (wrong, hint string) {
	last := len(text) - 1
	switch {
	case assignment.MatchString(text):
		return "the secret begins with NAME=", "write only what follows the ="
	case last > 0 && (text[0] == '"' || text[0] == '\'') && text[last] == text[0]:
		return "the secret is in quotes", "write it without them"
	case placeholder.MatchString(text):
		return "it is a placeholder, not a secret", cmp.Or(placeholderHints[path], "write the value itself")
	case strings.ContainsAny(text, " \t"):
		hint := "write the secret alone, without spaces"
		if path == "sources.webhook.secrets" {
			hint = "write a single secret; to give several, use a list, or one per line in secrets_file"
		}
		return "the secret contains a space", hint
	case !utf8.ValidString(text):
		return "the secret is not UTF-8 text", "write it as plain text"
	}
	for i, r := range text {
		if r <= ' ' || r > '~' {
			return fmt.Sprintf("character %d of the secret is not a printable ASCII character", utf8.RuneCountInString(text[:i])+1),
				"copy the secret again: an editor or a web page may have put in a line break, an invisible character or a curly quote"
		}
	}
	if path == "chert.signing_secret" {
		switch n := len(text); {
		case n != signingLength:
			return fmt.Sprintf("the secret has %s, and Chert's signing secrets have %d", count(n, "character"), signingLength),
				"copy the whole signing secret of the account; a webhook subscription's secret belongs in sources.webhook.secrets"
		case !hex32.MatchString(text):
			return "the secret has characters that are not hexadecimal digits, 0 to 9 and a to f", "copy the signing secret of the account again"
		}
	}
	return "", ""
}

// secretFile reads secrets from a file, one per line. Empty lines are ignored.
func (d *decoder) secretFile(key, n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if !d.claim(key, path) {
		return
	}
	d.places[path+"_file"] = n
	if n.Kind != yaml.ScalarNode || isNull(n) || strings.TrimSpace(n.Value) == "" {
		d.failAt(n, codeSecret, "for example "+path[strings.LastIndexByte(path, '.')+1:]+"_file: /run/secrets/chert", "%s_file: expected the path of a file", path)
		return
	}
	if d.use.offline {
		d.unknown[path] = true
		return
	}
	if name := bareVariable(n.Value); name != "" {
		d.failAt(n, codeEnv, "write ${"+name+"}: only with braces is it an environment variable", "%s_file: %s is not expanded", path, shownVariable(n.Value))
		return
	}
	name, _, ok := d.expand(n, path+"_file")
	if !ok {
		return
	}
	file := relativeTo(d.dir, name)
	d.files[path] = file
	wrong := func(hint, format string, args ...any) {
		d.failAt(n, codeSecret, hint, "%s_file: "+format, append([]any{path}, args...)...)
	}
	lines, err := readSecrets(file)
	single := v.Type() == secretType
	switch {
	case err != nil:
		why, hint := whyUnread(file, err)
		if errors.Is(err, fs.ErrNotExist) && !shownPath.MatchString(name) {
			wrong("write the secret into a file, and the path of that file here", "there is no such file")
			return
		}
		wrong(hint, "%s: %s", name, why)
		return
	case len(lines) == 0:
		wrong("write the secret into it", "%s is empty", name)
		return
	case single && len(lines) > 1:
		wrong("keep only one line in it", "%s has %d lines; expected a single secret", name, len(lines))
		return
	}
	secrets := make([]Secret, len(lines))
	for i, line := range lines {
		if why, hint := secretFlaw(path, line.text); why != "" {
			wrong(hint, "%s:%d: %s", name, line.number, why)
			return
		}
		secrets[i] = Secret(line.text)
	}
	if single {
		v.SetString(lines[0].text)
	} else {
		v.Set(reflect.ValueOf(secrets))
	}
}

// shownPath returns the path of a secrets file for an error, unless the path may be the
// secret itself.
var shownPath = regexp.MustCompile(`^(\.{0,2}/[\w./-]*|[\w-]{1,24}\.[a-z]{2,6})$`)

// secretLine is one line of a secrets file.
type secretLine struct {
	number int // from 1
	text   string
}

// readSecrets reads the non-empty lines of a small file, without a byte order mark and
// with the line ends of any system. The content is not expanded.
func readSecrets(path string) ([]secretLine, error) {
	text, err := readSmall(path, maxSecretFile)
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(text, []byte("\xff\xfe")), bytes.HasPrefix(text, []byte("\xfe\xff")), bytes.IndexByte(text, 0) >= 0:
		return nil, errors.New("it is not UTF-8 text: it was saved as UTF-16, or is a binary file")
	}
	all := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(string(text), "\ufeff"))
	var lines []secretLine
	for i, line := range strings.Split(all, "\n") {
		if line = trimSecret(line); line != "" {
			lines = append(lines, secretLine{i + 1, line})
		}
	}
	return lines, nil
}

// whyUnread returns why a file of the configuration can't be read, and the fix.
func whyUnread(path string, err error) (why, hint string) {
	why = err.Error()
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		why = pe.Err.Error()
	}
	switch files := diag.OpenFilesHint(err); {
	case files != "":
		return why, files
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file", "create it, or correct the path; it is relative to the configuration file"
	case errors.Is(err, fs.ErrPermission):
		return why, "the user that chertd runs as needs to read it: chmod u+r " + path + ", or make that user its owner"
	case strings.Contains(why, "not UTF-8"):
		return why, "save it as UTF-8"
	case strings.Contains(why, "is a directory"):
		return "it is a directory", "name a file in it"
	case strings.Contains(why, "named pipe"):
		return why, "start the program that writes into it first, or name a regular file"
	}
	return why, "name another file"
}
