package spec

import "chertd/rules"

// Ran has a function called with the World of each spec that ran.
func (o Options) Ran(f func(p *rules.Pack, config map[string]any, w *World)) Options {
	o.ran = f
	return o
}
