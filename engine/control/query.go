package control

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"chertd/luabind/diag"
)

// queries are the parameters that a route takes, by its pattern. A route that is not in it takes none.
var queries = map[string][]string{
	"GET " + apiPath + "/tail":                       {"pack", "rule", "chat", "outcome", "lines", "text", "follow", "after", "again"},
	"GET " + apiPath + "/rules":                      {"pack", "rule", "stale", "gone"},
	"DELETE " + apiPath + "/packs/{pack}":            {"keep_pending"},
	"DELETE " + apiPath + "/packs/{pack}/candidate":  {"keep_pending"},
	"GET " + apiPath + "/packs/{pack}/differences":   {"limit"},
	"GET " + apiPath + "/packs/{pack}/retry-errors":  {"wait"},
	"GET " + drainPath:                               {"wait"},
	"GET " + apiPath + "/explain":                    {"of", "rule", "limit", "before", "all"},
	"GET " + apiPath + "/dead":                       {"chat", "pack", "code", "limit", "attempts"},
	"GET " + apiPath + "/waiting":                    {"where", "limit"},
	"GET " + apiPath + "/quarantine":                 {"limit", "bodies"},
	"GET " + apiPath + "/chats/{chat}/record":        {"since", "pack", "version"},
	"GET " + apiPath + listsPath + "/{list}":         {"limit", "after", "member"},
	"GET " + apiPath + listsPath + "/{list}/history": {"limit"},
}

// repeated are the parameters that a request may have more than once.
var repeated = []string{"where", "outcome"}

// checkQuery refuses parameters that a request does not have, and those that are there twice. Who sends
// them expects something else than what the request does, such as that it keeps what is pending.
func checkQuery(r *http.Request) error {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &UserError{Message: "the query of the URL is malformed: " + err.Error(), Hint: "escape special characters in its values, such as + as %2B"}
	}
	known := queries[r.Pattern]
	for name, values := range v {
		switch {
		case !slices.Contains(known, name):
			return &UserError{Message: fmt.Sprintf("unknown parameter %.40q", name), Hint: parameterHint(name, known, r.Method)}
		case len(values) > 1 && !slices.Contains(repeated, name):
			return &UserError{Message: name + ": the parameter is there twice", Hint: "send it once"}
		}
	}
	return nil
}

// parameterHint returns the fix for an unknown parameter.
func parameterHint(name string, known []string, method string) string {
	if near := diag.Suggest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	switch {
	case len(known) > 0:
		return "the parameters are " + strings.Join(known, ", ")
	case method == http.MethodPost:
		return "the request has no parameters: send its fields, if it has some, as a JSON object in the body"
	default:
		return "the request has no parameters"
	}
}

// flag returns a parameter that is true or false; otherwise if it is not there.
func flag(v url.Values, name string, otherwise bool) (bool, error) {
	text := v.Get(name)
	if text == "" {
		return otherwise, nil
	}
	set, err := strconv.ParseBool(text)
	if err != nil {
		return false, &UserError{Message: name + " must be true or false", Hint: "1 and 0 mean the same"}
	}
	return set, nil
}
