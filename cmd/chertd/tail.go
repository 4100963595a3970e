package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"chertd/engine/control"
	"chertd/engine/wait"
	"chertd/luabind/diag"
)

// tailRetry is the time between two attempts to reach the daemon again.
const tailRetry = time.Second

func newTailCommand() *cobra.Command {
	var f daemonFlags
	var q control.TailQuery
	var lines string
	var retry bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show what happens as it happens: events, what rules do, and calls",
		Long: `Shows each event when it has been handled, each action when it has ended, and each
attempt of a call that failed, one line each:

  TIME      OUTCOME   CHAT  what rules did, and where

It begins with the last events, as they are now. On a terminal, lines are coloured:
green was read, yellow waits, grey stays unread, red needs somebody. Texts of messages
are shown only with --text. chertd explain says more about one event or chat.

Filters apply together. --outcome takes outcomes, statuses and reasons, such as read,
waiting, not_read, vetoed, held, superseded, dead; failed is for rules and calls that
failed. It also takes why rules did not run, such as cooldown or rule_off. The daemon
filters, and never waits for the reader: if lines come faster than they can be shown,
some are left out, and a line says how many.

On a terminal, lines are cut to its width; in a pipe they are whole.

Ctrl-C ends it, with exit code 0. It exits with 1 when the daemon stops, unless --retry
is given: then it continues with all events that were handled meanwhile.`,
		Example: "  chertd tail\n  chertd tail --outcome dead,failed\n  chertd tail --rule 'codes/read codes' -n 50\n  chertd tail --chat +14155550123 --text\n  chertd tail --json | jq 'select(.kind == \"call\")'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := tailFlags(cmd, &q, lines, retry); err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			if out := fileBehind(cmd.OutOrStdout()); out != nil {
				watched := make(chan struct{})
				go func() {
					defer close(watched)
					watchPipe(ctx, out, stop)
				}()
				defer func() {
					stop()
					<-watched
				}()
			}
			view := newTailView(cmd.OutOrStdout(), f.json, len(q.Outcomes) > 0)
			return f.ask(cmd, func(_ context.Context, c *control.Client) error {
				err := follow(ctx, c, q, view, func(err error) bool {
					if retry {
						cmd.PrintErrf("chertd: %v; trying again until it runs\n", err)
					}
					return retry
				})
				if errors.Is(err, errStopped) {
					return hinted(err, "chertd tail --retry waits until it runs again")
				}
				return err
			})
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&q.Pack, "pack", "", "only what rules of the pack `NAME` do")
	flags.StringVar(&q.Rule, "rule", "", "only what the rule `PACK/RULE` does")
	flags.StringVar(&q.Chat, "chat", "", "only the chat with this `ID`, or the chats of a phone number or email address")
	flags.StringSliceVar(&q.Outcomes, "outcome", nil, "only these `OUTCOMES`, such as dead,failed")
	flags.StringVarP(&lines, "lines", "n", "10", "begin with the last `N` events")
	flags.BoolVar(&q.NoFollow, "no-follow", false, "show only these, and end")
	flags.BoolVar(&retry, "retry", false, "continue when the daemon runs again, and wait for it if it does not run yet")
	flags.BoolVar(&q.Text, "text", false, "show who sent a message, and its first letters")
	return cmd
}

// fileBehind returns the file to which a command prints; nil: it prints to something else.
func fileBehind(w io.Writer) *os.File {
	if s, ok := w.(*screen); ok {
		w = s.w
	}
	f, _ := w.(*os.File)
	return f
}

// tailFlags checks the flags of tail.
func tailFlags(cmd *cobra.Command, q *control.TailQuery, lines string, retry bool) error {
	for name, value := range map[string]string{"pack": q.Pack, "rule": q.Rule, "chat": q.Chat} {
		if cmd.Flags().Changed(name) && value == "" {
			return hinted(usageError("--%s is empty", name), "check that the shell variable in this place is set")
		}
	}
	if cmd.Flags().Changed("outcome") && (len(q.Outcomes) == 0 || slices.Contains(q.Outcomes, "")) {
		return hinted(usageError("--outcome is empty"), "for example --outcome dead,failed")
	}
	for _, o := range q.Outcomes {
		if !slices.Contains(control.TailOutcomes, o) {
			hint := diag.DidYouMean("", o, control.TailOutcomes)
			return hinted(usageError("--outcome: there is no outcome %q", o), choose(hint != "", hint, "outcomes are "+listed(control.TailOutcomes)))
		}
	}
	n, err := strconv.Atoi(lines)
	if err != nil || n < 0 || n > control.MaxTailLines {
		return hinted(usageError("--lines: expected 0 to %s, got %s", thousands(control.MaxTailLines), lines), "for example -n 50")
	}
	q.Lines = n
	if retry && q.NoFollow {
		return usageError("give --retry or --no-follow, not both")
	}
	return nil
}

// errStopped is why a tail ends whose daemon has stopped.
var errStopped = errors.New("chertd has stopped")

// follow shows a tail until ctx ends. It begins again when the daemon is gone if again
// returns true, which it is asked once until the daemon has answered.
func follow(ctx context.Context, c *control.Client, q control.TailQuery, view *tailView, again func(error) bool) error {
	var lost time.Time // when the connection was lost; zero: it was not, or that is shown
	progress := tailProgress{seen: map[int64]*tailShown{}}
	for asked := false; ; {
		err := c.Tail(ctx, q, func(line control.Tailed) error {
			asked = false
			if !lost.IsZero() {
				if err := view.show(progress.lostNote(lost)); err != nil {
					return err
				}
				lost = time.Time{}
			}
			if !progress.news(&line) {
				return nil
			}
			return view.show(line)
		})
		switch {
		case ctx.Err() != nil, err == nil && q.NoFollow:
			return nil
		case err == nil:
			err = errStopped
		case !isGone(err):
			return err
		}
		if !asked && !again(err) {
			return err
		}
		asked = true
		if progress.through > 0 {
			q.Lines, q.After, q.Again = control.MaxTailLines, progress.through, progress.open() // what has happened meanwhile
			progress.again = true
			if lost.IsZero() {
				lost = time.Now()
			}
		}
		if !wait.For(ctx, tailRetry) {
			return nil
		}
	}
}

// isGone reports whether the daemon can't be reached, or can't answer yet.
func isGone(err error) bool {
	user, ok := errors.AsType[*control.UserError](err)
	return ok && user.Status == http.StatusServiceUnavailable || errors.As(err, new(*control.UnreachableError)) ||
		errors.As(err, new(*control.LostError)) || errors.As(err, new(*control.SilentError))
}

// listed returns words as a list.
func listed(words []string) (text string) {
	for i, word := range words {
		text += choose(i == 0, "", ", ") + word
	}
	return text
}
