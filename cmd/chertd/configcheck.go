package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"chertd/engine/chert"
	"chertd/engine/handle"
	"chertd/luabind"
	"chertd/rules"
)

// check reports what chertd can't run with although each value is of its type.
// d has the places, and has reported what is not of its type already.
func (c *Config) check(d *decoder, events bool) {
	broken := d.diags.Errors()
	c.checkChert(d)
	c.checkSources(d, events)
	c.checkRules(d)
	if sqlitePath(c.Store.URL) == "" {
		d.fail("store.url", codeValue, "", "expected sqlite:PATH, got %q", c.Store.URL)
	}
	within(d, "store.retention", c.Store.Retention, time.Hour, luabind.MaxDuration)
	within(d, "store.raw", c.Store.Raw, 0, luabind.MaxDuration)
	if c.Control.Listen != "" {
		checkAddress(d, "control.listen", c.Control.Listen)
	}
	if host, _, err := net.SplitHostPort(c.Control.Listen); err == nil && !loopback(host) && c.Control.Token != "" && c.Control.TLS.Cert == "" {
		d.warn("control.token", codeValue, "set control.tls, or listen on 127.0.0.1", "it crosses the network unencrypted: control.listen is %s", c.Control.Listen)
	}
	if (c.Control.TLS.Cert == "") != (c.Control.TLS.Key == "") {
		d.fail("control.tls", codeMissing, "", "cert and key go together: one is missing")
	}
	oneOf(d, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(d, "log.format", c.Log.Format, "text", "json")
	if !broken {
		c.checkBuild(d, events)
	}
}

func (c *Config) checkChert(d *decoder) {
	u, err := url.Parse(c.Chert.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		d.fail("chert.base_url", codeValue, "", "expected a URL like https://console.trychert.com/api/v1")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		d.fail("chert.base_url", codeValue, "write https://; plain http is for a loopback host like 127.0.0.1 only", "calls to %s would not be encrypted", u.Host)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		d.fail("chert.base_url", codeValue, "", "a user, a query or a fragment does not belong into it")
	}
	oneOf(d, "chert.auth", c.Chert.Auth, chert.AuthHMAC, chert.AuthBearer)
	if c.Chert.Tenant == "" && c.Chert.Auth == chert.AuthHMAC {
		d.missing("chert.tenant", "the slug of your account, like acme-7a3f: signed calls name it")
	}
	if strings.ContainsFunc(c.Chert.Tenant, func(r rune) bool { return r <= ' ' || r > '~' }) {
		d.fail("chert.tenant", codeValue, "", "expected a slug like acme-7a3f")
	}
	if c.Chert.SigningSecret == "" {
		d.missing("chert.signing_secret", "${CHERT_SIGNING_SECRET}, or signing_secret_file: the 32 hex characters Chert gave you")
	}
	within(d, "chert.timeout", c.Chert.Timeout, 100*time.Millisecond, 10*time.Minute)
	within(d, "chert.concurrency", c.Chert.Concurrency, 1, 1000)
	if r := c.Chert.Rate.Limit; !(r > 0 && r <= 10000) {
		d.fail("chert.rate.limit", codeValue, "", "expected calls per second, above 0 and at most 10000, got %g", r)
	}
	within(d, "chert.rate.burst", c.Chert.Rate.Burst, 1, 10000)
}

func (c *Config) checkSources(d *decoder, events bool) {
	w, s := &c.Sources.Webhook, &c.Sources
	if w.Listen == "" && !s.Stream.Enabled && !s.Catchup.Enabled && !events {
		d.fail("sources", codeMissing, "set sources.webhook.listen, or enable stream or catchup", "at least one source of events is needed")
	}
	if w.Listen != "" {
		checkAddress(d, "sources.webhook.listen", w.Listen)
		if len(w.Secrets) == 0 {
			d.missing("sources.webhook.secrets", `["${CHERT_WEBHOOK_SECRET}"], or secrets_file: the subscription's own secret, shown once when it is made; listen: "" turns the webhook off`)
		}
	}
	if !strings.HasPrefix(w.Path, "/") || strings.ContainsAny(w.Path, "?# \t") {
		d.fail("sources.webhook.path", codeValue, "", "expected a path like /webhooks/chert, got %q", w.Path)
	}
	within(d, "sources.webhook.tolerance", w.Tolerance, time.Second, time.Hour)
	within(d, "sources.webhook.max_body", w.MaxBody, 1<<10, 64<<20)
	within(d, "sources.webhook.max_header", w.MaxHeader, 4<<10, 1<<20)
	within(d, "sources.catchup.every", s.Catchup.Every, time.Second, luabind.MaxDuration)
}

func (c *Config) checkRules(d *decoder) {
	if c.Rules.Dir == "" {
		d.fail("rules.dir", codeMissing, "the default is ./rules", "expected a folder")
	}
	if _, err := luabind.LoadZone(c.Rules.Timezone); err != nil {
		d.fail("rules.timezone", codeValue, "", "%v", err)
	}
	var country *handle.Error
	if errors.As(handle.Country(c.Rules.Country), &country) {
		d.fail("rules.country", codeValue, country.Hint, "%s", country.Problem)
	}
	oneOf(d, "rules.gate.specs", c.Rules.Gate.Specs, gateEnforce, gateWarn, gateOff)
	oneOf(d, "rules.gate.checks", c.Rules.Gate.Checks, gateEnforce, gateWarn, gateOff)
	for _, name := range slices.Sorted(maps.Keys(c.Rules.Packs)) {
		p, path := c.Rules.Packs[name], "rules.packs."+name
		if p.Mode != "" {
			oneOf(d, path+".mode", p.Mode, string(rules.Live), string(rules.Shadow), string(rules.Off))
		}
		for i, grant := range p.Grant {
			oneOf(d, fmt.Sprintf("%s.grant[%d]", path, i), grant, "typing", "react", "send")
		}
		if at := path + ".limits.steps"; d.given(at) {
			within(d, at, p.Limits.Steps, 1, 1<<40)
		}
		if at := path + ".limits.memory"; d.given(at) && p.Limits.Memory < rules.LeastMemory {
			d.fail(at, codeValue, "for example 32MiB", "at least 1MiB, got %d bytes", p.Limits.Memory)
		}
		if at := path + ".limits.kv"; d.given(at) && p.Limits.KV < 1 {
			d.fail(at, codeValue, "for example 64MiB", "at least one byte")
		}
	}
}

// missing reports a value that is needed and not given.
func (d *decoder) missing(path, hint string) {
	if !d.given(path) {
		d.fail(path, codeMissing, hint, "is missing")
	} else if !d.diags.Errors() {
		d.fail(path, codeMissing, hint, "is empty")
	}
}

func oneOf(d *decoder, path, got string, allowed ...string) {
	if slices.Contains(allowed, got) {
		return
	}
	hint := ""
	if near := luabind.Suggest(got, allowed); near != "" {
		hint = "did you mean " + near + "?"
	}
	d.fail(path, codeValue, hint, "expected %s, got %q", strings.Join(allowed, ", "), got)
}

func within[T cmp.Ordered](d *decoder, path string, got, least, most T) {
	if got < least || got > most {
		d.fail(path, codeValue, "", "expected %v to %v, got %v", least, most, got)
	}
}

func checkAddress(d *decoder, path, address string) {
	if _, port, err := net.SplitHostPort(address); err != nil || port == "" {
		d.fail(path, codeValue, "", "expected host:port like 127.0.0.1:8787, got %q", address)
	}
}

// loopback reports whether a host is this machine itself.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// sqlitePath is the file of a store's URL, "" if it names none.
func sqlitePath(url string) string {
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		return ""
	}
	return strings.TrimPrefix(path, "//")
}
