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
