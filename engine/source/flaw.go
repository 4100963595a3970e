package source

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// flawOf returns what is wrong with a request that net/http refused, and the fix, by
// how the request began; "" if it is not an HTTP request. The text has no values of
// headers, as they may be secret.
func flawOf(head []byte) string {
	line, rest, _ := bytes.Cut(head, []byte("\n"))
	words := strings.Split(strings.TrimSuffix(string(line), "\r"), " ")
	version := words[len(words)-1]
	switch {
	case len(words) < 3 || !strings.HasPrefix(version, "HTTP/"):
		return ""
	case version != "HTTP/1.1" && version != "HTTP/1.0":
		return fmt.Sprintf("its version is %.20q: configure the proxy to use HTTP/1.1", version)
	case len(words) > 3:
		return "its path has a space: correct the subscription's URL"
	}
	if _, err := url.ParseRequestURI(words[1]); err != nil {
		var in *url.Error
		if errors.As(err, &in) {
			err = in.Err
		}
		return fmt.Sprintf("its path can't be decoded (%v): correct the subscription's URL", err)
	}
	hosts, lengths := 0, map[string]bool{}
	for len(rest) > 0 {
		var header []byte
		var whole bool
		if header, rest, whole = bytes.Cut(rest, []byte("\n")); !whole {
			break // the rest was not kept
		}
		header = bytes.TrimSuffix(header, []byte("\r"))
		if len(header) == 0 {
			break
		}
		name, value, ok := strings.Cut(string(header), ":")
		switch {
		case header[0] == ' ' || header[0] == '\t':
			return "a header is continued on a second line: configure the proxy to send each header on one line"
		case !ok:
			return "a line of its header has no colon: configure the proxy to remove it"
		case !token(name):
			return fmt.Sprintf("the name of its header %.60q has a character that HTTP forbids there: configure the proxy to remove that header", name)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return fmt.Sprintf("its header %.60s has a control character: configure the proxy to remove that header", name)
		}
		switch strings.ToLower(name) {
		case "host":
			hosts++
		case "content-length":
			lengths[strings.TrimSpace(value)] = true
		case "transfer-encoding":
			if !strings.EqualFold(strings.TrimSpace(value), "chunked") {
				return "its Transfer-Encoding is not chunked: configure the proxy to send the body chunked, or with Content-Length"
			}
		}
	}
	switch {
	case hosts > 1:
		return fmt.Sprintf("it has %d Host headers: configure the proxy to replace Host instead of adding one", hosts)
	case hosts == 0 && version == "HTTP/1.1":
		return "it has no Host header: configure the proxy to send one"
	case len(lengths) > 1:
		return "it has several Content-Lengths: configure the proxy to send one"
	}
	for length := range lengths {
		if length == "" || strings.Trim(length, "0123456789") != "" {
			return "its Content-Length is not a number: configure the proxy to send the length of the body"
		}
	}
	return "its header is malformed: compare it with what Chert sends, and check what the proxy changes"
}

// token reports whether a header's name has only characters that HTTP permits.
func token(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// signedHead reports whether a request has a signature header.
func signedHead(head []byte) bool {
	lower := bytes.ToLower(head)
	return bytes.Contains(lower, []byte("\nx-webhook-signature:")) || bytes.Contains(lower, []byte("\nx-chert-signature:"))
}
