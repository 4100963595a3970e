package main

import (
	"maps"
	"regexp"
	"slices"

	"chertd/engine/notify"
)

// targetName is what the name of a target looks like.
var targetName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// checkNotify reports targets of chert.notify that can't be used.
func (c *Config) checkNotify(d *decoder) {
	if len(c.Notify) > notify.MaxTargets {
		d.fail("notify", codeValue, "let a service of your own pass notifications on", "there are %d targets, and at most %d are possible", len(c.Notify), notify.MaxTargets)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Notify)) {
		path := "notify." + name
		if !targetName.MatchString(name) {
			d.failAt(d.keys[path], codeValue, "for example oncall", "notify: the key %s can't be the name of a target: it has lower-case letters, digits, - and _", shownName(name))
			delete(c.Notify, name)
			continue
		}
		at := path + ".url"
		switch url := c.Notify[name].URL.Reveal(); {
		case d.unknown[at] || d.errorAt(at):
		case url == "" && !d.given(at):
			d.missing(at, "write url: https://…, or url_file: FILE")
		default:
			if err := notify.CheckURL(url); err != nil {
				d.fail(at, codeValue, "for example https://hooks.example.com/services/T1/B2/x3", "%s", err)
			}
		}
	}
}

// targets returns the targets of chert.notify.
func (c *Config) targets() []notify.Target {
	var all []notify.Target
	for _, name := range slices.Sorted(maps.Keys(c.Notify)) {
		t := c.Notify[name]
		all = append(all, notify.Target{Name: name, URL: t.URL.Reveal(), Secret: t.Secret.Reveal()})
	}
	return all
}

// targetNames returns the names of the targets, in order. It is never nil.
func (c *Config) targetNames() []string {
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(c.Notify))))
}
