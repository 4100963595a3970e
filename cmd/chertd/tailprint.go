package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"chertd/engine/control"
	"chertd/luabind/diag"
	"chertd/rules/chat"
)

// tailView prints the lines of a tail.
type tailView struct {
	out    io.Writer
	screen *screen // of out, if it is one
	colour bool
	json   bool
	all    bool   // reads that were replaced, too
	day    string // of the last line
	// width returns the columns that a line may take; 0: any. Nil: any.
	width func() int
	heads heads // of chats, where lines must fit
}

// newTailView returns a view of a tail. Unless all is set it does not show to people the
// end of a read that another one of its rule has replaced: the line before shows that one.
func newTailView(out io.Writer, json, all bool) *tailView {
	v := &tailView{out: out, json: json, all: all}
	v.screen, _ = out.(*screen)
	if v.screen != nil {
		v.width = v.screen.columns
	}
	v.colour = !json && v.screen != nil && v.screen.colours()
	return v
}

// show prints a line.
func (v *tailView) show(line control.Tailed) error {
	if v.json {
		return printJSONLine(v.out, &line)
	}
	if line.Kind == control.TailAction && !v.all && len(line.Actions) == 1 && line.Actions[0].Why == chat.WhyReplaced {
		return nil
	}
	at := line.At.Local()
	if day := at.Format("2006-01-02"); !at.IsZero() && day != v.day {
		v.day = day
		if _, err := fmt.Fprintln(v.out, day); err != nil {
			return err
		}
	}
	width := 0
	if v.width != nil {
		width = v.width()
	}
	if line.Kind == control.TailNote || line.Kind == control.TailGap {
		width = 0 // the whole of it matters
	}
	if width > 0 {
		line.Chat = padShown(choose(line.Chat == "", "-", v.heads.of(line.Chat)), headLetters+1)
	}
	for i, text := range tailWords(&line) {
		if i == 0 {
			text = at.Format("15:04:05") + "  " + text
		} else {
			text = "          " + text
		}
		if err := v.print(tailColour(&line), fit(text, width)); err != nil {
			return err
		}
	}
	return nil
}

func (v *tailView) print(colour, text string) error {
	if v.colour && colour != "" {
		v.screen.paint(colour, text)
		return nil
	}
	_, err := fmt.Fprintln(v.out, text)
	return err
}

// tailWords returns a line, and those that belong below it, without their beginning. Nothing is
// escaped yet.
func tailWords(line *control.Tailed) []string {
	switch line.Kind {
	case control.TailGap:
		return []string{many(line.Dropped, "line") + " not shown: they came faster than they could be shown"}
	case control.TailNote:
		return []string{line.Summary}
	}
	summary := line.Summary
	if line.Rerun {
		summary = "run again: " + summary
	}
	words := []string{pad(tailOutcome(line), 8) + "  " + padShown(choose(line.Chat == "", "-", line.Chat), 8) + "  " + summary}
	if line.From+line.Text != "" {
		words = append(words, strings.TrimSuffix(choose(line.From == "", "unknown sender", line.From)+": "+line.Text, " "))
	}
	return words
}

// tailOutcome returns the outcome of a line, as people see it.
func tailOutcome(line *control.Tailed) string {
	if line.Failed && (line.Outcome == control.OutcomeNotRead || line.Outcome == control.OutcomeNone) {
		return control.OutcomeFailed
	}
	return line.Outcome
}

// needsSomebody reports whether somebody must look at what a line is about.
func needsSomebody(line *control.Tailed) bool {
	return line.Failed || line.Outcome == control.OutcomeFailed || line.Outcome == "dead" || line.Outcome == "blocked"
}

// tailColour returns the colour of a line, as SGR parameters.
func tailColour(line *control.Tailed) string {
	switch {
	case line.Kind == control.TailGap, line.Kind == control.TailNote:
		return "35"
	case needsSomebody(line):
		return "31"
	case line.Outcome == control.OutcomeRead, line.Outcome == "done":
		return "32"
	case line.Outcome == "waiting":
		return "33"
	case line.Outcome == "shadow":
		return "36"
	}
	return "90"
}

// printJSONLine prints a value for programs, as one line.
func printJSONLine(w io.Writer, v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(diag.VisibleJSON([]byte(b.String())))
	return err
}
