package main

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	stdpath "path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"chertd/engine/chert"
	"chertd/engine/dispatch"
	"chertd/engine/event/handle"
	"chertd/engine/source"
	"chertd/luabind"
	"chertd/rules"
)

// check reports values with which chertd can't run although each has the right type. d
// has the positions of the values, and has already reported those of the wrong type.
func (c *Config) check(d *decoder) {
	c.checkChert(d)
	c.checkSources(d)
	c.checkRules(d)
	c.checkNotify(d)
	c.checkStore(d)
	c.checkControl(d)
	c.checkTracing(d)
	oneOf(d, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(d, "log.format", c.Log.Format, "text", "json")
}

func (c *Config) checkChert(d *decoder) {
	const example = "for example https://console.trychert.com/api/v1"
	u, err := url.Parse(c.Chert.BaseURL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(u.Host, " $"):
		d.fail("chert.base_url", codeValue, example, "expected a URL like https://console.trychert.com/api/v1")
	case u.Port() != "" && !isPort(u.Port()):
		d.fail("chert.base_url", codeValue, example, "expected a port from 1 to 65535")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		d.fail("chert.base_url", codeValue, "write https://; plain http is allowed only for a loopback host such as 127.0.0.1", "calls to %s would not be encrypted", u.Host)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		d.fail("chert.base_url", codeValue, example, "expected a URL without a user, a query or a fragment")
	}
	oneOf(d, "chert.auth", c.Chert.Auth, chert.AuthHMAC, chert.AuthBearer)
	if c.Chert.Tenant == "" && c.Chert.Auth == chert.AuthHMAC {
		d.missing("chert.tenant", "write tenant: acme-7a3f, the slug of your account: signed calls name it")
	}
	if strings.ContainsFunc(c.Chert.Tenant, func(r rune) bool { return r <= ' ' || r > '~' }) {
		d.fail("chert.tenant", codeValue, "write the slug of your account alone, without spaces", "expected a slug like acme-7a3f")
	}
	if c.Chert.SigningSecret == "" {
		d.missing("chert.signing_secret", "write signing_secret: ${CHERT_SIGNING_SECRET}, or signing_secret_file: FILE, with the 32 hexadecimal digits that Chert gave you")
	}
	within(d, "chert.timeout", c.Chert.Timeout, dispatch.MinTimeout, dispatch.MaxTimeout)
	within(d, "chert.concurrency", c.Chert.Concurrency, 1, dispatch.MaxConcurrency)
	if r := c.Chert.Rate.Limit; !(r > 0 && r <= dispatch.MaxRate) {
		d.fail("chert.rate.limit", codeValue, "for example 10", "expected calls per second, above 0 and at most %d, got %s", dispatch.MaxRate, d.shownAt("chert.rate.limit", "", false))
	}
	within(d, "chert.rate.burst", c.Chert.Rate.Burst, 1, dispatch.MaxBurst)
}

func (c *Config) checkSources(d *decoder) {
	w, s := &c.Sources.Webhook, &c.Sources
	if w.Listen == "" && !s.Stream.Enabled && !s.Catchup.Enabled && !d.use.events {
		d.fail("sources", codeMissing, "set sources.webhook.listen, or enable stream or catchup", "at least one source of events is needed")
	}
	if w.Listen != "" {
		checkAddress(d, "sources.webhook.listen", w.Listen)
		if len(w.Secrets) == 0 {
			d.missing("sources.webhook.secrets", `write secrets: ["${CHERT_WEBHOOK_SECRET}"], or secrets_file: FILE, with the subscription's own secret, shown once when it is made; listen: "" turns the webhook off`)
		}
	}
	if !strings.HasPrefix(w.Path, "/") || strings.ContainsFunc(w.Path, func(r rune) bool { return r <= ' ' || r == '?' || r == '#' }) {
		d.fail("sources.webhook.path", codeValue, "for example /webhooks/chert", "expected a path like /webhooks/chert, got %s", d.shownAt("sources.webhook.path", w.Path, false))
	} else if _, err := source.DecodePath(w.Path); err != nil {
		d.fail("sources.webhook.path", codeValue, "write a percent sign as %25", "a percent sign begins two hexadecimal digits, as in /a%%20b")
	}
	within(d, "sources.webhook.tolerance", w.Tolerance, time.Second, time.Hour)
	within(d, "sources.webhook.max_body", w.MaxBody, 1<<10, 64<<20)
	within(d, "sources.webhook.max_header", w.MaxHeader, 4<<10, 1<<20)
	within(d, "sources.catchup.every", s.Catchup.Every, time.Second, luabind.MaxDuration)
	within(d, "sources.catchup.lookback", s.Catchup.Lookback, 0, luabind.MaxDuration)
	within(d, "sources.catchup.wait", s.Catchup.Wait, 0, 24*time.Hour)
}

func (c *Config) checkRules(d *decoder) {
	if c.Rules.Dir == "" {
		d.fail("rules.dir", codeMissing, "the default is ./rules", "expected a directory")
	}
	checkPath(d, "rules.dir", string(c.Rules.Dir))
	if _, err := luabind.LoadZone(c.Rules.Timezone); err != nil {
		why := err.Error()
		if n := d.places["rules.timezone"]; n != nil && (n.Value != c.Rules.Timezone || !harmless(n.Value) && !zoneName.MatchString(n.Value)) {
			why = "expected a name of a time zone, got " + d.shownAt("rules.timezone", "", false)
		}
		d.fail("rules.timezone", codeValue, `for example America/New_York, Europe/Berlin or UTC`, "%s", why)
	}
	checkCountry(d, c.Rules.Country)
	oneOf(d, "rules.gate.specs", c.Rules.Gate.Specs, gateEnforce, gateWarn, gateOff)
	oneOf(d, "rules.gate.checks", c.Rules.Gate.Checks, gateEnforce, gateWarn, gateOff)
	for _, name := range slices.Sorted(maps.Keys(c.Rules.Lists)) {
		if !rules.ValidListName(name) {
			d.failAt(d.keys[listsPath+name], codeValue, "use letters, digits, _ and -, at most 64 characters", "rules.lists: the key %s can't be the name of a list", shownName(name))
			delete(c.Rules.Lists, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Rules.Packs)) {
		p, path := c.Rules.Packs[name], "rules.packs."+name
		if !rules.ValidPackName(name) {
			hint := "a pack is named after its file NAME.lua or its directory"
			if base := stdpath.Base(name); base != name && rules.ValidPackName(base) && shownName(base) == strconv.Quote(base) {
				hint = "write " + base + ": the name of a pack does not include the directory that contains it"
			}
			d.failAt(d.keys[path], codeValue, hint, "rules.packs: the key %s can't be the name of a pack", shownName(name))
			delete(c.Rules.Packs, name)
			continue
		}
		if p.Mode != "" || d.given(path+".mode") {
			oneOf(d, path+".mode", p.Mode, string(rules.Live), string(rules.Shadow), string(rules.Off))
		}
		for i, grant := range p.Grant {
			oneOf(d, fmt.Sprintf("%s.grant[%d]", path, i), grant, "typing", "react", "send", "notify")
		}
		if at := path + ".limits.steps"; d.given(at) {
			within(d, at, p.Limits.Steps, 1, 1<<40)
		}
		if at := path + ".limits.memory"; d.given(at) {
			within(d, at, p.Limits.Memory, rules.LeastMemory, 1<<40)
		}
		if at := path + ".limits.kv"; d.given(at) {
			within(d, at, p.Limits.KV, 1, 1<<40)
		}
	}
}

// zoneName matches the form of names in the time zone database.
var zoneName = regexp.MustCompile(`^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Etc|Europe|Indian|Mexico|Pacific|US)/[A-Za-z_/+-]{1,30}[0-9]{0,2}$|^[A-Za-z]{1,12}$`)

// checkCountry reports a value that is not a country code of ISO 3166.
func checkCountry(d *decoder, code string) {
	if code == "" {
		return
	}
	const want = "expected the two letters of a country like US, got %s"
	got := d.shownAt("rules.country", code, true)
	region, err := language.ParseRegion(code)
	if err != nil || !region.IsCountry() {
		d.fail("rules.country", codeValue, "the codes are those of ISO 3166, like US, GB or DE", want, got)
	} else if known := region.Canonicalize().String(); known != code {
		d.fail("rules.country", codeValue, "write "+known, want, got)
	} else if !handle.HasNumbers(code) {
		d.fail("rules.country", codeValue, "name the country whose numbers they are", "no phone numbers of %s are known", got)
	}
}

func (c *Config) checkStore(d *decoder) {
	path, isSQLite := strings.CutPrefix(c.Store.URL, "sqlite:")
	const example = "for example sqlite:./data/chertd.db"
	switch file := sqlitePath(c.Store.URL); {
	case strings.HasPrefix(c.Store.URL, "postgres://"), strings.HasPrefix(c.Store.URL, "postgresql://"):
		d.fail("store.url", codeNotYet, example, "PostgreSQL is not in this build yet: it keeps everything in SQLite")
	case !isSQLite:
		d.fail("store.url", codeValue, example, "expected sqlite:PATH, got %s", d.shownAt("store.url", c.Store.URL, false))
	case file == "":
		d.fail("store.url", codeValue, example, "expected sqlite:PATH, and no path follows")
	case strings.HasPrefix(path, ":memory:"):
		d.fail("store.url", codeValue, example, "a store in memory would lose events at a restart: expected the path of a file")
	case strings.ContainsAny(file, "?#"):
		d.fail("store.url", codeValue, example, "expected sqlite:PATH, without options behind it")
	case strings.HasSuffix(file, "/"):
		d.fail("store.url", codeValue, "write the file's name as well: sqlite:"+file+"chertd.db", "expected the path of a file, got the path of a directory")
	default:
		checkPath(d, "store.url", file)
	}
	within(d, "store.retention", c.Store.Retention, time.Hour, luabind.MaxDuration)
	within(d, "store.raw", c.Store.Raw, 0, luabind.MaxDuration)
	if d.given("store.raw") && c.Store.Raw > c.Store.Retention && !d.errorAt("store.raw") && !d.errorAt("store.retention") {
		d.fail("store.raw", codeValue, "raise store.retention, or delete the key raw", "texts can't be kept longer than their events: store.retention is %s", human(c.Store.Retention))
	}
}

func (c *Config) checkControl(d *decoder) {
	k := &c.Control
	checkPath(d, "control.socket", string(k.Socket))
	checkPath(d, "control.tls.cert", string(k.TLS.Cert))
	checkPath(d, "control.tls.key", string(k.TLS.Key))
	if k.Listen != "" {
		checkAddress(d, "control.listen", k.Listen)
		if k.Listen == c.Sources.Webhook.Listen && !strings.HasSuffix(k.Listen, ":0") {
			d.fail("control.listen", codeAddress, "give it a port of its own, for example 127.0.0.1:9900", "sources.webhook.listen has the same address")
		}
		if k.Token == "" && d.given("control.token") && !d.unknown["control.token"] && !d.errorAt("control.token") {
			d.fail("control.token", codeSecret, "set it, or delete the line: without a token TCP serves health and readiness alone", "the token is empty")
		}
	}
	given := *k
	if d.unknown["control.token"] {
		given.Token = "some" // which one does not matter
	}
	if why := given.exposesToken(); why != "" && !d.unknown["control.tls.cert"] {
		d.fail("control.token", codeExposed, "set control.tls, or listen on 127.0.0.1; where the network is trusted, allow it: control: {insecure_token: true}", "%s", why)
	}
	if (k.TLS.Cert == "") != (k.TLS.Key == "") && !d.unknown["control.tls.cert"] && !d.unknown["control.tls.key"] {
		d.fail("control.tls", codeMissing, "write both: tls: {cert: FILE, key: FILE}", "cert and key go together: one is missing")
	}
	for i, host := range k.Hosts {
		if host == "" || strings.ContainsAny(host, "/: \t") || strings.Contains(host, "*") {
			d.fail(fmt.Sprintf("control.hosts[%d]", i), codeValue, "write the name alone, without https:// and without a port", "expected a host name like chertd.example.com")
		}
	}
}

// exposesToken returns why the token could be read on the network, or "" if it can't, or
// if the operator allows that.
func (k *ControlConfig) exposesToken() string {
	host, _, err := net.SplitHostPort(k.Listen)
	if err != nil || loopback(host) || k.Token == "" || k.TLS.Cert != "" || k.InsecureToken {
		return ""
	}
	return fmt.Sprintf("the token would be sent unencrypted, because control.listen is %s", k.Listen)
}
