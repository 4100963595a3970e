package main

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	diagramStyle   = regexp.MustCompile(`(?s)  <style>.*?</defs>\n`)
	diagramCommand = regexp.MustCompile(`<text class="code"[^>]*>(chertd [^<]*)</text>`)
)

// TestDiagramsStandAlone checks that each diagram of the documents is valid XML, has a title and
// a description, needs nothing from elsewhere and runs no script, looks like the others, and
// shows only commands that exist. How they look is measured in engine/control/console.
func TestDiagramsStandAlone(t *testing.T) {
	t.Parallel()
	files := globs(t, "../../docs/diagrams/*.svg")
	if len(files) < 5 {
		t.Fatalf("there are %d diagrams", len(files))
	}
	style, commands := "", 0
	for _, file := range files {
		text := readText(t, file)
		if mine := diagramStyle.FindString(text); mine == "" || style != "" && mine != style {
			t.Errorf("%s: its style is not that of the other diagrams", file)
		} else {
			style = mine
		}
		seen := map[string]string{} // the text of the elements of each kind
		var path []string
		d := xml.NewDecoder(strings.NewReader(text))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			switch token := token.(type) {
			case xml.StartElement:
				path = append(path, token.Name.Local)
				if !slices.Contains([]string{"svg", "title", "desc", "style", "defs", "marker", "g", "rect", "path", "text", "tspan"}, token.Name.Local) {
					t.Errorf("%s has an element <%s>", file, token.Name.Local)
				}
				for _, a := range token.Attr {
					if a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") || a.Name.Local != "xmlns" && strings.Contains(a.Value, ":/") {
						t.Errorf("%s has an attribute %s=%q", file, a.Name.Local, a.Value)
					}
				}
			case xml.EndElement:
				path = path[:len(path)-1]
			case xml.CharData:
				if len(path) == 0 {
					continue
				}
				seen[path[len(path)-1]] += string(token) + "\n"
			}
		}
		for _, m := range diagramCommand.FindAllStringSubmatch(text, -1) {
			commands++
			checkDiagramCommand(t, file, m[1])
		}
		if strings.TrimSpace(seen["title"]) == "" || len(strings.TrimSpace(seen["desc"])) < 100 {
			t.Errorf("%s has no title, or no description of what it shows", file)
		}
		if strings.Contains(seen["style"], "url(") || strings.Contains(seen["style"], "@import") || !strings.Contains(seen["style"], "prefers-color-scheme: dark") {
			t.Errorf("%s: its style refers to something else, or knows no dark colors", file)
		}
	}
	if commands < 5 {
		t.Errorf("%d commands are checked: the test proves nothing", commands)
	}
}

func checkDiagramCommand(t *testing.T, file, command string) {
	t.Helper()
	root := newRootCommand()
	cmd, rest, err := root.Find(strings.Fields(command)[1:])
	if err != nil || cmd == root {
		t.Errorf("%s: there is no command %q", file, command)
		return
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%s: %s: %v", file, command, err)
	}
}
