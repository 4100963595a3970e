package live

import (
	"fmt"
	"strings"

	"chertd/rules"
)

// actCandidate does what a line of a story says about a candidate. It reports whether the line is
// about one.
func (l *life) actCandidate(verb, arg string) bool {
	switch verb {
	case "try":
		_, loads := l.loads(arg)
		if !loads || l.gate && strings.HasPrefix(arg, "unfit") || l.s.triable() != nil || arg == l.s.Version.Hash {
			return true
		}
		l.passed[l.built(arg)] = true
		l.give(SetCandidate{Version: l.version(arg), Known: l.versions[arg] != nil})
	case "share":
		share, err := rules.ParseShare(arg)
		if err != nil {
			panic(err)
		}
		if l.s.Candidate == "" || l.s.Beside.Hash == l.s.Candidate {
			l.give(SetMode{Mode: rules.Live, Share: share})
		}
	case "end-candidate":
		if l.s.Candidate != "" {
			l.give(EndCandidate{})
		}
	case "candidate-limit":
		l.give(LimitCandidate{Limit: rules.Rate{N: 3, Per: 10 * 60 * 1e9}})
	default:
		return false
	}
	return true
}

// loadCandidate is Manager.loadCandidate.
func (l *life) loadCandidate() {
	s := &l.s
	if s.Candidate == "" || s.BesideRevision == s.Config.Revision && (s.Beside.Hash == s.Candidate || s.BesideLost.Version == s.Candidate) {
		return
	}
	in := CandidateLoaded{Version: l.version(s.Candidate)}
	if _, ok := l.loads(s.Candidate); !ok {
		in = CandidateLoaded{Lost: Lost{Pack: "p", Version: s.Candidate}}
	} else {
		l.passed[l.built(s.Candidate)] = true
	}
	l.give(in)
}

// tried is what must hold of the candidate of a pack.
type tried struct {
	version string
	share   rules.Share
	ended   map[string]bool // versions that were live in a share, and whose pending work is dropped
}

// follow notes what a line of a story must have done to the candidate.
func (c *tried) follow(p *promises, verb, arg string, before *Standing) {
	if c.ended == nil {
		c.ended = map[string]bool{}
	}
	ran := before.beside() != nil
	end := func() {
		if c.version != "" && c.share != 0 {
			c.ended[c.version] = true
		}
		c.version, c.share = "", 0
	}
	kept := p.s.PackState != before.PackState // the store did not fail, and there was something to do
	switch {
	case verb == "remove" || !p.s.inSet():
		*c = tried{version: p.s.Candidate, share: p.s.Share}
	case !kept:
	case verb == "try":
		end()
		c.version = arg
	case verb == "share":
		c.share, _ = rules.ParseShare(arg)
		delete(c.ended, c.version)
	case verb == "end-candidate", verb == "rollback" && c.version != p.s.Candidate, verb == "pin" && c.version != p.s.Candidate:
		end()
	case verb == "candidate-limit" && ran:
		if version := c.version; c.share != 0 {
			end()
			c.version = version
		}
	case verb == "mode" && arg == "live" && ran:
		c.version, c.share = "", 0 // it is live
	case verb == "mode":
		mode, _ := p.s.modeNow()
		if c.share != 0 && mode == rules.Live && c.version != "" {
			c.ended[c.version] = true
		}
		c.share = 0
	}
	if c.version != "" && c.version == p.s.Live {
		c.version, c.share = "", 0 // an edit has made the same version live
	}
	delete(c.ended, p.s.Live)
	delete(c.ended, p.s.Version.Hash)
	delete(c.ended, p.s.InsteadOf)
}

// check says what does not hold of the candidate; "": all holds.
func (c *tried) check(p *promises) string {
	s := &p.s
	switch runs := s.beside(); {
	case !s.inSet():
	case s.Candidate != c.version || c.version != "" && s.Share != c.share:
		return fmt.Sprintf("the candidate is %q in %v, and should be %q in %v", s.Candidate, s.Share, c.version, c.share)
	case s.Candidate != p.row.Candidate || s.Share != p.row.Share:
		return fmt.Sprintf("the candidate is %q in %v, and the store keeps %q in %v", s.Candidate, s.Share, p.row.Candidate, p.row.Share)
	case s.Candidate != "" && s.Candidate == s.Live:
		return "the candidate is the live version"
	case runs != nil && runs.Hash == s.Version.Hash:
		return "the live version runs beside itself"
	case runs != nil && s.shareNow() != 0 && s.Back[runs.Hash]:
		return "what the candidate asks for in its share is not carried out"
	case s.Candidate != "" && s.BesideLost.Version == s.Candidate && s.Share != 0 && !s.Back[s.Candidate]:
		return "the candidate does not load any more, and what it asked for is carried out"
	case c.version != "" && c.share == 0 && s.shareNow() != 0:
		return "a candidate without a share is live in some chats"
	}
	for version := range c.ended {
		if s.inSet() && !s.Back[version] && !(version == s.Candidate && s.Share != 0) {
			return "what is pending of an ended candidate is not dropped: " + version
		}
	}
	return ""
}
