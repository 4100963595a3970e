package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/luabind"
	"chertd/luabind/diag"
)

// listFlags are the flags of chertd list.
type listFlags struct {
	daemonFlags
	length, reason, by string
	limit              int
	member, after      string
	replace, skipBad   bool
}

// listVerbs are what chertd list does with a list, and the flags that go with each.
var listVerbs = []struct {
	name  string
	takes string // arguments, for the usage
	flags []string
}{
	{"show", "", []string{"limit", "member", "after"}},
	{"add", " MEMBER ...", []string{"for", "reason", "by"}},
	{"remove", " MEMBER ...", []string{"reason", "by"}},
	{"import", " FILE.csv", []string{"for", "reason", "by", "replace", "skip-bad"}},
	{"history", "", []string{"limit"}},
}

func newListCommand() *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list [NAME [show | add MEMBER ... | remove MEMBER ... | import FILE.csv | history]]",
		Short: "Show and change lists of senders and chats that rules use",
		Long: `Shows the lists that chertd.yaml declares under rules.lists, or the members of one,
and changes them. A change is on disk, and counts for every event that is handled
later, when the command returns. Neither an edit nor a reload is needed.

A member is a phone number, a short code, an email address, or the id of a chat. With
--for, it counts for this long. Added again, a member gets the new end and reason.

import reads a CSV file with the columns member, reason and until; - is standard input.
A first row with these names is optional. until is a time such as
2026-01-05T14:00:00Z, or a duration. If a row is wrong, the command names its line, and
imports nothing. With --replace, all other members are removed.`,
		Example: "  chertd list\n  chertd list vips add +14155550100 --for 2h --reason \"launch day\"\n  chertd list vips remove +14155550100\n" +
			"  chertd list vips import vips.csv --replace\n  chertd list vips history",
		Args: noneEmptyOf("NAME or MEMBER"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.length, "for", "", "the members count for this `DURATION`, such as 30m, 2h or 7d (default always)")
	flags.StringVar(&f.reason, "reason", "", "`REASON`, shown by show, history and explain")
	flags.StringVar(&f.by, "by", "", "`NAME` of the person who makes the change (default the login name)")
	flags.IntVar(&f.limit, "limit", 100, fmt.Sprintf("print at most `N` members or changes, up to %d", control.MaxListShown))
	flags.StringVar(&f.member, "member", "", "only this `MEMBER`")
	flags.StringVar(&f.after, "after", "", "only members that come after this `MEMBER`")
	flags.BoolVar(&f.replace, "replace", false, "remove all members that the file does not have")
	flags.BoolVar(&f.skipBad, "skip-bad", false, "leave out rows that are wrong, and import the others")
	return cmd
}

// noneEmptyOf rejects empty arguments of a command that takes any number of them.
func noneEmptyOf(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if slices.ContainsFunc(args, func(arg string) bool { return strings.TrimSpace(arg) == "" }) {
			return hinted(usageError("%s is empty", what), "check that the shell variable in this place is set")
		}
		return nil
	}
}

func (f *listFlags) run(cmd *cobra.Command, args []string) error {
	verb := "show"
	if len(args) > 1 {
		verb = args[1]
	}
	if err := f.check(cmd, args, verb); err != nil {
		return err
	}
	if len(args) == 0 {
		return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
			all, err := c.Lists(ctx)
			if err != nil {
				return err
			}
			return f.printLists(cmd, all)
		})
	}
	name := args[0]
	switch verb {
	case "add":
		in := control.ListAddRequest{By: author(f.by), Reason: f.reason, For: f.length}
		for _, member := range args[2:] {
			in.Members = append(in.Members, control.ListRow{Member: member})
		}
		return f.change(cmd, name, func(ctx context.Context, c *control.Client) (control.ListChanged, error) {
			return c.ListAdd(ctx, name, in)
		})
	case "remove":
		in := control.ListRemoveRequest{By: author(f.by), Reason: f.reason, Members: args[2:]}
		return f.change(cmd, name, func(ctx context.Context, c *control.Client) (control.ListChanged, error) {
			return c.ListRemove(ctx, name, in)
		})
	case "import":
		return f.imports(cmd, name, args[2])
	case "history":
		return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
			h, err := c.ListHistory(ctx, name, f.limit)
			if err != nil {
				return err
			}
			return f.printHistory(cmd, h)
		})
	}
	return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
		l, err := c.List(ctx, name, control.ListQuery{Member: f.member, After: f.after, Limit: f.limit})
		if err != nil {
			return err
		}
		return f.printMembers(cmd, l)
	})
}

// check returns what is wrong with the command line.
func (f *listFlags) check(cmd *cobra.Command, args []string, verb string) error {
	var names []string
	at := -1
	for i, v := range listVerbs {
		if names = append(names, v.name); v.name == verb {
			at = i
		}
	}
	if at < 0 {
		hint := "a list has " + strings.Join(names, ", ")
		if near := diag.DidYouMeanString("", verb, names); near != "" {
			hint = near
		}
		return hinted(usageError("list has no %.40q", verb), hint)
	}
	usage := "the usage is `chertd list NAME " + verb + listVerbs[at].takes + "`"
	takes := listVerbs[at].takes
	switch given := max(0, len(args)-2); {
	case takes != "" && given == 0:
		return hinted(usageError("%s is missing", strings.TrimSuffix(strings.TrimSpace(takes), " ...")), usage)
	case takes == "" && given > 0, verb == "import" && given > 1:
		return hinted(usageError("too many arguments for `chertd list NAME %s`", verb), usage)
	}
	for _, flag := range []string{"for", "reason", "by", "limit", "member", "after", "replace", "skip-bad"} {
		if cmd.Flags().Changed(flag) && (len(args) == 0 || !slices.Contains(listVerbs[at].flags, flag)) {
			return hinted(usageError("--%s does not go with `chertd list%s`", flag, choose(len(args) == 0, "", " NAME "+verb)), usage)
		}
	}
	if f.replace && f.skipBad {
		return hinted(usageError("--replace and --skip-bad exclude each other: the members of rows that are left out would be removed"), "correct the rows, or import without --replace")
	}
	if f.limit < 1 || f.limit > control.MaxListShown {
		return hinted(usageError("--limit: expected a number from 1 to %d, got %d", control.MaxListShown, f.limit), "for example --limit 100")
	}
	if cmd.Flags().Changed("for") {
		if d, err := luabind.ParseDuration(f.length); err != nil {
			return hinted(usageError("--for: %v", err), "for example --for 2h")
		} else if d <= 0 {
			return hinted(usageError("--for: the duration must be greater than 0, got %s", f.length), "chertd list NAME remove MEMBER removes a member")
		}
	}
	return nil
}

// change makes a change, and prints what it has changed.
func (f *listFlags) change(cmd *cobra.Command, name string, do func(context.Context, *control.Client) (control.ListChanged, error)) error {
	return f.ask(cmd, func(ctx context.Context, c *control.Client) error {
		l, err := do(ctx, c)
		if refused := (*control.RefusedError)(nil); errors.As(err, &refused) {
			for _, d := range refused.Diagnostics {
				fmt.Fprintln(cmd.ErrOrStderr(), "error: "+diag.Visible(d.Message))
				if d.Hint != "" {
					fmt.Fprintln(cmd.ErrOrStderr(), "  hint: "+diag.Visible(d.Hint))
				}
			}
			return hinted(errors.New(refused.Message), refused.Hint)
		}
		if err != nil {
			return err
		}
		return tell(cmd, f.json, l, changedWords(l)...)
	})
}
