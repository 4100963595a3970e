package main

// notYetKeys are sections of the configuration that this build does not have.
var notYetKeys = map[string]string{
	"rules.lists": "lists that operators change",
	"notify":      "targets of chert.notify",
}

// checkBuild warns about features that the file turns on but this build does not have.
// Defaults cause no warning.
func (c *Config) checkBuild(d *decoder) {
	if path := "chert.rate.adaptive"; c.Chert.Rate.Adaptive && d.given(path) {
		d.warn(path, codeNotYet, "delete the key adaptive", "not in this build yet: calls keep to chert.rate.limit")
	}
}
