package lint

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind/diag"
	"chertd/rules"
)

// allowance is one code of one `-- check: allow CH012, CH013 why` comment.
type allowance struct {
	path  string
	at    place // of the code
	code  string
	lines []int // it covers findings on these lines
	head  bool  // it precedes all code, and covers findings about the whole file, too
	used  bool
}

var (
	allowComment = regexp.MustCompile(`(?:--+|#)\s*check:\s*allow\b(.*)`)
	allowedCode  = regexp.MustCompile(`^[\s,]*([A-Za-z]+[0-9]+)`)
)

// applyAllows drops the findings that the files allow, and adds a finding for each
// allow comment that drops none.
func (p *pack) applyAllows() {
	var allows []*allowance
	for i := range p.tried.Files {
		f := &p.tried.Files[i]
		if f.Kind != rules.DataFile && bytes.Contains(f.Bytes, []byte("check:")) {
			allows = append(allows, p.allowsIn(f)...)
		}
	}
	if len(allows) == 0 {
		return
	}
	p.found = slices.DeleteFunc(p.found, func(f finding) bool {
		dropped := false
		for _, a := range allows {
			if a.code == f.Code && p.allows(a, f) && allowable(f.Code, f.Severity) {
				a.used, dropped = true, true
			}
		}
		return dropped
	})
	for _, a := range allows {
		if a.used {
			continue
		}
		message, hint := fmt.Sprintf("%s is allowed here, but there is no such finding", a.code), "delete the comment: it would hide a later finding"
		switch {
		case slices.Contains(specCodes, a.code):
			message, hint = fmt.Sprintf("%s can't be allowed: `chertd test` reports it of specs", a.code), "docs/checks.md says how to fix the spec"
		case !slices.Contains(codes, a.code):
			message, hint = fmt.Sprintf("there is no code %s", a.code), "use the code shown in brackets after the message, e.g. [CH012]"
		case !allowable(a.code, diag.SeverityWarning):
			message, hint = fmt.Sprintf("%s can't be allowed: the pack would not load", a.code), ""
		case a.code == codeCovered:
			continue // the other rule may be of a pack that is not checked now
		case p.report.Pack == nil:
			continue // the finding may be in a part that could not be checked
		}
		p.add(a.path, diag.SeverityWarning, codeAllow, a.at, hint, "%s", message)
	}
}

// allows reports whether an allowance covers the place of a finding.
func (p *pack) allows(a *allowance, f finding) bool {
	if f.whole {
		return a.head && (f.File == a.path || f.File == p.tried.Path)
	}
	return f.File == a.path && slices.Contains(a.lines, f.Line)
}

// allowable reports whether a finding can be allowed. One that prevents loading can't.
func allowable(code string, severity diag.Severity) bool {
	switch code {
	case codeSyntax, codeLoading, codeManifest, codeData, codeFile, codeNoRules, codeIgnored, codeSender, codeEmptyList, codeAllow, codeNotRequested, codeNotGranted, codeVainGrant, codeNoTarget, codeList:
		return false
	case codeRule:
		return severity == diag.SeverityWarning
	}
	return true
}

// allowsIn reads a file's comments. A comment at the end of a line covers that line;
// one on a line of its own covers the next line of code.
func (p *pack) allowsIn(f *rules.File) []*allowance {
	var found []*allowance
	lua := p.fileOf(f.Path)
	lines := strings.Split(string(f.Bytes), "\n")
	head := true
	for i, text := range lines {
		line := i + 1
		trimmed := strings.TrimSpace(text)
		comment := strings.HasPrefix(trimmed, "--") || strings.HasPrefix(trimmed, "#")
		if trimmed != "" && !comment {
			head = false
		}
		m := allowComment.FindStringSubmatchIndex(text)
		if m == nil || lua != nil && lua.inText(line, m[0]+1) {
			continue
		}
		own := []int{line}
		if comment {
			for next := i + 1; next < len(lines); next++ {
				if t := strings.TrimSpace(lines[next]); t != "" && !strings.HasPrefix(t, "--") && !strings.HasPrefix(t, "#") {
					own = append(own, next+1)
					break
				}
			}
		}
		for at := m[2]; ; {
			c := allowedCode.FindStringSubmatchIndex(text[at:])
			if c == nil {
				break
			}
			found = append(found, &allowance{path: f.Path, at: place{line, at + c[2] + 1}, code: strings.ToUpper(text[at+c[2] : at+c[3]]), lines: own, head: head})
			at += c[1]
		}
	}
	return found
}

// inText reports whether a place is within a string, or is followed by code on its
// line. Then it is not in a comment.
func (f *file) inText(line, col int) bool {
	for _, t := range f.tokens {
		switch {
		case t.Pos.Line == line && t.Pos.Column >= col:
			return true
		case t.Pos.Line > line:
			return false
		case t.Type == parse.TString && t.Pos.Line < line && t.Pos.Line+strings.Count(t.Str, "\n") >= line && strings.Contains(t.Str, "check:"):
			return true
		}
	}
	return false
}
