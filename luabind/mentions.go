package luabind

import (
	"github.com/yuin/gopher-lua/parse"
)

// GrantedUse is a place that names a function which needs a permission.
type GrantedUse struct {
	Symbol    *Symbol
	Line, Col int
	// First is the first argument, if the function is called with a string constant.
	First string
}

// grantedUses finds chert.NAME and chert["NAME"] among tokens. It returns nothing
// for a file that declares a local chert: checks handle that.
func grantedUses(tokens []token) (uses []GrantedUse) {
	for i, t := range tokens {
		if t.Type != parse.TIdent || t.Str != "chert" {
			continue
		}
		if i > 0 && (tokens[i-1].Type == '.' || tokens[i-1].Type == ':') {
			continue // a field of something else
		}
		if own := i > 0 && tokens[i-1].Type == parse.TLocal; own {
			return nil
		}
		name, end := "", i
		switch {
		case i+2 < len(tokens) && (tokens[i+1].Type == '.' || tokens[i+1].Type == ':') && tokens[i+2].Type == parse.TIdent:
			name, end = tokens[i+2].Str, i+3
		case i+3 < len(tokens) && tokens[i+1].Type == '[' && tokens[i+2].Type == parse.TString && tokens[i+3].Type == ']':
			name, end = tokens[i+2].Str, i+4
		}
		if it := Lookup("chert." + name); it != nil && it.Grant != "" {
			uses = append(uses, GrantedUse{it, t.Pos.Line, t.Pos.Column, firstString(tokens[end:])})
		}
	}
	return uses
}

// firstString returns the first argument of a call whose arguments begin with the tokens, if it
// is a string constant, else "".
func firstString(tokens []token) string {
	if len(tokens) > 2 && tokens[0].Type == '(' && tokens[1].Type == parse.TString && (tokens[2].Type == ',' || tokens[2].Type == ')') {
		return tokens[1].Str
	}
	return ""
}

// usesRead reports whether the code names mark_read, or uses chert in a way that
// may reach it under another name.
func usesRead(tokens []token) bool {
	for i, t := range tokens {
		switch {
		case t.Str == "mark_read" && (t.Type == parse.TString || t.Type == parse.TIdent):
			return true
		case t.Str == "chert" && t.Type == parse.TString:
			return true
		case t.Str != "chert" || t.Type != parse.TIdent:
		case i+1 < len(tokens) && tokens[i+1].Type == '.':
		case i+3 < len(tokens) && tokens[i+1].Type == '[' && tokens[i+2].Type == parse.TString && tokens[i+3].Type == ']':
		default:
			return true
		}
	}
	return false
}

// settingsRead returns the names that code reads from config, and whether it may
// read others. A local named config counts as well: the list may have more than is
// read, never less.
func settingsRead(tokens []token) (names []string, others bool) {
	for i, t := range tokens {
		field := i > 0 && (tokens[i-1].Type == '.' || tokens[i-1].Type == ':')
		next := func(n int) token { return tokens[min(i+n, len(tokens)-1)] }
		switch {
		case t.Str == "config" && t.Type == parse.TString, t.Str == "_G" && t.Type == parse.TIdent:
			others = true
		case t.Str != "config" || t.Type != parse.TIdent || field:
		case next(1).Type == '.' && next(2).Type == parse.TIdent:
			names = append(names, next(2).Str)
		case next(1).Type == '[' && next(2).Type == parse.TString && next(3).Type == ']':
			names = append(names, next(2).Str)
		default:
			others = true
		}
	}
	return names, others
}

// filesUsed returns the names that code passes to require and to data.load as string
// constants, and whether it may pass others. Locals with these names count as well: the lists
// may have more than is used, never less.
func filesUsed(tokens []token) (required []string, requiredOther bool, loaded []string, loadedOther bool) {
	at := func(i int) token {
		if i < len(tokens) {
			return tokens[i]
		}
		return token{}
	}
	constant := func(i int) (string, bool) { // of a call whose arguments begin at i
		if at(i).Type == parse.TString {
			return at(i).Str, true
		}
		if at(i).Type == '(' && at(i+1).Type == parse.TString && at(i+2).Type == ')' {
			return at(i + 1).Str, true
		}
		return "", false
	}
	for i, t := range tokens {
		if t.Type == parse.TIdent && t.Str == "_G" {
			return required, true, loaded, true
		}
		if t.Type != parse.TIdent || at(i+1).Type == '=' || i > 0 && (tokens[i-1].Type == '.' || tokens[i-1].Type == ':') {
			continue // a field, or what gets a value
		}
		switch t.Str {
		case "require":
			if name, ok := constant(i + 1); ok {
				required = append(required, name)
			} else {
				requiredOther = true
			}
		case "data":
			if at(i+1).Type != '.' || at(i+2).Str != "load" {
				loadedOther = true
			} else if name, ok := constant(i + 3); ok {
				loaded = append(loaded, name)
			} else {
				loadedOther = true
			}
		}
	}
	return required, requiredOther, loaded, loadedOther
}
