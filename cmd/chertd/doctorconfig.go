package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"chertd/engine/chert"
	"chertd/engine/control"
	"chertd/luabind/diag"
)

// secretKeys returns the settings that are secrets. URLs of targets may contain keys.
func (k *checkup) secretKeys() []string {
	keys := []string{"chert.signing_secret", "sources.webhook.secrets", "control.token"}
	if k.c != nil {
		for _, name := range k.c.targetNames() {
			keys = append(keys, "notify."+name+".url", "notify."+name+".secret")
		}
	}
	return keys
}

// load reads the configuration as chertd run does, errors included.
func (k *checkup) load(file string) {
	text, err := readConfig(file)
	if err != nil {
		k.faults, _ = startDiagnostics(err)
		return
	}
	k.c, k.faults = parseConfig(file, text, os.LookupEnv, use{})
	if k.c == nil || slices.ContainsFunc(k.faults, func(d diag.Diagnostic) bool {
		return d.Severity == diag.SeverityError && strings.HasPrefix(d.Message, "chert")
	}) {
		return
	}
	api := k.c.daemon(nil).API
	api.Now = k.clocks.now
	if k.client, err = chert.New(api); err != nil {
		k.faults = append(k.faults, diag.Diagnostic{File: file, Severity: diag.SeverityError, Code: codeValue, Message: err.Error()})
	}
}

// meetDaemon asks the daemon for its status. Whether it answers decides how much other
// results matter.
func (k *checkup) meetDaemon(ctx context.Context) {
	if k.path, k.silent = k.find(); k.silent != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	s, err := control.Dial(k.path).Status(ctx)
	if err != nil {
		k.silent = err
		return
	}
	k.daemon = &s
}

// configuration reports errors of the configuration, except those of secrets.
func (k *checkup) configuration(context.Context) result {
	r := fine("no errors")
	if k.c != nil {
		r = fine("%s has no errors", k.c.File)
	}
	k.report(&r, func(d diag.Diagnostic) bool { return !k.ofSecret(d) })
	if len(r.Findings) > 0 {
		r.Summary = "chertd run would not start with it"
		if r.Status == statusWarning {
			r.Summary = "chertd run starts with it"
		}
	}
	return r
}

// secrets reports missing and malformed secrets, and files that others can read.
func (k *checkup) secrets(context.Context) result {
	var have []string
	if k.c.Chert.SigningSecret != "" {
		have = append(have, "signing secret")
	}
	notify := 0
	for _, t := range k.c.Notify {
		if t.Secret != "" {
			notify++
		}
	}
	if n := len(k.c.Sources.Webhook.Secrets); n > 0 {
		have = append(have, count(n, "webhook secret"))
	}
	if k.c.Control.Token != "" {
		have = append(have, "control token")
	}
	if notify > 0 {
		have = append(have, count(notify, "secret")+" of targets")
	}
	r := fine("%s", strings.Join(append(have, "well formed"), ", "))
	if len(have) == 0 {
		r.Summary = "there are none"
	}
	k.report(&r, k.ofSecret)
	if len(r.Findings) > 0 && k.daemon != nil && r.Status == statusWarning {
		r.Summary = "not known in this shell; the daemon has an environment of its own"
	} else if r.Status == statusProblem {
		r.Summary = "not all of them can be used"
	}
	k.openSecrets(&r)
	return r
}

// report adds errors and warnings of the configuration. An environment variable that is not
// set in this shell says nothing about a daemon that runs.
func (k *checkup) report(r *result, about func(diag.Diagnostic) bool) {
	for _, d := range k.faults {
		if !about(d) {
			continue
		}
		place := d.File
		if d.Line > 0 {
			place = fmt.Sprintf("%s:%d", d.File, d.Line)
		}
		message, fix := fmt.Sprintf("%s: %s [%s]", place, d.Message, d.Code), d.Hint
		if fix == "" {
			fix = "correct it"
		}
		fix = place + ": " + fix
		switch {
		case d.Severity != diag.SeverityError:
			r.warn(message, fix)
		case k.ofSecret(d) && d.Code == codeEnv && k.daemon != nil:
			fix := "run chertd doctor in the environment of the daemon (systemd: EnvironmentFile), so that secrets can be checked, too"
			if strings.Contains(d.Message, credentialsVariable) {
				fix = "so that secrets can be checked, too, run: sudo CREDENTIALS_DIRECTORY=/etc/chertd/secrets chertd doctor"
			}
			r.warn(message, fix)
		default:
			r.problem(message, fix)
		}
	}
}

// ofSecret reports whether a diagnostic is about a secret. A message begins with the key
// that it is about.
func (k *checkup) ofSecret(d diag.Diagnostic) bool {
	return slices.ContainsFunc(k.secretKeys(), func(key string) bool { return strings.HasPrefix(d.Message, key) })
}

// openSecrets warns about files with secrets that every user of the machine can read.
func (k *checkup) openSecrets(r *result) {
	files := map[string]string{} // the key that is in it
	for _, key := range k.secretKeys() {
		if file := k.c.secretFiles[key]; file != "" {
			files[file] = key
		}
	}
	text, err := readConfig(k.c.File)
	all := append([]Secret{k.c.Chert.SigningSecret, k.c.Control.Token}, k.c.Sources.Webhook.Secrets...)
	for _, t := range k.c.Notify {
		if all = append(all, t.Secret); strings.HasPrefix(t.URL.Reveal(), "https:") { // others lead to this machine
			all = append(all, t.URL)
		}
	}
	if err == nil &&
		slices.ContainsFunc(all, func(s Secret) bool { return s != "" && bytes.Contains(text, []byte(s.Reveal())) }) {
		files[k.c.File] = "secrets"
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o004 != 0 {
			r.warn(fmt.Sprintf("every user of this machine can read %s, which has %s", file, files[file]), "chmod o-r "+diag.ShellWord(file))
		}
	}
}
