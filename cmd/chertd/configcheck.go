package main

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	stdpath "path"
	"reflect"
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
	"chertd/luabind/diag"
	"chertd/rules"
)

// check reports values with which chertd can't run although each has the right type. d
// has the positions of the values, and has already reported those of the wrong type.
func (c *Config) check(d *decoder) {
	broken := d.diags.Errors()
	c.checkChert(d)
	c.checkSources(d)
	c.checkRules(d)
	c.checkStore(d)
	c.checkControl(d)
	oneOf(d, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(d, "log.format", c.Log.Format, "text", "json")
	if !broken {
		c.checkBuild(d)
	}
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
			oneOf(d, fmt.Sprintf("%s.grant[%d]", path, i), grant, "typing", "react", "send")
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

// missing reports that a required value is not given.
func (d *decoder) missing(path, hint string) {
	switch {
	case d.unknown[path]:
	case !d.given(path) && d.use.offline:
		d.warn(path, codeMissing, hint, "is missing: `chertd run` needs it")
	case !d.given(path):
		d.fail(path, codeMissing, hint, "is missing")
	case !d.errorAt(path):
		d.fail(path, codeMissing, hint, "is empty")
	}
}

// errorAt reports whether an error about the value at path was reported.
func (d *decoder) errorAt(path string) bool {
	path = d.shown(path)
	return slices.ContainsFunc(d.diags, func(g diag.Diagnostic) bool {
		rest, ok := strings.CutPrefix(g.Message, path)
		return ok && g.Severity == diag.SeverityError && (rest == "" || strings.ContainsAny(rest[:1], ":_[ "))
	})
}

func oneOf(d *decoder, path, got string, allowed ...string) {
	if slices.Contains(allowed, got) || d.errorAt(path) {
		return
	}
	near := diag.Suggest(got, allowed)
	hint := "write one of them: " + strings.Join(allowed, ", ")
	if near != "" {
		hint = "did you mean " + near + "?"
	}
	d.fail(path, codeValue, hint, "expected %s, got %s", strings.Join(allowed, ", "), d.shownAt(path, got, near != ""))
}

func within[T cmp.Ordered](d *decoder, path string, got, least, most T) {
	if (got < least || got > most) && !d.errorAt(path) {
		d.fail(path, codeValue, "for example "+human(defaultAt(path, least)), "expected %s to %s, got %s", human(least), human(most), d.shownAt(path, human(got), false))
	}
}

// human formats a bound in the notation of the configuration.
func human(v any) string {
	switch v := v.(type) {
	case time.Duration:
		for _, u := range []struct {
			unit time.Duration
			name string
		}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
			if v >= u.unit && v%u.unit == 0 {
				return strconv.FormatInt(int64(v/u.unit), 10) + u.name
			}
		}
		return v.String()
	case Size:
		n, unit := v, "B"
		for _, next := range []string{"KiB", "MiB", "GiB"} {
			if n < 1024 || n%1024 != 0 {
				break
			}
			n, unit = n/1024, next
		}
		return strconv.FormatInt(int64(n), 10) + unit
	}
	return fmt.Sprint(v)
}

// defaultAt returns the default of the setting at a dotted path. Settings within
// rules.packs have none; for those it returns least.
func defaultAt(path string, least any) any {
	c := defaultConfig()
	v := reflect.ValueOf(c)
	for key := range strings.SplitSeq(path, ".") {
		if v.Kind() != reflect.Struct {
			return exampleLimits[path[strings.LastIndexByte(path, '.')+1:]]
		}
		v = fieldOf(v, key)
		if !v.IsValid() {
			return least
		}
	}
	return v.Interface()
}

// exampleLimits are the default limits, for hints.
var exampleLimits = map[string]any{"steps": int64(1000000), "memory": Size(luabind.DefaultMemory), "kv": Size(rules.DefaultKV)}

// fieldOf returns the field of a struct that has the key.
func fieldOf(v reflect.Value, key string) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("yaml") == key {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// checkPath reports a path that only a shell would expand, and one that looks like a
// secret.
func checkPath(d *decoder, path, file string) {
	switch {
	case secretForm.MatchString(file):
		d.fail(path, codeValue, "write a path such as ./"+path[strings.LastIndexByte(path, '.')+1:]+", and a secret under its own key", "expected a path, got %s", count(len(file), "character"))
	case file == "~" || strings.HasPrefix(file, "~/"):
		d.fail(path, codeValue, "write the whole path, or ${HOME}"+strings.TrimPrefix(file, "~"), "~ is not expanded")
	case strings.TrimSpace(file) != file:
		d.fail(path, codeValue, "write the path without it", "the path begins or ends with a space")
	case strings.ContainsFunc(file, func(r rune) bool { return r < ' ' }):
		d.fail(path, codeValue, "write the path without it", "the path has a control character in it")
	}
}

func checkAddress(d *decoder, path, address string) {
	const example = "127.0.0.1:8787"
	if d.errorAt(path) {
		return
	}
	got := d.shownAt(path, address, false)
	host, port, err := net.SplitHostPort(address)
	switch {
	case strings.Contains(address, "://"):
		d.fail(path, codeValue, "write it without http://: "+example, "expected host:port like %s, got a URL", example)
	case isPort(address):
		d.fail(path, codeValue, "write 127.0.0.1:"+address+", or :"+address+" for all addresses", "expected host:port like %s, got %s", example, got)
	case err != nil && strings.Count(address, ":") > 1 && !strings.HasPrefix(address, "["):
		d.fail(path, codeValue, "write an IPv6 address in brackets: \"[::1]:8787\"", "expected host:port like %s, got %s", example, got)
	case err != nil || port == "":
		d.fail(path, codeValue, "for example "+example, "expected host:port like %s, got %s", example, got)
	case !isPort(port):
		if !harmless(port) {
			port = "a name"
		}
		d.fail(path, codeValue, "choose one that is free, for example 8787", "expected a port from 1 to 65535, got %s", port)
	case host == "*" || strings.ContainsAny(host, " /@$*"):
		d.fail(path, codeValue, "write :"+port+" for all addresses, or 127.0.0.1:"+port+" for this machine alone", "expected a host or an IP address before the port")
	}
}

// isPort reports whether a string is a port number. With 0 the system chooses a port.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// loopback reports whether a host is a loopback address.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// sqlitePath returns the file of a store's URL, or "" if it names none.
func sqlitePath(url string) string {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return ""
	}
	return strings.TrimPrefix(path, "//")
}
