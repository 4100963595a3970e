package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

const minimal = `
chert: {tenant: acme-7a3f, signing_secret: "${SIGNING}"}
sources: {webhook: {secrets: ["${HOOK}"]}}
`

func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"SIGNING": "0123456789abcdef0123456789abcdef", "HOOK": "whsec_one", "EMPTY": "", "NINE": "9", "HOST": "chat.example.com",
	}[name]
	return v, ok
}

func TestMinimalConfigTakesDefaults(t *testing.T) {
	t.Parallel()
	c, diags := parseConfig("etc/chertd.yaml", []byte(minimal), environment, use{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for _, check := range []struct{ what, got, want any }{
		{"base_url", c.Chert.BaseURL, "https://console.trychert.com/api/v1"},
		{"signing secret", c.Chert.SigningSecret.Reveal(), "0123456789abcdef0123456789abcdef"},
		{"timeout", c.Chert.Timeout, 10 * time.Second},
		{"rate", c.Chert.Rate, RateConfig{Limit: 10, Burst: 20, Adaptive: true}},
		{"listen", c.Sources.Webhook.Listen, "127.0.0.1:8787"},
		{"webhook secrets", strings.Join(reveal(c.Sources.Webhook.Secrets), " "), "whsec_one"},
		{"max_body", c.Sources.Webhook.MaxBody, Size(1 << 20)},
		{"catchup", c.Sources.Catchup, CatchupConfig{Enabled: true, Every: time.Minute, Wait: 5 * time.Minute}},
		{"retention", c.Store.Retention, 30 * 24 * time.Hour},
		{"rules.dir is relative to the file", c.Rules.Dir, Path("etc/rules")},
		{"so is the store", c.Store.Path, "etc/data/chertd.db"},
		{"and the socket", c.Control.Socket, Path("etc/data/chertd.sock")},
		{"log", c.Log, LogConfig{Level: "info", Format: "text"}},
	} {
		if check.got != check.want {
			t.Errorf("%v is %v, want %v", check.what, check.got, check.want)
		}
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	text := `
chert:
  base_url: http://127.0.0.1:8790/api/v1
  tenant: acme
  auth: bearer
  signing_secret: 0123456789ABCDEF0123456789abcdef
  timeout: 30
  concurrency: ${NINE}
  rate: {limit: 2.5, burst: "${NINE}", adaptive: false}
sources:
  webhook: {listen: ":80", path: /hook, secrets: [one, "two"], tolerance: 90s, max_body: 64KiB}
  stream: {enabled: false}
  catchup: {enabled: true, every: 2m, lookback: 1d, wait: 0s}
rules:
  dir: /srv/rules
  watch: false
  timezone: America/New_York
  country: GB
  gate: {specs: off, checks: warn}
  packs:
    codes: {mode: shadow, grant: [typing, send], config: {min_digits: 6, on: true, words: [a, "b"], deep: {x: 1.5}, host: "${HOST}", caller: +14155551234}}
    plain:
store: {url: "sqlite:///var/lib/chertd.db"}
control: {listen: "127.0.0.1:9900", hosts: [chertd.example.com], insecure_token: true}
log: {level: debug, format: json, message_text: true}
`
	c, diags := parseConfig("chertd.yaml", []byte(text), environment, use{})
	if diags.Errors() {
		t.Fatal(diags)
	}
	pack := c.Rules.Packs["codes"]
	got := fmt.Sprintln(
		c.Chert.Timeout, c.Chert.Concurrency, c.Chert.Rate, reveal(c.Sources.Webhook.Secrets), c.Sources.Webhook.MaxBody,
		c.Sources.Catchup, c.Rules.Dir, c.Rules.Watch, c.location(), c.Rules.Country, c.Rules.Gate, pack.Mode, pack.Grant, pack.Config, len(c.Rules.Packs),
		c.Store.Path, c.Control.Listen, c.Control.Hosts, c.Control.InsecureToken, c.Log)
	want := "30s 9 {2.5 9 false} [one two] 65536 {true 2m0s 24h0m0s 0s} /srv/rules false America/New_York GB {off warn} shadow [typing send] " +
		"map[caller:+14155551234 deep:map[x:1.5] host:chat.example.com min_digits:6 on:true words:[a b]] 2 /var/lib/chertd.db 127.0.0.1:9900 [chertd.example.com] true {debug json true}\n"
	if got != want {
		t.Errorf("\ngot  %swant %s", got, want)
	}
}

func TestConfigErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, text, want string }{
		{"a misspelt key", "chert:\n  tenant: a\n  secert: b\n", `c.yaml:3:3: error: unknown key "chert.secert" [CF002]`},
		{"its nearest name", "chert:\n  tenat: a\n", "hint: did you mean tenant?"},
		{"one that is like none", "chert:\n  zzzz: a\n", "hint: the keys here are base_url, tenant, auth"},
		{"at the top", "chrt: {}\n", `c.yaml:1:1: error: unknown key "chrt" [CF002]`},
		{"a key twice", "log: {level: info, level: debug}\n", `c.yaml:1:20: error: key "level" is already defined on line 1 [CF002]`},
		{"a list for a table", "sources: [webhook]\n", "c.yaml:1:10: error: sources: expected keys and values, got a list [CF003]"},
		{"a word for a duration", "chert:\n  timeout: soon\n", `c.yaml:2:12: error: chert.timeout: expected a duration like 90s, 5m or 30d, got "soon" [CF003]`},
		{"text for a number", "chert:\n  concurrency: \"8\"\n", "c.yaml:2:16: error: chert.concurrency: expected a whole number, got a string [CF003]\n  hint: write it without quotes"},
		{"a fraction", "chert: {concurrency: 1.5}\n", `chert.concurrency: expected a whole number, got "1.5"`},
		{"yes for true", "rules: {watch: yes}\n", `rules.watch: expected true or false, got "yes"`},
		{"nothing", "chert:\n  timeout:\n", "chert.timeout: expected a duration like 90s, 5m or 30d, got nothing"},
		{"a size", "sources: {webhook: {max_body: 1MB}}\n", `sources.webhook.max_body: expected a size like 64KiB or 1MiB, got "1MB"`},
		{"a size out of range", "sources: {webhook: {max_body: 1GiB}}\n", `sources.webhook.max_body: expected 1KiB to 64MiB, got "1GiB"`},
		{"a variable not set", "chert:\n  tenant: ${NOPE}\n", "c.yaml:2:11: error: chert.tenant: the environment variable NOPE is not set [CF004]\n  hint: export NOPE"},
		{"a variable without a name", "chert: {tenant: '${}'}\n", "what follows ${ names no environment variable"},
		{"an empty secret", "chert: {signing_secret: ''}\n", "chert.signing_secret: the secret is empty [CF005]"},
		{"an empty variable", "chert: {signing_secret: '${EMPTY}'}\n", "chert.signing_secret: the secret is empty [CF005]"},
		{"a secret file that is not there", "chert:\n  signing_secret_file: nope.txt\n", "c.yaml:2:24: error: chert.signing_secret_file: nope.txt: there is no such file [CF005]"},
		{"a secret twice", "chert:\n  signing_secret: a\n  signing_secret_file: b\n", "c.yaml:3:3: error: chert.signing_secret is given twice: keep either"},
		{"no secret", "chert: {tenant: a}\n", "c.yaml:1:8: error: chert.signing_secret: is missing [CF006]"},
		{"nothing at all", "", "c.yaml: error: chert.tenant: is missing [CF006]"},
		{"no webhook secret", "chert: {tenant: a, signing_secret: 0123456789abcdef0123456789abcdef}\n", "c.yaml: error: sources.webhook.secrets: is missing [CF006]"},
		{"no source", "sources:\n  webhook: {listen: \"\"}\n  catchup: {enabled: false}\n", "c.yaml:2:3: error: sources: at least one source of events is needed [CF006]"},
		{"http to the world", "chert: {base_url: http://chat.example.com/v1}\n", "c.yaml:1:19: error: chert.base_url: calls to chat.example.com would not be encrypted [CF003]\n  hint: write https://"},
		{"no URL", "chert: {base_url: console}\n", "chert.base_url: expected a URL like"},
		{"an unknown auth", "chert: {auth: hmca}\n", "chert.auth: expected hmac, bearer, got \"hmca\" [CF003]\n  hint: did you mean hmac?"},
		{"a time zone", "rules: {timezone: Mars}\n", `rules.timezone: unknown time zone "Mars": expected a name like "America/New_York"`},
		{"a setting's key in a special form", "rules: {packs: {codes: {config: {x: {0x41: c}}}}}\n", `rules.packs.codes.config.x: the key 0x41 is a number in a special form, and keys are strings`},
		{"a setting's key that is empty", "rules: {packs: {codes: {config: {x: {~: c}}}}}\n", `rules.packs.codes.config.x: a key is empty: YAML reads ~ as no value`},
		{"a setting with a tag", "rules: {packs: {codes: {config: {x: !!binary aGk=}}}}\n", `rules.packs.codes.config.x: the tag !!binary is not supported`},
		{"a setting in a special form", "rules: {packs: {codes: {config: {limit: 0x1F}}}}\n", `rules.packs.codes.config.limit: 0x1F is a number in a special form`},
		{"a setting that is too large", "rules: {packs: {codes: {config: {id: 9007199254740993}}}}\n", `rules.packs.codes.config.id: the number 9007199254740993 is too large to be exact`},
		{"a setting that means two things", "rules: {packs: {codes: {config: {group: no}}}}\n", `rules.packs.codes.config.group: no can mean false or the word`},
		{"a time zone without summer time", "rules: {timezone: EST}\n", `rules.timezone: time zone "EST" does not observe daylight saving time; use "America/New_York"`},
		{"a country's name", "rules: {country: Germany}\n", `c.yaml:1:18: error: rules.country: expected the two letters of a country like US, got "Germany" [CF003]`},
		{"a country in lower case", "rules: {country: us}\n", "got \"us\" [CF003]\n  hint: write US"},
		{"another name of a country", "rules: {country: UK}\n", "hint: write GB"},
		{"three letters", "rules: {country: USA}\n", "hint: write US"},
		{"no country", "rules: {country: EU}\n", `got "EU"`},
		{"a number for a country", "rules: {country: 840}\n", `got "840" [CF003]`},
		{"the code of the unknown", "rules: {country: ZZ}\n", `got "ZZ" [CF003]`},
		{"a code of nobody", "rules: {country: XX}\n", `got "XX" [CF003]`},
		{"a key of before", "rules:\n  specs: gate\n", "c.yaml:2:3: error: unknown key \"rules.specs\" [CF002]\n  hint: write rules: {gate: {specs: enforce}}; enforce, warn and off are its values"},
		{"a gate", "rules: {gate: {checks: gate}}\n", `c.yaml:1:24: error: rules.gate.checks: expected enforce, warn, off, got "gate" [CF003]`},
		{"a part of the gate", "rules: {gate: {spec: off}}\n", "unknown key \"rules.gate.spec\" [CF002]\n  hint: did you mean specs?"},
		{"a mode", "rules: {packs: {codes: {mode: on}}}\n", `c.yaml:1:31: error: rules.packs.codes.mode: expected live, shadow, off, got "on"`},
		{"a capability", "rules: {packs: {codes: {grant: [sned]}}}\n", "c.yaml:1:33: error: rules.packs.codes.grant[0]: expected typing, react, send, notify, got \"sned\" [CF003]\n  hint: did you mean send?"},
		{"a store", "store: {url: postgres://x}\n", "store.url: PostgreSQL is not in this build yet"},
		{"a key that is a list", "? [log]\n: {}\n", "c.yaml:1:3: error: a key must be a name, got a list [CF002]\n  hint: write a name"},
		{"a name that moves a terminal", "rules: {packs: {\"a\\e[2J\": [b]}}\n", `c.yaml:1:27: error: rules.packs.a\x1b[2J: expected keys and values, got a list [CF003]`},
		{"a merge key", "store: {<<: {raw: 1d}}\n", "c.yaml:1:9: error: unknown key \"store.<<\" [CF002]\n  hint: merge keys are not read"},
		{"a name that no pack can have", "rules: {packs: {a/b: {mode: live}}}\n", "c.yaml:1:17: error: rules.packs: the key \"a/b\" can't be the name of a pack [CF003]\n  hint: write b: the name of a pack does not include the directory that contains it"},
		{"a path where a pack's name belongs", "rules: {packs: {rules/vip: {mode: live}}}\n", "c.yaml:1:17: error: rules.packs: the key of 9 characters can't be the name of a pack [CF003]\n  hint: write vip: the name of a pack"},
		{"a name of no file", "rules: {packs: {'*': {mode: live}}}\n", "rules.packs: the key \"*\" can't be the name of a pack [CF003]\n  hint: a pack is named after"},
		{"a variable that is empty", "log: {level: '${EMPTY}'}\n", "log.level: expected debug, info, warn, error, got \"${EMPTY}\", which is empty [CF003]"},
		{"a token that is a placeholder", "control: {listen: '127.0.0.1:0', token: changeme}\n", "control.token: it is a placeholder, not a secret [CF005]\n  hint: make one up: openssl rand -hex 32"},
		{"a webhook secret that is a placeholder", "sources: {webhook: {secrets: [changeme]}}\n", "[CF005]\n  hint: write the subscription's secret, which"},
		{"a signing secret that is a placeholder", "chert: {signing_secret: <secret>}\n", "[CF005]\n  hint: write the signing secret of the account"},
		{"a token with a space", "control: {listen: '127.0.0.1:0', token: a b}\n", "control.token: the secret contains a space [CF005]\n  hint: write the secret alone, without spaces"},
		{"an empty token", "control: {listen: '127.0.0.1:0', token: ''}\n", "without a token TCP serves health and readiness alone"},
		{"Latin-1", "log: {level: \"inf\xf6\"}\n", "c.yaml:1:1: error: invalid trailing UTF-8 octet [CF001]\n  hint: save the file as UTF-8"},
		{"another store", "store: {url: mysql://me:hunter2@host/x}\n", "c.yaml:1:14: error: store.url: expected sqlite:PATH, got a string of 25 characters [CF003]\n  hint: for example sqlite:./data/chertd.db"},
		{"texts longer than their events", "store: {retention: 3d, raw: 5d}\n", "c.yaml:1:29: error: store.raw: texts can't be kept longer than their events: store.retention is 3d [CF003]\n  hint: raise store.retention, or delete the key raw"},
		{"an address", "control: {listen: '9900'}\n", `control.listen: expected host:port like 127.0.0.1:8787, got "9900"`},
		{"half a certificate", "control: {tls: {cert: a.pem}}\n", "control.tls: cert and key go together"},
		{"no YAML", "chert: {\n", "c.yaml:1:1: error: did not find expected node content [CF001]"},
		{"tabs", "chert:\n\ttenant: a\n", "hint: indent with spaces"},
		{"two documents", "log: {}\n---\nlog: {}\n", "c.yaml:2:1: error: a second YAML document begins here"},
		{"a list", "- chert\n", "c.yaml:1:1: error: expected keys and values, got a list [CF001]"},
		{"settings that multiply", "rules: {packs: {a: {config: {a: &a [1,1,1,1,1,1,1,1], b: &b [*a,*a,*a,*a,*a,*a,*a,*a], c: &c [*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c,*c], e: &e [*d,*d,*d,*d,*d,*d,*d,*d]}}}}\n", "have more than 10000 values"},
		{"settings without end", "rules: {packs: {a: {config: &c {x: *c}}}}\n", "nested deeper than 16"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, diags := parseConfig("c.yaml", []byte(test.text), environment, use{})
			if !diags.Errors() || !strings.Contains(diags.Error(), test.want) || strings.Contains(diags.Error(), "\x1b") {
				t.Errorf("%s\ngot\n%s\nwant\n%s", test.text, diags.Error(), test.want)
			}
		})
	}
}

// TestBadSettingIsLeftOut: an invalid setting of a pack is reported once. It is not
// compared with pack.yaml, and `check` uses the pack's default.
func TestBadSettingIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"0x41", "1_000", "~", "9007199254740993", "1.41556E+10", "'${NOPE}'", "[1, ~]", "{a: 0x1}", "{a: 1, a: 2}", ""} {
		c, diags := parseConfig("c.yaml", []byte("rules: {packs: {vip: {config: {digits: "+bad+", good: 1}}}}\n"), environment, use{offline: true})
		if _, given := c.Rules.Packs["vip"].Config["digits"]; !diags.Errors() || given || c.Rules.Packs["vip"].Config["good"] == nil {
			t.Errorf("%s: %v %v", bad, c.Rules.Packs["vip"].Config, diags)
		}
	}
	c, diags := parseConfig("c.yaml", []byte("rules: {packs: {rules/vip: {mode: live}}}\n"), environment, use{offline: true})
	if !diags.Errors() || len(c.Rules.Packs) != 0 {
		t.Errorf("a name that no pack can have is kept: %v %v", c.Rules.Packs, diags)
	}
}

func TestAllConfigErrorsAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, diags := parseConfig("c.yaml", []byte("chrt: 1\nlog: {level: loud}\nrules: {dir: '${NOPE}'}\n"), environment, use{})
	for _, want := range []string{`"chrt"`, "log.level", "NOPE", "chert.tenant", "sources.webhook.secrets"} {
		if !strings.Contains(diags.Error(), want) {
			t.Errorf("%s is not reported:\n%s", want, diags.Error())
		}
	}
}

func TestFeaturesOfThisBuildCauseNoWarning(t *testing.T) {
	t.Parallel()
	_, diags := parseConfig("c.yaml", []byte(`chert: {tenant: acme-7a3f, signing_secret: "${SIGNING}", rate: {adaptive: true}}
sources: {webhook: {secrets: ["${HOOK}"]}, catchup: {enabled: true}}
store: {retention: 10d, raw: 1d}
`), environment, use{})
	if len(diags) != 0 {
		t.Errorf("it says\n%s", diags.Error())
	}
	_, diags = parseConfig("c.yaml", []byte("chert: {tenant: a, signing_secret: 0123456789abcdef0123456789abcdef}\nsources: {webhook: {listen: ''}}\n"), environment, use{})
	if diags.Errors() {
		t.Errorf("with the events log alone:\n%s", diags.Error())
	}
}

func TestConfigNeedsNoSourceWithEventsFile(t *testing.T) {
	t.Parallel()
	text := "chert: {tenant: a, signing_secret: 0123456789abcdef0123456789abcdef}\nsources: {webhook: {listen: ''}, catchup: {enabled: false}}\n"
	if _, diags := parseConfig("c.yaml", []byte(text), environment, use{events: true}); diags.Errors() {
		t.Error(diags)
	}
}

func TestSecretFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("signing", "0123456789abcdef0123456789abcdef\n")
	write("hooks", "\none\r\ntwo\n\n")
	write("empty", " \n")
	parse := func(text string) (*Config, string) {
		c, diags := parseConfig(filepath.Join(dir, "chertd.yaml"), []byte(text), environment, use{})
		return c, diags.Error()
	}
	c, problems := parse("chert: {tenant: a, signing_secret_file: signing}\nsources: {webhook: {secrets_file: hooks}}\n")
	if problems != "" {
		t.Fatal(problems)
	}
	if got := c.Chert.SigningSecret.Reveal() + " " + strings.Join(reveal(c.Sources.Webhook.Secrets), " "); got != "0123456789abcdef0123456789abcdef one two" {
		t.Errorf("read %q", got)
	}
	if _, problems = parse("chert: {signing_secret_file: hooks}\n"); !strings.Contains(problems, "hooks has 2 lines; expected a single secret") {
		t.Error(problems)
	}
	if _, problems = parse("sources: {webhook: {secrets_file: empty}}\n"); !strings.Contains(problems, "empty is empty") {
		t.Error(problems)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	const secret = "hunter2secret"
	c, _ := parseConfig("c.yaml", []byte("chert: {tenant: a, signing_secret: "+secret+"}\nsources: {webhook: {secrets: ["+secret+"]}}\ncontrol: {token: "+secret+"}\n"), environment, use{})
	var out strings.Builder
	s := c.Chert.SigningSecret
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", s, c)
		fmt.Fprintf(&out, verb+"\n", *c)
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		text, err := marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	for _, format := range []string{"text", "json"} {
		log, _ := newLogger(&out, LogConfig{Format: format})
		log.Info("x", "secret", s, "config", c, slog.Group("g", "all", c.Sources.Webhook.Secrets))
	}
	if strings.Contains(out.String(), secret) || strings.Contains(out.String(), fmt.Sprintf("%x", secret)) {
		t.Errorf("a secret was printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), hidden) {
		t.Error("nothing was printed at all")
	}
	for _, text := range []string{
		"chert: {signing_secret: [" + secret + "]}", "chert: {signing_secret: {a: " + secret + "}}",
		"sources: {webhook: {secrets: " + secret + "}}", "chert: {signing_secret: '" + secret + "${NOPE}'}",
		"chert: {signing_secret: " + secret + ", signing_secret_file: x}",
		"rules: {packs: {" + secret + "-1: {mode: lve, grant: [x], config: {a: ~}, zebra: 1, limits: 5}}}",
		"rules: {packs: {a: {grant: [" + secret + "], mode: " + secret + "}}}",
	} {
		if _, diags := parseConfig("c.yaml", []byte(text), environment, use{}); strings.Contains(diags.Error(), secret) {
			t.Errorf("an error tells the secret: %s", diags.Error())
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add(minimal)
	f.Add("rules: {packs: {a: {config: &c {x: *c}}}}")
	f.Add("chert: *a")
	f.Add("? [a]\n: b\nchert: {? {x: y} : z}")
	f.Fuzz(func(t *testing.T, text string) {
		c, diags := parseConfig("c.yaml", []byte(text), func(string) (string, bool) { return "x", true }, use{})
		if c == nil && !diags.Errors() {
			t.Error("neither a configuration nor an error")
		}
	})
}

// Commands that run rules and make no calls load a configuration without its
// secrets and without the environment of the daemon.
func TestOfflineNeedsNoSecrets(t *testing.T) {
	t.Parallel()
	nothing := func(string) (string, bool) { return "", false }
	for _, test := range []struct{ name, text, want string }{
		{"variables that are not set", `
chert: {base_url: "${URL}", tenant: "${TENANT}", signing_secret: "${A}", concurrency: "${N}"}
sources: {webhook: {listen: "${LISTEN}", secrets: ["${B}", "${C}"]}}
control: {listen: 0.0.0.0:9900, token: "${D}", tls: {cert: "${CERT}", key: key.pem}}
`, ""},
		{"files that are not there", "chert: {tenant: a, signing_secret_file: /nowhere/a}\nsources: {webhook: {secrets_file: /nowhere/b}}\n", ""},
		{"credentials that are missing", "rules: {timezone: UTC}\n", "c.yaml: warning: chert.tenant: is missing: `chertd run` needs it [CF006]"},
		{"a token in the clear", "chert: {tenant: a, signing_secret: '${A}'}\nsources: {webhook: {secrets: ['${B}']}}\ncontrol: {listen: ':9900', token_file: /nowhere/t}\n", "c.yaml:3:28: error: control.token: the token would be sent unencrypted"},
		{"what is wrong elsewhere", "chert: {tenant: a, signing_secret: '${A}'}\nsources: {webhook: {listen: nowhere, secrets: ['${B}']}}\n", "c.yaml:2:29: error: sources.webhook.listen: expected host:port"},
		{"a variable that rules need", "rules: {packs: {codes: {config: {host: '${HOST}'}}}}\n", "c.yaml:1:40: error: rules.packs.codes.config.host: the environment variable HOST is not set [CF004]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, diags := parseConfig("c.yaml", []byte(test.text), nothing, use{offline: true})
			if c == nil || test.want == "" && len(diags) > 0 || !strings.Contains(diags.Error(), test.want) {
				t.Errorf("got\n%s\nwant\n%s", diags.Error(), test.want)
			}
		})
	}
}
