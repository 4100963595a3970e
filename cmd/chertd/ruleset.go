package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"chertd/luabind/diag"
	"chertd/rules"
	"chertd/rules/lint"
)

// defaultRules is the rules directory if neither the command line nor a configuration
// names one.
const defaultRules = "./rules"

// ruleSource is the rules that check, test and eval work on, and their configuration.
type ruleSource struct {
	file string // -c

	paths   []string
	options rules.Options
	config  *Config   // nil: none is used, or nothing of it can be understood
	found   diag.List // what is wrong with the configuration
}

// flags adds -c.
func (s *ruleSource) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&s.file, "config", "c", "", "configuration `FILE` (default ./chertd.yaml, if it exists and no PATH is given)")
}

// find determines the rules and the configuration from the command line. Errors of the
// configuration are in s.found.
func (s *ruleSource) find(paths []string) error {
	s.paths, s.options = paths, rules.Options{Folder: defaultRules, Coded: lint.Coded}
	if s.file == "" && len(paths) == 0 {
		switch _, err := os.Stat(configPlaces[0]); {
		case err == nil:
			s.file = configPlaces[0]
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("read the configuration: %w", err)
		}
	}
	if s.file != "" {
		var err error
		if s.config, s.found, err = loadOffline(s.file); err != nil {
			return err
		}
		if s.config != nil {
			s.options = s.config.ruleOptions()
			s.options.Folder = string(s.config.Rules.Dir)
		}
	}
	if len(paths) == 0 {
		s.paths = []string{s.options.Folder}
	}
	return nil
}

// use is find for a command that runs the rules: the configuration must have no errors.
// Values that only the daemon needs, and secrets, are left to check.
func (s *ruleSource) use(paths []string) error {
	if err := s.find(paths); err != nil {
		return err
	}
	errs := slices.DeleteFunc(slices.Clone(s.found), func(d diag.Diagnostic) bool {
		return d.Severity != diag.SeverityError || d.Code == codeSecret
	})
	if len(errs) > 0 {
		return fail(exitFailure, errs)
	}
	return nil
}

// gateNote prints a note if the gate is not enforced, because then the findings do not
// keep an edit from going live.
func (s *ruleSource) gateNote(w io.Writer, gate func(GateConfig) (key, how string)) {
	if s.config == nil {
		return
	}
	if key, how := gate(s.config.Rules.Gate); how != gateEnforce {
		fmt.Fprintf(w, "chertd: rules.gate.%s is %s in %s: `chertd run` makes such an edit live\n", key, how, s.config.File)
	}
}
