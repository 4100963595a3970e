package main

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"chertd/engine/tracing"
)

// headerStart is what precedes the token: the name of a header, a colon, and a scheme or nothing.
var headerStart = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9_-]{0,62}):[ ]?([A-Za-z0-9-]{0,20})$`)

// checkTracing reports a collector that can't be used.
func (c *Config) checkTracing(d *decoder) {
	k := &c.Tracing
	const example = "for example http://127.0.0.1:4318/v1/traces"
	u, err := url.Parse(k.URL)
	switch {
	case k.URL == "":
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(u.Host, " $"):
		d.fail("tracing.url", codeValue, example, "expected a URL like http://127.0.0.1:4318/v1/traces")
	case u.Port() != "" && !isPort(u.Port()):
		d.fail("tracing.url", codeValue, example, "expected a port from 1 to 65535")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		d.fail("tracing.url", codeValue, "a secret goes into tracing.token", "expected a URL without a user, a query or a fragment")
	case u.Path == "" || u.Path == "/":
		d.fail("tracing.url", codeValue, "write "+u.Scheme+"://"+u.Host+"/v1/traces, unless the collector has another path", "the URL has no path")
	case u.Scheme == "http" && !loopback(u.Hostname()) && (k.Token != "" || d.unknown["tracing.token"]):
		d.fail("tracing.url", codeExposed, "write https://, or send to a collector on this machine, which has the token", "the token would be sent unencrypted to %s", u.Host)
	}
	if !(k.Sample > 0 && k.Sample <= 1) {
		d.fail("tracing.sample", codeValue, `for example 0.1, one event in ten; url: "" turns traces off`, "expected a share above 0 and at most 1, got %s", d.shownAt("tracing.sample", "", false))
	}
	within(d, "tracing.timeout", k.Timeout, 100*time.Millisecond, time.Minute)
	if name, _ := k.header(); name == "" || reservedHeader(name) {
		d.fail("tracing.header", codeValue, `for example "Authorization: Bearer", or "x-api-key:"`, "expected the name of a header and a colon, and what precedes the token in its value")
	}
	if k.Token != "" && k.URL == "" {
		d.fail("tracing.token", codeMissing, "write tracing.url, or delete the token", "there is a token, and no URL to send it to")
	}
}

// header returns the name of the header, and what precedes the token in its value; "", "": it is
// malformed.
func (k *TracingConfig) header() (name, scheme string) {
	if m := headerStart.FindStringSubmatch(k.Header); m != nil {
		return m[1], m[2]
	}
	return "", ""
}

// reservedHeader reports whether a header is set by the protocol.
func reservedHeader(name string) bool {
	switch strings.ToLower(name) {
	case "content-type", "content-length", "host", "user-agent", "connection", "transfer-encoding":
		return true
	}
	return false
}

// traces returns the settings of traces.
func (c *Config) traces() tracing.Config {
	k := &c.Tracing
	out := tracing.Config{URL: k.URL, Sample: k.Sample, Timeout: k.Timeout}
	if token := k.Token.Reveal(); token != "" {
		name, scheme := k.header()
		out.Header, out.Value = name, strings.TrimSpace(scheme+" "+token)
	}
	return out
}
