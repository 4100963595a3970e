// Package console is the console of the daemon: one HTML page that shows, in a browser,
// what the API of the control endpoints answers. The page has no data of its own.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync"
)

// The program puts the page together from these files, so that there is no step of a build
// in which they could differ from what was reviewed.
//
//go:embed index.html console.css *.js
var sources embed.FS

// scripts are the parts of the script, in the order in which they are put together. They
// share one scope: names are unique over all of them.
var scripts = []string{
	"words.js", "dom.js", "api.js", "dialog.js", "table.js", "charts.js",
	"status.js", "decisions.js", "rules.js", "packs.js", "calls.js", "waiting.js",
	"chat.js", "holds.js", "dead.js", "quarantine.js", "lists.js", "app.js",
}

// document is an HTML document that needs nothing else, and the policy that lets a browser
// run its script and no other one.
type document struct {
	html   []byte
	policy string
}

// console is the page. It is put together at its first use: commands do not need it.
var console = sync.OnceValue(func() document { return assemble(read("index.html"), read("console.css"), script()) })

// plainPage begins a page without a script.
const plainPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>chertd</title>
<style>/*style*/</style>
`

// Answer answers a request for the console with an HTTP status: 200, or 401 to a browser
// that has not sent the token. The page is the same, as it has no data. It asks for the
// token, which only its own requests of the API send.
func Answer(w http.ResponseWriter, status int) { console().answer(w, status) }

// AnswerRefused answers a browser that can't use the console, with the reason and the fix.
func AnswerRefused(w http.ResponseWriter, status int, message, hint string) {
	text := "<main><section class=\"card sign\"><h1>chertd</h1><p>" + html.EscapeString(message) + "</p><p class=\"hint\">hint: " + html.EscapeString(hint) + "</p></section></main>\n"
	assemble(plainPage+text, read("console.css"), "").answer(w, status)
}

// Wanted reports whether a request is one of a browser for the page itself, so that a
// refusal has to be one that people can read.
func Wanted(r *http.Request) bool {
	return r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && strings.Contains(r.Header.Get("Accept"), "text/html")
}

func (p document) answer(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(p.html) // if it fails, the client has gone
}

// assemble puts style and script into a page. It panics if one of them would end its
// element early: the sources are part of the program.
func assemble(text, style, script string) document {
	if strings.Contains(style, "</") || strings.Contains(strings.ToLower(script), "</script") || strings.Contains(script, "<!--") {
		panic("the style or the script of the console would end early")
	}
	text = strings.Replace(text, "/*style*/", style, 1)
	text = strings.Replace(text, "/*script*/", script, 1)
	policy := "default-src 'none'; "
	if script == "" {
		policy += "style-src " + hash(style) + "; "
	} else {
		policy += "script-src " + hash(script) + "; style-src " + hash(style) + "; connect-src 'self'; "
	}
	policy += "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return document{[]byte(text), policy}
}

// script returns all parts of the script, in one scope that no other script shares.
func script() string {
	var b bytes.Buffer
	b.WriteString("(() => {\n\"use strict\";\n")
	for _, name := range scripts {
		fmt.Fprintf(&b, "\n// %s\n%s", name, read(name))
	}
	b.WriteString("\n})();\n")
	return b.String()
}

// hash returns the source expression of a policy for a text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func read(name string) string {
	text, err := sources.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}
