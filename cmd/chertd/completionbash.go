package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// bashChanges are what chertd changes in Cobra's script for bash, each text once.
//
// Cobra inserts what several candidates have in common as it is. Names of chats and rules come from
// other people: of two chats "x$(reboot)1" and "x$(reboot)2", the second TAB would run reboot. And
// without the package bash-completion, each TAB would print an error.
var bashChanges = []struct{ from, to string }{
	{
		`    _get_comp_words_by_ref "$@" cur prev words cword
`,
		`    declare -F _get_comp_words_by_ref >/dev/null 2>&1 || return
    _get_comp_words_by_ref "$@" cur prev words cword
`,
	},
	{
		`        if (( ${#COMPREPLY[@]} == 1 )); then
            COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}")
        fi
`,
		`        if (( ${#COMPREPLY[@]} > 0 )); then
            IFS=$'\n' read -ra COMPREPLY -d '' < <(printf "%q\n" "${COMPREPLY[@]}")
        fi
`,
	},
	{
		`        COMPREPLY+=("$compline")
`,
		`        if [[ $compline == *$tab* ]]; then
            COMPREPLY+=("$comp$tab${compline#*$tab}")
        else
            COMPREPLY+=("$comp")
        fi
`,
	},
	{
		`        comp=${compline%%$tab*}
        if ((${#comp}>longest)); then
`,
		`        if ((${#comp}>longest)); then
`,
	},
	{
		`        COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]%%$tab*}")
`,
		`        COMPREPLY[0]=${COMPREPLY[0]%%$tab*}
`,
	},
}

// bashScript returns the completion script for bash.
func bashScript(root *cobra.Command, descriptions bool) (string, error) {
	var b bytes.Buffer
	if err := root.GenBashCompletionV2(&b, descriptions); err != nil {
		return "", err
	}
	script := b.String()
	for _, c := range bashChanges {
		if n := strings.Count(script, c.from); n != 1 {
			return "", fmt.Errorf("the script for bash has %d times what chertd changes: %q", n, c.from)
		}
		script = strings.Replace(script, c.from, c.to, 1)
	}
	return script, nil
}

// changeBashScript makes `chertd completion bash` print bashScript.
func changeBashScript(root *cobra.Command) {
	cmd, _, err := root.Find([]string{"completion", "bash"})
	if err != nil {
		panic(err) // Cobra's command, which root has
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		plain, err := cmd.Flags().GetBool("no-descriptions")
		if err != nil {
			return err
		}
		script, err := bashScript(cmd.Root(), !plain)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), script)
		return err
	}
}
