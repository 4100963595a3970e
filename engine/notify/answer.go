package notify

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"chertd/luabind/diag"
)

const (
	// maxAnswer is how much of an answer is read: the rest says nothing more.
	maxAnswer = 4 << 10
	// maxExcerpt is how much of it is recorded, in bytes.
	maxExcerpt = 200
)

// retryable reports whether the same notification may succeed later. Other 4xx refuse it.
func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// RetryAfter returns the wait that a Retry-After header asks for, in seconds or as a date; 0: none.
func RetryAfter(header string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(header); err == nil && n > 0 {
		return time.Duration(min(n, 1<<20)) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// excerpt returns the beginning of an answer, as one line of text without secrets: a target may answer
// with its own address.
func excerpt(body io.Reader, secrets []string) string {
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil && len(text) == 0 {
		return ""
	}
	for _, secret := range secrets {
		text = bytes.ReplaceAll(text, []byte(secret), []byte("[secret]"))
	}
	line := strings.Join(strings.Fields(strings.ToValidUTF8(string(text), "")), " ")
	if len(line) > maxExcerpt {
		line = strings.ToValidUTF8(line[:maxExcerpt], "") + "…"
	}
	return diag.Visible(line)
}

// shortestSecret is the length from which a part of a URL may be a key. Shorter ones, such as "in" or
// "v1", are words of the answer more often.
const shortestSecret = 6

// secrets returns what must not be shown of an answer of the target, the longest first: its URL and
// parts of it, its secret, and the signature of the request.
func (t *Target) secrets(signature string) (all []string) {
	add := func(texts ...string) {
		for _, text := range texts {
			if len(text) >= shortestSecret {
				all = append(all, text)
			}
		}
	}
	add(t.URL, t.Secret, signature)
	_, mac, _ := strings.Cut(signature, "v1=")
	add(mac)
	if u, err := url.Parse(t.URL); err == nil {
		add(u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery)
		add(strings.Split(u.Path, "/")...)
		add(strings.Split(u.EscapedPath(), "/")...)
		for key, values := range u.Query() {
			add(key)
			add(values...)
			for _, v := range values {
				add(url.QueryEscape(v))
			}
		}
		if u.User != nil {
			password, _ := u.User.Password()
			add(u.User.String(), u.User.Username(), password)
		}
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(all)
}

// withoutURL returns the text of a client's error without the URL, part of which may be secret.
func withoutURL(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return "timeout after " + diag.Duration(Timeout)
		}
		return u.Err.Error()
	}
	return err.Error()
}

// hostOf returns the host of a URL for people.
func hostOf(location string) string {
	if u, err := url.Parse(location); err == nil && u.Host != "" {
		return diag.Visible(u.Scheme + "://" + u.Host)
	}
	return "another address"
}
