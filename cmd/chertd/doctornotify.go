package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"chertd/luabind/diag"
	"chertd/rules"
)

// notifyTargets connects to the hosts of the targets of chert.notify, and looks for rules that
// name other targets. It posts nothing: a pager would ring.
func (k *checkup) notifyTargets(ctx context.Context) result {
	names := k.c.targetNames()
	r := fine("no targets")
	if len(names) > 0 {
		r = k.reachTargets(ctx, names)
	}
	for _, u := range k.unknownTargets(names) {
		r.problem(fmt.Sprintf("pack %s notifies %s, and %s has no such target under notify", u.pack, rules.ShownName(u.target), k.c.File), u.fix(k, names))
	}
	return r
}

// reachTargets connects to each target, or to the proxy that leads to it.
func (k *checkup) reachTargets(ctx context.Context, names []string) result {
	ctx, cancel := context.WithTimeout(ctx, doctorStep)
	defer cancel()
	all := make([]reached, len(names))
	var dialing sync.WaitGroup
	var plain, unknown []string
	for i, name := range names {
		t := k.c.Notify[name]
		if t.Secret == "" {
			plain = append(plain, name)
		}
		u, err := url.Parse(t.URL.Reveal())
		switch {
		case err != nil || u.Host == "" || k.faulty("notify."+name+"."):
			unknown = append(unknown, name)
		case !k.offline:
			dialing.Go(func() { all[i] = k.reach(ctx, &url.URL{Scheme: u.Scheme, Host: u.Host}, "notify."+name+".url") })
		}
	}
	dialing.Wait()
	r := fine("%s", count(len(names), "target"))
	var connected []string
	for i, got := range all {
		switch {
		case got.why != "":
			r.problem(fmt.Sprintf("target %s: %s: %s", names[i], got.summary, got.why), got.fix)
		case got.summary != "":
			connected = append(connected, names[i]+" "+got.summary)
		}
	}
	if len(connected) > 0 {
		r.Summary += ": " + strings.Join(connected, "; ") + "; nothing was posted"
	}
	if k.offline {
		r.Summary += "; not connected to (--offline)"
	}
	if len(plain) > 0 {
		r.Summary += "; without a secret, so not signed: " + strings.Join(plain, ", ")
	}
	if len(unknown) > 0 {
		r.Summary += "; not connected to, because their settings can't be used here: " + strings.Join(unknown, ", ")
	}
	return r
}

// unknownTarget is a target that the rules name and the configuration lacks.
type unknownTarget struct{ pack, target string }

// unknownTargets returns the targets that packs of the rules directory name, and that are not
// among names.
func (k *checkup) unknownTargets(names []string) (all []unknownTarget) {
	if k.faulty("rules.") || k.faulty("rules:") {
		return nil // the check of the rules is skipped as well
	}
	dir := string(k.c.Rules.Dir)
	o := k.c.ruleOptions()
	o.Folder, o.Targets = dir, nil // with targets, such a pack would not load
	report := rules.Load([]string{dir}, o)
	for i := range report.Packs {
		p := report.Packs[i].Pack
		if p == nil {
			continue // the check of the rules says why
		}
		for _, target := range p.Notifies {
			if !slices.Contains(names, target) {
				all = append(all, unknownTarget{p.Name, target})
			}
		}
	}
	return all
}

// fix returns what to do about an unknown target.
func (u unknownTarget) fix(k *checkup, names []string) string {
	fix := fmt.Sprintf(`add it to %s: notify: {%s: {url: "https://…", secret: …}}`, k.c.File, rules.ShownName(u.target))
	if !targetName.MatchString(u.target) {
		fix = "name one that is configured, in chert.notify of pack " + u.pack
	}
	if near := diag.DidYouMeanString("", u.target, names); near != "" {
		fix = near + " Change chert.notify of pack " + u.pack + "; or " + fix
	}
	return fix
}
