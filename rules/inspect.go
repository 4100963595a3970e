package rules

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Settings returns the pack's settings with the operator's values, by name. The caller
// must not change them.
func (p *Pack) Settings() map[string]any { return p.config.Settings }

// Zone returns the time zone of hours, schedules and dates that name none.
func (p *Pack) Zone() *time.Location { return cmp.Or(p.config.Zone, time.UTC) }

// Data returns what data.load returns for a name. The caller must not change it.
func (p *Pack) Data(name string) (any, bool) {
	if p.config.Data == nil {
		return nil, false
	}
	v, err := p.config.Data(name)
	return v, err == nil
}

// DataNames returns the names that data.load accepts in the pack, sorted.
func (p *Pack) DataNames() []string {
	var names []string
	for _, f := range p.Files {
		if f.Kind == DataFile {
			names = append(names, dataName(f.Name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Module returns the name under which require finds a file of lib/; "" for another file.
func (f *File) Module() string {
	if f.Kind != LibFile {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(f.Name, "lib/"), ".lua"), "/", ".")
}
