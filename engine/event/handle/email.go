package handle

import (
	"fmt"
	"net/mail"
	"strings"
	"unicode"
)

// email reads an email address. written is the original text.
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
			e.Hint = "write one address per value"
		}
		return Handle{}, e
	}
	return Handle{Email, lower(text)}, nil
}

// addressProblem returns what is wrong with the parts of an address, or "".
func addressProblem(local, domain string) string {
	switch {
	case local == "":
		return "there is nothing before @"
	case domain == "":
		return "there is nothing after @"
	case strings.Contains(domain, "@"):
		return "it has @ twice"
	}
	for _, r := range local {
		if unicode.IsSpace(r) || strings.ContainsRune(`"(),:;<>[\]*`, r) {
			return fmt.Sprintf("it can't contain %q", r)
		}
	}
	for _, r := range domain {
		if r != '.' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			return fmt.Sprintf("its domain can't contain %q", r)
		}
	}
	switch {
	case strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, ".."):
		return "its domain has a misplaced dot"
	case !strings.Contains(domain, "."):
		return "its domain has no dot"
	}
	return ""
}
