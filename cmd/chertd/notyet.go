package main

import "strings"

// notYetKeys are sections of the configuration that this build does not have.
var notYetKeys = map[string]string{
	"rules.lists": "lists that operators change",
	"notify":      "targets of chert.notify",
}

// checkBuild warns about features that the file turns on but this build does not have.
// Defaults cause no warning.
func (c *Config) checkBuild(d *decoder) {
	stream := c.Sources.Stream.Enabled
	for _, f := range []struct {
		path string
		on   bool
		what string
	}{
		{"sources.stream.enabled", stream, "no events come by the stream"},
		{"chert.rate.adaptive", c.Chert.Rate.Adaptive, "calls keep to chert.rate.limit"},
	} {
		if f.on && d.given(f.path) {
			d.warn(f.path, codeNotYet, "delete the key "+f.path[strings.LastIndexByte(f.path, '.')+1:], "not in this build yet: %s", f.what)
		}
	}
}
