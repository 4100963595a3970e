package rules

import (
	"slices"

	"chertd/luabind"
)

// users returns the rules that use a file of lib or data: their file requires or loads it,
// itself or through libraries. ok is false if the code does not say, because it requires or
// loads what only running it would show.
func (p *Pack) users(file *File) (names []string, ok bool) {
	uses := map[string]bool{}
	for _, prog := range p.config.Files {
		used, known := p.reaches(prog, file, map[string]bool{})
		if !known && !used {
			return nil, false
		}
		uses[prog.File] = used
	}
	names = []string{}
	for _, r := range p.Rules {
		if uses[r.File] && !slices.Contains(names, r.Name) {
			names = append(names, r.Name)
		}
	}
	return names, true
}

// reaches reports whether a program uses a file, itself or through libraries. known is false
// if it may use others than the ones that it names.
func (p *Pack) reaches(prog *luabind.Program, file *File, seen map[string]bool) (used, known bool) {
	if slices.Contains(prog.Requires, file.Module()) && file.Kind == LibFile ||
		slices.Contains(prog.Loads, dataName(file.Name)) && file.Kind == DataFile {
		return true, true
	}
	known = !prog.RequiresOther && (file.Kind != DataFile || !prog.LoadsOther)
	for _, name := range prog.Requires {
		lib := p.config.Lib[name]
		if lib == nil || seen[name] {
			continue
		}
		seen[name] = true
		through, all := p.reaches(lib, file, seen)
		if through {
			return true, true
		}
		known = known && all
	}
	return false, known
}
