package live

import (
	"fmt"
	"strings"
	"time"

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
		percent, length, _ := strings.Cut(arg, " for ")
		share, err := rules.ParseShare(percent)
		if err != nil {
			panic(err)
		}
		d, _ := time.ParseDuration(length)
		if l.s.Candidate == "" || l.s.Beside.Hash == l.s.Candidate && l.s.Version.Hash != l.s.Candidate {
			l.give(SetMode{Mode: rules.Live, Share: share, For: d})
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
	until   time.Time       // end of a mode for a time; zero: there is none
	returns rules.Share     // the share of the version once that mode ends
	ended   map[string]bool // versions that were live in a share, and whose pending work is dropped
}

// set follows a command that sets a mode and, with share 0, no share of it.
func (c *tried) set(share rules.Share, until time.Time) {
	switch {
	case until.IsZero():
		c.returns = 0
	case c.until.IsZero():
		c.returns = c.share
	}
	c.share, c.until = share, until
}

// pass ends a mode for a time.
func (c *tried) pass() { c.share, c.until, c.returns = c.returns, time.Time{}, 0 }

// unshared notes that the version is live in no chat any more, if it was in some.
func (c *tried) unshared(p *promises, was rules.Share) {
	if mode, _ := p.s.modeNow(); c.version != "" && was != 0 && c.share == 0 && mode == rules.Live {
		c.ended[c.version] = true
	}
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
		c.version, c.share, c.returns = "", 0, 0
	}
	kept := p.s.PackState != before.PackState // the store did not fail, and there was something to do
	switch {
	case verb == "remove" || !p.s.inSet():
		*c = tried{version: p.s.Candidate, share: p.s.Share, until: p.s.Until, returns: p.s.Under.Share}
	case !kept:
	case verb == "try":
		end()
		c.version = arg
	case verb == "share":
		percent, _, _ := strings.Cut(arg, " ")
		share, _ := rules.ParseShare(percent)
		c.set(share, p.s.Until)
		delete(c.ended, c.version)
	case verb == "end-candidate", verb == "rollback" && c.version != p.s.Candidate, verb == "pin" && c.version != p.s.Candidate:
		end()
	case verb == "candidate-limit" && ran:
		if version := c.version; c.share != 0 {
			end()
			c.version, c.until = version, time.Time{}
		}
	case verb == "limit" && !c.until.IsZero():
		c.pass()
	case verb == "mode" && arg == "live" && ran:
		*c = tried{ended: c.ended} // it is live
	case verb == "mode":
		was := c.share
		c.set(0, p.s.Until)
		c.unshared(p, was)
	}
	if !c.until.IsZero() && !c.until.After(p.now) {
		was := c.share
		c.pass()
		c.unshared(p, was)
	}
	if c.version != "" && c.version == p.s.Live {
		c.version, c.share, c.returns = "", 0, 0 // an edit has made the same version live
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
