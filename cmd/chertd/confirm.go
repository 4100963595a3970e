package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"chertd/luabind/diag"
)

// confirm returns nil once a person has confirmed what a command is about to do: by --yes, or at the
// terminal. The question goes to standard error, as what the command prints may be read by a
// program.
func confirm(cmd *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	unasked := hinted(usageError("this needs a confirmation, and standard input is not a terminal; nothing was done: %s", question), "--yes confirms it")
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !(&screen{w: in}).terminal() {
		return unasked
	}
	if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "%s [y/N] ", diag.Visible(question)); err != nil {
		return err
	}
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err == io.EOF && answer == "" {
		return unasked // such as /dev/null
	}
	if word := strings.ToLower(strings.TrimSpace(answer)); err != nil || word != "y" && word != "yes" {
		return fmt.Errorf("not confirmed; nothing was done")
	}
	return nil
}
