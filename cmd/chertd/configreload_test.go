package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"chertd/engine"
	"chertd/engine/control"
)

// leaves returns the dotted paths of all settings; a map's entries are one.
func leaves(v reflect.Type, path string) (all []string) {
	if v.Kind() != reflect.Struct || v == reflect.TypeFor[LimitsConfig]() {
		return []string{path}
	}
	for i := range v.NumField() {
		if key := v.Field(i).Tag.Get("yaml"); key != "-" {
			all = append(all, leaves(v.Field(i).Type, join(path, key))...)
		}
	}
	return all
}

// A new key can't be added without saying whether SIGHUP takes it.
func TestEverySettingIsReloadableOrNeedsRestart(t *testing.T) {
	t.Parallel()
	all := leaves(reflect.TypeFor[Config](), "")
	for _, path := range all {
		if under(reloadable, path) == under(restartOnly, path) {
			t.Errorf("%s must be in reloadable or in restartOnly, and in one of them", path)
		}
	}
	for _, key := range append(append([]string{}, reloadable...), restartOnly...) {
		found := false
		for _, path := range all {
			found = found || under([]string{key}, path)
		}
		if !found {
			t.Errorf("%s is not a key", key)
		}
	}
}

// SIGHUP names each changed setting, as taken or not, and takes only what it says.
func TestReloadNamesWhatChanged(t *testing.T) {
	t.Parallel()
	const before = `chert: {tenant: acme-7a3f, signing_secret: 0123456789abcdef0123456789abcdef}
sources: {webhook: {secrets: [whsec_one]}}
rules: {packs: {codes: {mode: shadow}, vip: {mode: live}}}
control: {listen: "127.0.0.1:9900", token: one-token}
`
	for _, test := range []struct {
		name, text     string
		taken, not     string // as they are logged
		err            string // nothing is taken
		unless, secret string
	}{
		{"nothing", before, "", "", "", "", ""},
		{"what is taken", `chert: {tenant: acme-7a3f, signing_secret: ffffffffffffffffffffffffffffffff, rate: {limit: 3, burst: 4}}
sources: {webhook: {secrets: [whsec_two], tolerance: 1m, max_body: 2MiB, max_header: 32KiB}}
rules: {timezone: Europe/Berlin, country: DE, gate: {specs: warn, checks: off}, packs: {codes: {mode: live}, vip: {mode: live}, new: {mode: off}}, lists: {vips: {writable: true}}}
control: {listen: "127.0.0.1:9900", token: two-token, hosts: [a.example], insecure_token: true}
store: {retention: 10d, raw: 1d}
log: {level: debug, message_text: true}
`, "chert.signing_secret, chert.rate.limit, chert.rate.burst, sources.webhook.secrets, sources.webhook.tolerance, sources.webhook.max_body, sources.webhook.max_header, " +
			"rules.timezone, rules.country, rules.gate.specs, rules.gate.checks, rules.packs.codes, rules.packs.new, rules.lists.vips, store.retention, store.raw, control.token, control.insecure_token, control.hosts, log.level, log.message_text", "", "", "", ""},
		{"what is not", `chert: {tenant: other, signing_secret: 0123456789abcdef0123456789abcdef, base_url: "http://127.0.0.1:1/x", timeout: 3s, concurrency: 2}
sources: {webhook: {secrets: [whsec_one], listen: "127.0.0.1:1", path: /x}}
rules: {dir: other, watch: false, packs: {codes: {mode: shadow}, vip: {mode: live}}}
control: {listen: "127.0.0.1:9901", socket: x.sock, token: one-token}
store: {url: "sqlite:x.db"}
log: {format: json}
tracing: {url: "http://127.0.0.1:4318/v1/traces", sample: 1}
`, "", "chert.base_url (FILE:1), chert.tenant (FILE:1), chert.timeout (FILE:1), chert.concurrency (FILE:1), sources.webhook.listen (FILE:2), sources.webhook.path (FILE:2), " +
			"rules.dir (FILE:3), rules.watch (FILE:3), store.url (FILE:5), control.socket (FILE:4), control.listen (FILE:4), log.format (FILE:6), tracing.url (FILE:7), tracing.sample (FILE:7)", "", "", ""},
		{"a token that would be read on its way until a restart", strings.NewReplacer(`listen: "127.0.0.1:9900", token: one-token`, `listen: "127.0.0.1:9900", token: two-token`).Replace(before), "", "", "", "0.0.0.0:9900", ""},
		{"an error", before + "log: {level: loud}\n", "", "", "log.level: expected debug, info, warn, error", "", ""},
		{"a secret in an error", strings.Replace(before, "[whsec_one]", "hunter2-hunter2", 1), "", "", "sources.webhook.secrets: expected a list", "", "hunter2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "c.yaml")
			write := func(text string) {
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(before)
			if test.unless != "" { // it runs on the network, without a token
				write(strings.Replace(before, `"127.0.0.1:9900", token: one-token`, `"`+test.unless+`"`, 1))
			}
			running, _, err := loadConfig(file, use{})
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			log, levels := newLogger(&out, LogConfig{Format: "text"})
			r := &reloader{file: file, log: log, levels: levels, running: running}
			write(test.text)
			_, changes, err := r.reload(bySIGHUP)
			ok := err == nil
			said := strings.ReplaceAll(out.String(), file, "FILE")
			want := func(text string, value bool) {
				if strings.Contains(said, text) != value {
					t.Errorf("logged %q: %t, want %t:\n%s", text, !value, value, said)
				}
			}
			if test.unless != "" {
				if want("control.token: the token would be sent unencrypted, because control.listen is 0.0.0.0:9900 until a restart", true); ok || r.running.Control.Token != "" {
					t.Error("the token is taken")
				}
				return
			}
			if test.err != "" {
				if want(test.err, true); ok || !reflect.DeepEqual(running, r.running) {
					t.Error("it is taken")
				}
				if test.secret != "" {
					want(test.secret, false)
				}
				return
			}
			want(`changed settings applied  by=SIGHUP settings=`, test.taken != "")
			want(test.taken, true)
			want(`changed settings not applied; they need a restart  by=SIGHUP settings=`, test.not != "")
			want(test.not, true)
			if !ok || test.not != "" && (r.running.Chert.Tenant != "acme-7a3f" || r.running.Store.Path != running.Store.Path) {
				t.Errorf("what takes a restart is taken: %v", r.running)
			}
			if strings.HasPrefix(test.taken, "chert") && (changes.Tolerance.String() != "1m0s" || changes.MaxBody != 2<<20 || changes.MaxHeader != 32<<10 ||
				changes.Token != "two-token" || len(changes.Hosts) != 1 || changes.Rate != 3 || changes.Retention != (engine.Retention{Events: 10 * day, Texts: day}) || levels.level.Level() != slog.LevelDebug || !levels.texts.Load()) {
				t.Errorf("not all is taken: %+v", changes)
			}
			// What takes a restart is named until it is made.
			out.Reset()
			_, _, _ = r.reload(bySIGHUP)
			said = strings.ReplaceAll(out.String(), file, "FILE")
			want(test.not, true)
			want("changed settings applied", false)
		})
	}
}

// The content of certificate files is not a setting: SIGHUP reports files that the next
// start would reject, and applies the other changes.
func TestReloadReportsBrokenCertificate(t *testing.T) {
	t.Parallel()
	dir := startFolder(t)
	file := filepath.Join(dir, "c.yaml")
	text := "chert: {tenant: acme-7a3f, signing_secret: 0123456789abcdef0123456789abcdef}\nsources: {webhook: {secrets: [whsec_one]}}\ncontrol: {listen: '127.0.0.1:9900', tls: {cert: cert.pem, key: key.pem}}\n"
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("c.yaml", text)
	running, _, err := loadConfig(file, use{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	log, levels := newLogger(&out, LogConfig{Format: "text"})
	r := &reloader{file: file, log: log, levels: levels, running: running}
	const tells = "the files of control.tls can't be used; the previous certificate stays in use"
	if _, _, err := r.reload(bySIGHUP); err != nil || strings.Contains(out.String(), tells) {
		t.Errorf("with a good one: %v\n%s", err, out.String())
	}
	write("cert.pem", "garbage")
	if _, _, err := r.reload(bySIGHUP); err != nil || !strings.Contains(out.String(), tells) || !strings.Contains(out.String(), "[CF014]") {
		t.Errorf("with a broken one: %v\n%s", err, out.String())
	}
}

// The daemon compares its settings with the file before they are reloaded, and names them
// without their values, which may be secrets.
func TestSettingsInUseAreComparedWithTheFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "c.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const before = `chert: {tenant: acme-7a3f, signing_secret: 0123456789abcdef0123456789abcdef}
sources: {webhook: {secrets: [whsec_one]}}
`
	write(before)
	running, _, err := loadConfig(file, use{})
	if err != nil {
		t.Fatal(err)
	}
	log, levels := newLogger(io.Discard, LogConfig{Format: "text"})
	r := &reloader{file: file, log: log, levels: levels, running: running}
	for _, test := range []struct {
		text string
		want control.SettingsInUse
	}{
		{before, control.SettingsInUse{}},
		{strings.NewReplacer("0123456789abcdef", "fedcba9876543210", "whsec_one", "hunter2", "acme-7a3f", "acme-9b1c").Replace(before), control.SettingsInUse{
			NotReloaded: []string{"chert.signing_secret", "sources.webhook.secrets"}, NeedsRestart: []string{"chert.tenant"},
		}},
		{strings.Replace(before, "[whsec_one]", "hunter2-hunter2", 1), control.SettingsInUse{Error: "FILE:2:30: error: sources.webhook.secrets: expected a list of secrets [CF005]"}},
	} {
		write(test.text)
		test.want.File = file
		got, err := r.compare(t.Context())
		got.Error = strings.ReplaceAll(got.Error, file, "FILE")
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s\n\tis %+v, %v\n\twant %+v", test.text, got, err, test.want)
		}
		if r.running != running {
			t.Fatal("the comparison has applied the settings")
		}
	}
}
