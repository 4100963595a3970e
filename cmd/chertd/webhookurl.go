package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"chertd/engine/source"
)

// devInbox is the URL of a subscription whose events Chert does not deliver, but lists.
const devInbox = "https://dev-inbox"

// privateNames are the ends of names that the public DNS does not resolve (RFC 2606,
// RFC 6761, RFC 6762, RFC 8375, and ICANN's reservation of internal).
var privateNames = []string{"localhost", "local", "internal", "lan", "home.arpa", "test", "invalid", "example", "onion"}

// privateRanges are addresses that are not reachable from the internet, in addition to
// those that netip names (RFC 6598, RFC 2544, RFC 1112, RFC 5737, RFC 3849).
var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("2001:db8::/32"),
}

// checkWebhookURL returns an error unless Chert can deliver to a URL: it must be public
// https. With local, Chert is simulated on this machine and delivers to loopback addresses
// as well. path is sources.webhook.path.
func checkWebhookURL(address, path string, local bool) error {
	example := "https://chertd.example.com" + path
	if address == devInbox {
		return nil
	}
	u, err := url.Parse(address)
	switch {
	case strings.TrimSpace(address) == "":
		return hinted(usageError("--url is empty"), "for example --url "+example)
	case err != nil || strings.ContainsAny(address, " \t") || u.Scheme == "" || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return hinted(usageError("--url: expected a URL like %s", example), "write the whole URL, with https://")
	case u.User != nil:
		return hinted(usageError("--url: expected a URL without a user or password"), "leave them out: the signature shows that a delivery is from Chert")
	case strings.Contains(address, "#"):
		return hinted(usageError("--url %s: expected a URL without a fragment", u.Redacted()), "leave out the # and what follows it: it would not be sent")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return hinted(usageError("--url %s: expected a port from 1 to 65535", address), "leave it out for the port of https, 443")
		}
	}
	switch {
	case host == "dev-inbox":
		return hinted(usageError("--url %s: the URL of the dev inbox has nothing after the host", address), "write --url "+devInbox)
	case loopback(host) && local && (u.Scheme == "http" || u.Scheme == "https"):
	case u.Scheme != "https":
		return hinted(usageError("--url %s: Chert delivers only to https URLs", address), "write --url "+example+"; a reverse proxy that ends TLS forwards it to sources.webhook.listen")
	default:
		if why := whyNotPublic(host); why != "" {
			return hinted(usageError("--url %s: %s, and Chert delivers over the internet", address, why), "use the public name of the reverse proxy in front of chertd, such as "+example)
		}
	}
	if u.Path == "" && cleanPath(path) != "/" {
		return hinted(usageError("--url %s has no path, and sources.webhook.path is %s: chertd would answer deliveries with 404", address, path),
			fmt.Sprintf("write --url %s://%s%s; if a proxy adds the path, write --url %[1]s://%[2]s/", u.Scheme, u.Host, path))
	}
	return nil
}

// whyNotPublic returns why a host is not reachable from the internet; "": nothing is known
// against it. It does not resolve names, because they may resolve to something else here.
func whyNotPublic(host string) string {
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	ip, err := netip.ParseAddr(host)
	switch {
	case loopback(host):
		return host + " is this machine"
	case err == nil:
		ip = ip.Unmap().WithZone("")
		if !ip.IsGlobalUnicast() || ip.IsPrivate() || slices.ContainsFunc(privateRanges, func(r netip.Prefix) bool { return r.Contains(ip) }) {
			return host + " is not a public address"
		}
		return ""
	case last != "" && strings.Trim(last, "0123456789") == "":
		return host + " is not a whole IP address"
	case len(labels) == 1:
		return "the name " + host + " has no domain"
	}
	for _, end := range privateNames {
		if strings.HasSuffix(host, "."+end) {
			return "names that end in ." + end + " are not public"
		}
	}
	return ""
}

// pathNote returns how the path of a subscription's URL differs from sources.webhook.path;
// "": it does not.
func pathNote(address, path string) string {
	u, err := url.Parse(address)
	if err != nil || address == devInbox || cleanPath(u.EscapedPath()) == cleanPath(path) {
		return ""
	}
	return fmt.Sprintf("the path %s is not sources.webhook.path, %s: this chertd would answer its deliveries with 404, unless a proxy changes the path", u.EscapedPath(), path)
}

// cleanPath returns a path as the webhook compares it.
func cleanPath(path string) string {
	if decoded, err := source.DecodePath(path); err == nil {
		return decoded
	}
	return path
}

// sameWebhook reports whether two URLs are the same address for deliveries.
func sameWebhook(a, b string) bool {
	return canonicalURL(a) == canonicalURL(b)
}

// canonicalURL returns one form of a URL: lower case, without a default port, with the
// path as the webhook compares it.
func canonicalURL(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if port := u.Port(); port != "" && port != map[string]string{"https": "443", "http": "80"}[u.Scheme] {
		host += ":" + port
	}
	return u.Scheme + "://" + host + cleanPath(u.EscapedPath()) + "?" + u.RawQuery
}
