package main

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/luabind"
	"chertd/luabind/diag"
	"chertd/rules"
)

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
		return diag.Duration(v)
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
