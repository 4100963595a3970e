package control

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"chertd/luabind"
)

// RulesQuery is the query of GET rules. Its zero value chooses all rules that a pack has
// now.
type RulesQuery struct {
	Pack  string        // rules of this pack; "": of all
	Rule  string        // only this rule of Pack; "": all
	Stale time.Duration // rules that have not matched for this time, or never; 0: all
	Gone  bool          // also rules that no pack has now
}

// Rules is the answer to GET rules.
type Rules struct {
	At    time.Time `json:"at"`    // of the answer
	Since time.Time `json:"since"` // when the store began to count
	Rules []Rule    `json:"rules"` // by pack and rule
}

// Rule is what a rule did, whichever version of its pack had it.
type Rule struct {
	Pack  string    `json:"pack"`
	Rule  string    `json:"rule"`
	Mode  string    `json:"mode"`            // RuleLive …
	Place string    `json:"place,omitempty"` // file:line; "" if no pack has the rule now
	Since time.Time `json:"since"`           // from when it is counted
	// LastMatched is when it last matched: live, or in shadow if it runs so in some chats. Zero:
	// never.
	LastMatched time.Time `json:"last_matched,omitzero"`
	RuleCounts
	Shadow    *RuleCounts `json:"shadow,omitempty"`    // what it did in shadow; nil: nothing
	Candidate *RuleCounts `json:"candidate,omitempty"` // what it did as part of a candidate in shadow; nil: nothing
	// Vetoes count Vetoed by what vetoed the reads, the most first, and VetoedMostly is set if
	// that was mostly one rule or operator.
	Vetoes       []RuleVetoes `json:"vetoes,omitempty"`
	VetoedMostly *RuleVetoes  `json:"vetoed_mostly,omitempty"`
	Stopped      int64        `json:"stopped"`                // reads of rules that it vetoed
	LastFailure  *RuleFailure `json:"last_failure,omitempty"` // nil: it did not fail
}

// RuleCounts counts what a rule did.
type RuleCounts struct {
	Matched       int64     `json:"matched"`   // events on which its where held
	Ran           int64     `json:"ran"`       // of these: its handler was called
	Failed        int64     `json:"failed"`    // of these: its handler failed, and has not succeeded since
	Requested     int64     `json:"requested"` // requests of its handler, of every kind
	Reads         int64     `json:"reads"`     // that it requested
	Read          int64     `json:"read"`      // of these: a call for it succeeded
	Vetoed        int64     `json:"vetoed"`    // of these: dropped by a veto or a hold
	Superseded    int64     `json:"superseded"`
	Dead          int64     `json:"dead"`
	Ended         int64     `json:"ended"`   // of these: dropped for another reason
	Actions       int64     `json:"actions"` // other actions that it requested
	Steps         int64     `json:"steps"`   // VM steps
	TookUS        int64     `json:"took_us"` // its part of the time of its events' rules, in microseconds
	LastRequested time.Time `json:"last_requested,omitzero"`
}

// RuleVetoes counts vetoed reads of a rule.
type RuleVetoes struct {
	By    string `json:"by"`              // PACK/RULE, operator, or unknown: a read met an earlier veto that an older chertd handled
	Place string `json:"place,omitempty"` // of that rule, as file:line; "": no pack has it now
	Reads int64  `json:"reads"`
}

// RuleFailure is the last failure of a rule.
type RuleFailure struct {
	At    time.Time `json:"at"`
	Event string    `json:"event,omitempty"` // its id; "": it is not kept any more
	Error string    `json:"error,omitempty"`
}

// Values of Rule.Mode. Those of packs are the same.
const (
	RuleLive      = "live"
	RuleShadow    = "shadow"
	RuleOff       = "off"
	RuleCandidate = "candidate" // only the candidate of its pack has it
	RuleGone      = "gone"      // no pack has it now
)

func (a *api) rules(r *http.Request) (any, error) {
	v := r.URL.Query()
	q := RulesQuery{Pack: v.Get("pack"), Rule: v.Get("rule")}
	if q.Rule != "" && q.Pack == "" {
		return nil, &UserError{Message: "rule needs a pack", Hint: "?pack=vip&rule=hold"}
	}
	if text := v.Get("stale"); text != "" {
		d, err := luabind.ParseDuration(text)
		if err != nil || d <= 0 {
			return nil, &UserError{Message: fmt.Sprintf("stale: %.40q is not a duration", text), Hint: "for example 30d"}
		}
		q.Stale = d
	}
	var err error
	if q.Gone, err = flag(v, "gone", false); err != nil {
		return nil, err
	}
	all, err := a.daemon.Rules(r.Context(), q)
	if all.Rules == nil {
		all.Rules = []Rule{} // [] in JSON
	}
	return all, err
}

// Rules returns what rules did.
func (c *Client) Rules(ctx context.Context, q RulesQuery) (all Rules, err error) {
	v := parameters(map[string]string{"pack": q.Pack, "rule": q.Rule})
	if q.Stale > 0 {
		v.Set("stale", q.Stale.String())
	}
	if q.Gone {
		v.Set("gone", "true")
	}
	return all, c.ask(ctx, http.MethodGet, "/rules?"+v.Encode(), nil, &all)
}
