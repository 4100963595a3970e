package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/luabind/diag"
)

// execute runs one command line and returns the exit code.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	out, errOut := &screen{w: stdout}, &screen{w: stderr}
	defer out.flush()
	defer errOut.flush()
	root.SetOut(out)
	root.SetErr(errOut)
	// Cobra prints the root's help for `chertd NAME --help`, whatever NAME is.
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && !strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) && subcommand(root, args[0]) == nil {
		return report(errOut, unknownCommand(root, args[0]))
	}
	if err := root.ExecuteContext(context.Background()); err != nil {
		return report(errOut, err)
	}
	return exitOK
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "chertd",
		Short: "Mark iMessage chats as read by rules written in Lua, through Chert",
		Long: `chertd receives chat events from Chert, runs Lua rules on them, and marks chats as
read within a rate limit. You can edit the rules while it runs.

To see it at work, run: chertd demo`,
		Args:              cobra.ArbitraryArgs,
		Version:           versionText(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	for _, g := range commandGroups() {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, cmd := range g.commands {
			cmd.GroupID = g.title
			root.AddCommand(cmd)
		}
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpCommandGroupID(programGroup)
	root.SetCompletionCommandGroupID(programGroup)
	root.InitDefaultCompletionCmd()
	changeBashScript(root)
	root.InitDefaultHelpCmd()
	strictNames(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hinted(fail(exitUsage, err), "`"+cmd.CommandPath()+" --help` lists the flags")
	})
	completeAll(root)
	failures(root)
	return root
}

// commandGroup is the commands for one purpose.
type commandGroup struct {
	title    string
	commands []*cobra.Command
}

// programGroup is where help and completion are as well.
const programGroup = "About chertd"

// commandGroups returns all commands by purpose, as help and docs/cli.md list them.
func commandGroups() []commandGroup {
	return []commandGroup{
		{"Try it, and set it up", []*cobra.Command{newDemoCommand(), newSimCommand(), newSubscribeCommand(), newDoctorCommand(), newRunCommand()}},
		{"Write rules, and test them", []*cobra.Command{newNewCommand(), newCheckCommand(), newTestCommand(), newEvalCommand(), newBacktestCommand(), newSpecCommand()}},
		{"See what the daemon does, and why", []*cobra.Command{newStatusCommand(), newTailCommand(), newExplainCommand(), newRulesCommand(), newWaitingCommand()}},
		{"Change which rules are live", []*cobra.Command{newPacksCommand(), newReloadCommand(), newModeCommand(), newShadowCommand(), newRollbackCommand()}},
		{"Decide about chats", []*cobra.Command{newReadCommand(), newApplyCommand(), newHoldCommand(), newReleaseCommand(), newSignalCommand(), newListCommand()}},
		{"Stop calls, and repair", []*cobra.Command{newPauseCommand(), newResumeCommand(), newDrainCommand(), newDeadCommand(), newQuarantineCommand(), newRetryErrorsCommand()}},
		{"Keep the data", []*cobra.Command{newStoreCommand(), newForgetCommand()}},
		{programGroup, []*cobra.Command{newVersionCommand()}},
	}
}

// failures turns errors of commands into failures, which distinguishes them from errors
// of the command line parser. Errors about arguments are replaced by the command's
// usage.
func failures(cmd *cobra.Command) {
	if takes := cmd.Args; takes != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := takes(cmd, args)
			if f := (*failure)(nil); err == nil || errors.As(err, &f) {
				return err
			}
			got := count(len(args), "argument")
			if len(args) > 0 {
				got += ": " + strings.Join(args, " ")
			}
			return hinted(usageError("wrong arguments for `%s`: got %s", cmd.CommandPath(), got), "the usage is `"+cmd.UseLine()+"`")
		}
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			if f := (*failure)(nil); err == nil || errors.As(err, &f) {
				return err
			}
			return fail(exitFailure, err)
		}
	}
	for _, sub := range cmd.Commands() {
		failures(sub)
	}
}

// strictNames makes `help NAME` and `completion SHELL` fail for an unknown name. Cobra
// would print a help text and exit with 0.
func strictNames(root *cobra.Command) {
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Run, c.RunE = nil, func(_ *cobra.Command, args []string) error {
				about := root
				for _, name := range args {
					next := subcommand(about, name)
					if next == nil {
						return unknownCommand(about, name)
					}
					about = next
				}
				about.InitDefaultHelpFlag()
				return about.Help()
			}
		case "completion":
			c.Args, c.RunE = cobra.ArbitraryArgs, func(c *cobra.Command, args []string) error {
				if len(args) > 0 {
					return unknownCommand(c, args[0])
				}
				return c.Help()
			}
		}
	}
}

func subcommand(of *cobra.Command, name string) *cobra.Command {
	for _, c := range of.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}

// unknownCommand returns the error of an unknown command name.
func unknownCommand(of *cobra.Command, name string) error {
	var known []string
	for _, c := range of.Commands() {
		if !c.Hidden {
			known = append(known, c.Name())
		}
	}
	slices.Sort(known)
	hint := "`" + of.CommandPath() + " --help` lists the commands"
	if near := diag.Suggest(name, known); near != "" {
		hint = "did you mean `" + of.CommandPath() + " " + near + "`?"
	}
	called := strings.TrimPrefix(of.CommandPath()+" "+name, of.Root().Name()+" ")
	return hinted(usageError("there is no command %q", called), hint)
}
