package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind/diag"
)

// daemonFlags are the flags of the commands that talk to a running daemon.
type daemonFlags struct {
	socket string
	config string
	json   bool
}

func (f *daemonFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.socket, "socket", "", "`PATH` of the daemon's control socket (default control.socket of the configuration)")
	cmd.Flags().StringVarP(&f.config, "config", "c", "", "configuration `FILE` that names the socket (default ./chertd.yaml, then /etc/chertd/chertd.yaml)")
	cmd.Flags().BoolVar(&f.json, "json", false, "output JSON")
}

// noneEmpty rejects empty arguments. An empty argument comes from an unset shell
// variable, and must not count as left out.
func noneEmpty(args cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := args(cmd, given); err != nil {
			return err
		}
		names := strings.Fields(cmd.Use)[1:]
		for i, arg := range given {
			if strings.TrimSpace(arg) == "" {
				return hinted(usageError("%s is empty", strings.Trim(names[i], "[]")), "check that the shell variable in this place is set")
			}
		}
		return nil
	}
}

// ask calls do with a client of the daemon, and adds hints to its errors.
func (f *daemonFlags) ask(cmd *cobra.Command, do func(context.Context, *control.Client) error) error {
	socket, err := f.find()
	if err != nil {
		return err
	}
	return explained(do(cmd.Context(), control.Dial(socket)))
}

// explained adds hints to an error of the daemon's client.
func explained(err error) error {
	var unreachable *control.UnreachableError
	var silent *control.SilentError
	var user *control.UserError
	switch {
	case errors.As(err, &silent):
		return hinted(err, silent.Hint())
	case errors.As(err, &unreachable):
		return hinted(err, unreachable.Hint())
	case errors.As(err, &user):
		return hinted(err, user.Hint)
	case errors.As(err, new(*control.LostError)):
		return hinted(err, "it has ended without a word, or does not answer: look at the end of its log; chertd tail --retry waits for it")
	}
	return err
}

// configFlag returns the flag that names the configuration, if one was given.
func (f *daemonFlags) configFlag() string {
	if f.config == "" {
		return ""
	}
	return " -c " + diag.ShellWord(f.config)
}

// daemonCommand returns a command line of chertd that talks to the same daemon.
func (f *daemonFlags) daemonCommand(rest string) string {
	line := "chertd " + rest + f.configFlag()
	if f.socket != "" {
		line += " --socket " + diag.ShellWord(f.socket)
	}
	return line
}

// find returns the path of the socket: the given one, or else that of the configuration
// that run would use, or else the default in the current directory.
func (f *daemonFlags) find() (string, error) {
	if f.socket != "" {
		return f.socket, nil
	}
	file, err := f.config, error(nil)
	for _, place := range configPlaces {
		if file != "" {
			break
		}
		if _, err = os.Stat(place); err == nil {
			file = place
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", withoutSocket(unreadConfig(place, err))
		}
	}
	if file == "" {
		c := defaultConfig()
		return filepath.Clean(string(c.Control.Socket)), nil
	}
	text, err := readConfig(file)
	if err != nil {
		return "", withoutSocket(err)
	}
	return socketOf(file, text, os.LookupEnv)
}

// socketOf returns the socket in a configuration's text. Other errors of the
// configuration do not matter here: the daemon runs with what it read when it started,
// and the shell usually lacks the environment with the daemon's secrets.
func socketOf(file string, text []byte, lookup func(string) (string, bool)) (string, error) {
	c, diags := parseConfig(file, text, lookup, use{events: true})
	if c == nil {
		// The text is not valid YAML, but its control section may be.
		part, whole := controlSection(text)
		var more diag.List
		if c, more = parseConfig(file, part, lookup, use{events: true}); c == nil || !whole {
			return "", withoutSocket(diags)
		}
		diags = more
	}
	for _, d := range diags {
		if d.Severity == diag.SeverityError && (strings.HasPrefix(d.Message, "control.socket") || strings.HasPrefix(d.Message, "control:")) {
			return "", withoutSocket(diag.List{d})
		}
	}
	if c.Control.Socket == "" {
		return "", hinted(fmt.Errorf("the control socket is disabled in %s", file), "set control.socket, or name another configuration with -c FILE")
	}
	return string(c.Control.Socket), nil
}

// withoutSocket returns the error of a configuration in which the socket can't be found.
func withoutSocket(err error) error {
	var diags diag.List
	if !errors.As(err, &diags) {
		return hinted(fail(exitFailure, err), "name the daemon's socket with --socket PATH")
	}
	diags = slices.Clone(diags)
	for i := range diags {
		diags[i].Hint += "; or name the daemon's socket with --socket PATH"
	}
	return fail(exitFailure, diags)
}

// controlSection returns the control section of a configuration, with its line numbers
// unchanged. whole is false if another section may name the socket.
func controlSection(text []byte) (part []byte, whole bool) {
	inside := false
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 && !bytes.HasPrefix(line, []byte(" ")) && !bytes.HasPrefix(line, []byte("\t")) && line[0] != '#' {
			inside = bytes.HasPrefix(line, []byte("control:"))
		}
		if !inside {
			line = []byte("\n")
		}
		part = append(part, line...)
	}
	return part, bytes.Count(text, []byte("socket:")) == bytes.Count(part, []byte("socket:"))
}
