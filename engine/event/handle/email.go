package handle

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
)

// email reads an email address. written is what it was made of.
func email(written, text string) (Handle, error) {
	local, domain, _ := strings.Cut(text, "@")
	if why := addressProblem(local, domain); why != "" {
		e := &Error{Problem: fmt.Sprintf("%q is not an email address: %s", written, why)}
		named, err := mail.ParseAddress(text)
		switch {
		case err == nil && named.Name != "" || err == nil && strings.HasPrefix(text, "<"):
			e.Hint = fmt.Sprintf("write the address alone: %q", strings.ToLower(named.Address))
		case local == "" && domain != "" || local == "*":
			e.Hint = `an address is compared as a whole; for all of a domain, compare in the handler: ev.from:find("@` + domain + `", 1, true)`
		case strings.ContainsAny(text, ",;"):
			e.Hint = "write one address a value"
		}
		return Handle{}, e
	}
	return Handle{Email, lower(text)}, nil
}

// addressProblem says what is wrong with the parts of an address; "" if nothing is.
func addressProblem(local, domain string) string {
	switch {
	case local == "":
		return "nothing stands before @"
	case domain == "":
		return "nothing stands behind @"
	case strings.Contains(domain, "@"):
		return "it has @ twice"
	}
	for _, r := range local {
		if unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>[\]*`, r) {
			return fmt.Sprintf("%q can't stand in one", r)
		}
	}
	for _, r := range domain {
		if r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			return fmt.Sprintf("%q can't stand behind @", r)
		}
	}
	switch {
	case strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, ".."):
		return "its domain has a dot too many"
	case !strings.Contains(domain, "."):
		return "its domain has no dot"
	}
	return ""
}
