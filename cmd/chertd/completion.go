package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"chertd/engine"
	"chertd/engine/control"
	"chertd/engine/event"
	"chertd/luabind/diag"
	"chertd/rules/backtest"
)

// values finds what an argument or the value of a flag may be, for shell completion.
type values struct {
	find   func(*completer) []cobra.Completion // nil: nothing that chertd knows
	then   cobra.ShellCompDirective            // what the shell does with that
	many   bool                                // the last argument, which may be repeated
	commas bool                                // several, separated by commas
	choose func(*completer) values             // what it is depends on the words before; nil: it does not
}

// flagWords is the annotation of a flag that has the words that it takes.
const flagWords = "chertd_words"

// Values that chertd does not find.
var (
	freeText  = values{then: cobra.ShellCompDirectiveNoFileComp} // people make it up, or Chert has it
	anyFile   = values{then: cobra.ShellCompDirectiveDefault}
	anyFolder = values{then: cobra.ShellCompDirectiveFilterDirs}
	yamlFile  = fileOf("yaml", "yml")
	jsonFile  = fileOf("json", "jsonl")
)

// fileOf completes the names of files that end in one of the extensions, and folders.
func fileOf(extensions ...string) values {
	return values{find: func(*completer) []cobra.Completion { return extensions }, then: cobra.ShellCompDirectiveFilterFileExt}
}

// words completes words in their order.
func words(all ...string) values {
	return found(func(*completer) []cobra.Completion { return all })
}

// found completes what a function finds, in its order.
func found(find func(*completer) []cobra.Completion) values {
	return values{find: find, then: cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder}
}

// repeated is for the last argument of a command that takes any number of them.
func repeated(v values) values {
	v.many = true
	return v
}

func comma(v values) values {
	v.commas = true
	return v
}

var (
	durations = words("10m", "30m", "1h", "2h", "8h", "1d", "7d")
	patience  = words("10s", "30s", "60s", "5m")
	rulePaths = values{find: (*completer).packPaths, then: cobra.ShellCompDirectiveDefault}
	packs     = found((*completer).packs)
	chats     = found((*completer).chats)
)

// flagValues says of each flag that has a value what that is, whichever command has it.
var flagValues = map[string]values{
	"config": yamlFile, "socket": anyFile, "dir": anyFolder, "file": anyFile, "store": anyFile, "out": anyFile, "state": fileOf("yaml", "yml", "json"),
	"events": jsonFile, "against": rulePaths,
	"format": found((*completer).flagWords), "sort": words(ruleOrderNames()...), "outcome": comma(words(control.TailOutcomes...)),
	"pack": packs, "rule": found((*completer).packsAndRules), "mode": found((*completer).packModes), "chat": chats,
	"where": found(whereOf(engine.WaitingWhere)), "code": found((*completer).deadCodes), "line": found((*completer).lines),
	"member": found((*completer).members), "after": found((*completer).members), "share": words("1%", "5%", "10%", "25%", "50%"),
	"for": durations, "since": durations, "stale": words("7d", "30d", "90d"), "warmup": durations, "tolerance": words("0s", "1s", "5s", "1m"),
	"timeout": patience, "wait": patience, "fail-if": found((*completer).conditions),
	"limit": words("5", "20", "50", "100"), "lines": words("0", "10", "50", "100"), "cover-min": words("80", "90", "100"),
	"by": freeText, "reason": freeText, "batch": freeText, "data": freeText, "run": freeText, "at": freeText, "before": freeText,
	"seed": freeText, "rate": freeText, "speed": freeText, "burst": freeText, "listen": freeText, "tenant": freeText,
	"signing-secret": freeText, "webhook-secret": freeText, "webhook": freeText, "url": freeText, "rotate": freeText, "delete": freeText,
}

// commandValues are the arguments of one command, and the flags that mean something else than
// the flags of this name of other commands.
type commandValues struct {
	args  []values
	flags map[string]values
}

// completions says of each command that takes arguments what they are.
var completions = map[string]commandValues{
	"apply":            {args: []values{rulePaths}},
	"backtest":         {args: []values{rulePaths}},
	"check":            {args: []values{repeated(rulePaths)}},
	"test":             {args: []values{repeated(rulePaths)}},
	"eval":             {args: []values{jsonFile, repeated(rulePaths)}},
	"new":              {args: []values{freeText}},
	"demo":             {flags: map[string]values{"for": words("8s", "20s", "1m")}},
	"packs":            {args: []values{packs}},
	"packs remove":     {args: []values{found((*completer).gonePacks)}},
	"rules":            {args: []values{found((*completer).packsAndRules)}},
	"rollback":         {args: []values{packs, found((*completer).versions)}},
	"mode":             {args: []values{found((*completer).packsAndRules), words(modeNames...)}},
	"shadow":           {args: []values{packs, rulePaths}},
	"retry-errors":     {args: []values{packs}},
	"explain":          {args: []values{found((*completer).chatsAndEvents)}},
	"hold":             {args: []values{chats}, flags: map[string]values{"where": found(whereOf(engine.HoldWhere))}},
	"release":          {args: []values{found((*completer).heldChats)}, flags: map[string]values{"id": found((*completer).selectionHolds), "where": found((*completer).heldSelections)}},
	"read":             {args: []values{chats}},
	"forget":           {args: []values{chats}},
	"signal":           {args: []values{freeText}, flags: map[string]values{"id": freeText}},
	"spec record":      {args: []values{chats}},
	"list":             {args: []values{found((*completer).listNames), found((*completer).listVerbs), repeated(values{choose: listArguments})}},
	"waiting cancel":   {args: []values{repeated(found((*completer).waitingIDs))}},
	"waiting now":      {args: []values{repeated(found((*completer).waitingIDs))}},
	"dead":             {flags: deadValues},
	"dead list":        {flags: deadValues},
	"dead retry":       {args: []values{repeated(found((*completer).deadIDs))}, flags: deadValues},
	"dead drop":        {args: []values{repeated(found((*completer).deadIDs))}, flags: deadValues},
	"quarantine retry": {args: []values{repeated(found((*completer).quarantineIDs))}},
	"quarantine drop":  {args: []values{repeated(found((*completer).quarantineIDs))}},
	"store backup":     {args: []values{anyFile}},
	"store restore":    {args: []values{anyFile}},
	"subscribe":        {flags: map[string]values{"events": comma(words("all", event.MessageReceived, event.ReactionAdded, event.ReactionRemoved))}},
}

var deadValues = map[string]values{"chat": found((*completer).deadChats)}

// completeAll gives each command what completes its arguments and flags. Those of help and
// completion are Cobra's.
func completeAll(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" && cmd.Name() != "completion" {
			completeCommand(cmd, cmd.Name())
		}
	}
}

// completeCommand does that for a command and those below it; path is its path below chertd.
func completeCommand(cmd *cobra.Command, path string) {
	known := completions[path]
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if v, ok := known.argument(len(args)); ok {
			return v.complete(&completer{cmd: cmd, args: args, typed: typed})
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.LocalFlags().VisitAll(func(flag *pflag.Flag) {
		if v, ok := known.flag(flag); ok {
			_ = cmd.RegisterFlagCompletionFunc(flag.Name, func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
				return v.complete(&completer{cmd: cmd, args: args, typed: typed, flag: flag})
			})
		}
	})
	for _, sub := range cmd.Commands() {
		completeCommand(sub, path+" "+sub.Name())
	}
}

// argument returns what the i-th argument is.
func (k commandValues) argument(i int) (v values, ok bool) {
	if last := len(k.args) - 1; i > last && last >= 0 && k.args[last].many {
		i = last
	}
	if i >= len(k.args) {
		return v, false
	}
	return k.args[i], true
}

// flag returns what the value of a flag is.
func (k commandValues) flag(flag *pflag.Flag) (v values, ok bool) {
	if v, ok = k.flags[flag.Name]; !ok {
		v, ok = flagValues[flag.Name]
	}
	return v, ok && flag.Value.Type() != "bool"
}

// completer completes one word of a command line. It prints nothing, whatever fails: its
// reader is a shell, and what the terminal shows is the line that somebody types.
type completer struct {
	cmd   *cobra.Command
	args  []string    // the arguments before it
	typed string      // what is there already
	flag  *pflag.Flag // whose value it is; nil: an argument
	until time.Time   // when the daemon must have answered; zero: it was not asked
}

// completionTime is how long the answers of the daemon for one word take at most, together.
const completionTime = time.Second

// complete returns what the word may be. Only names that a terminal can show, and that do not
// look like a flag, are among it: others must be typed.
func (v values) complete(c *completer) ([]cobra.Completion, cobra.ShellCompDirective) {
	if v.choose != nil {
		many := v.many
		v = v.choose(c)
		v.many = many
	}
	if v.find == nil || v.then == cobra.ShellCompDirectiveFilterFileExt {
		var extensions []cobra.Completion
		if v.find != nil {
			extensions = v.find(c)
		}
		return extensions, v.then
	}
	before := ""
	if i := strings.LastIndexByte(c.typed, ','); v.commas && i >= 0 {
		before, c.typed = c.typed[:i+1], c.typed[i+1:]
	}
	then, seen := v.then, map[string]bool{}
	var all []cobra.Completion
	for _, found := range v.find(c) {
		word, about, described := strings.Cut(found, "\t")
		if !strings.HasPrefix(word, c.typed) || seen[word] || word == "" || word[0] == '-' || diag.Visible(word) != word ||
			v.many && slices.Contains(c.args, word) {
			continue
		}
		seen[word] = true
		if strings.HasSuffix(word, "=") {
			then |= cobra.ShellCompDirectiveNoSpace // its value follows
		}
		if described {
			word += "\t" + diag.Visible(about)
		}
		all = append(all, before+word)
	}
	return all, then
}

// ask calls do with a client of the daemon. Where none answers in time, nothing is found.
func (c *completer) ask(do func(context.Context, *control.Client) error) bool {
	flags := c.cmd.Flags()
	socket, _ := flags.GetString("socket") // "": the command has no such flag
	config, _ := flags.GetString("config")
	f := daemonFlags{socket: socket, config: config}
	socket, err := f.find()
	if err != nil {
		return false
	}
	if c.until.IsZero() {
		c.until = time.Now().Add(completionTime)
	}
	ctx, cancel := context.WithDeadline(context.Background(), c.until)
	defer cancel()
	return do(ctx, control.Dial(socket)) == nil
}

// whereOf completes KEY=VALUE pairs of --where.
func whereOf(keys []engine.WhereKey) func(*completer) []cobra.Completion {
	return func(c *completer) (all []cobra.Completion) {
		key, typed, valued := strings.Cut(c.typed, "=")
		for _, k := range keys {
			switch {
			case !valued:
				all = append(all, k.Name+"=")
			case k.Name == key:
				of := *c
				of.typed = typed
				for _, value := range of.whereValues(k) {
					all = append(all, key+"="+value)
				}
			}
		}
		return all
	}
}

// whereValues returns the values of a key of --where.
func (c *completer) whereValues(k engine.WhereKey) []cobra.Completion {
	if k.Values != nil {
		return k.Values
	}
	switch k.Name {
	case "pack":
		return c.packs()
	case "rule":
		return c.rules()
	case "chat":
		return c.chats()
	case "line":
		return c.lines()
	case "due":
		return []cobra.Completion{"<0s\tdue already", "<1h\tdue within an hour", ">1h\tdue later"}
	}
	return nil
}

// conditions completes the conditions of --fail-if: "reads > ".
func (c *completer) conditions() (all []cobra.Completion) {
	for _, name := range backtest.Measures() {
		all = append(all, name+" > 0")
	}
	return all
}

// flagWords returns the words that the flag itself lists.
func (c *completer) flagWords() []cobra.Completion { return c.flag.Annotations[flagWords] }
