package lint

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"

	"chertd/luabind"
	"chertd/rules"
)

// Names and constants get the places of their tokens in any file: findings have their
// columns from there.
func TestNodesAreAtTheirTokens(t *testing.T) {
	t.Parallel()
	names := 0
	for _, pattern := range []string{"testdata/*/*.lua", "testdata/honest/*/*.lua", "../../examples/*.lua", "../../examples/*/*.lua", "../../luabind/testdata/*/*.lua"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			prog, err := luabind.Compile(path, src)
			if err != nil {
				continue // a file that is to fail
			}
			f, err := resolve(&pack{}, prog, "")
			if err != nil {
				t.Fatal(err)
			}
			names += comparePlaces(t, f)
		}
	}
	if names < 1000 {
		t.Errorf("only %d names were looked at", names)
	}
}

func comparePlaces(t *testing.T, f *file) int {
	t.Helper()
	byPlace := map[place]ast.Token{}
	for _, tok := range f.tokens {
		byPlace[pos(tok)] = tok
	}
	n := 0
	for node, at := range f.at {
		n++
		tok := byPlace[at]
		ok := true
		switch node := node.(type) {
		case *ast.IdentExpr:
			ok = tok.Type == parse.TIdent && tok.Str == node.Value
		case *ast.StringExpr:
			ok = (tok.Type == parse.TString || tok.Type == parse.TIdent) && tok.Str == node.Value
		case *ast.NumberExpr:
			ok = tok.Type == parse.TNumber && tok.Str == node.Value
		case *ast.TableExpr:
			ok = tok.Type == '{'
		case *ast.ReturnStmt:
			ok = tok.Type == parse.TReturn
		case *ast.LocalAssignStmt:
			ok = tok.Type == parse.TLocal
		case *ast.IfStmt:
			ok = tok.Type == parse.TIf || tok.Type == parse.TElseIf
		case *ast.WhileStmt:
			ok = tok.Type == parse.TWhile
		case *ast.GenericForStmt, *ast.NumberForStmt:
			ok = tok.Type == parse.TFor
		}
		if !ok {
			t.Errorf("%s:%d:%d: a %T is said to stand at %q", f.path, at.line, at.col, node, tok.Str)
		}
	}
	for _, l := range f.locals {
		if tok := byPlace[l.at]; tok.Str != l.name && l.name != "self" && l.name != "arg" {
			t.Errorf("%s:%d:%d: local %s is said to stand at %q", f.path, l.at.line, l.at.col, l.name, tok.Str)
		}
	}
	return n
}

// Large files are checked in a time that people wait for: no check compares all things
// with each other. The bound is far above what any machine needs.
func TestLargeFilesAreCheckedInTime(t *testing.T) {
	t.Parallel()
	for name, src := range map[string]string{
		"unknown names":  strings.Repeat("local function f() return abcdefg end\n", 150) + strings.Repeat("do local x = unknwn; local y = x end\n", 5000),
		"handlers":       "local function help(ev)\n  chert.mark_read(ev.chat.id)\nend\n" + strings.Repeat("chert.on('*', function(ev) if ev.chat == 1 then help(ev) end end)\n", 3500),
		"doubling texts": "local a0 = 'xxxxxxxxxxxxxxxx'\n" + doubling(100) + "chert.on('message.received', function(ev) chert.hold(ev.chat.id, a100) end)",
		"chert as value": strings.Repeat("do local x = { chert, chert } end\n", 6000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			found := checkFile(t, src)
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("took %v, with %d findings", took, len(found))
			} else {
				t.Logf("%v, %d findings", took, len(found))
			}
		})
	}
}

func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("local a" + strconv.Itoa(i+1) + " = a" + strconv.Itoa(i) + " .. a" + strconv.Itoa(i) + "\n")
	}
	return b.String()
}

// Every file that compiles can be checked.
func FuzzCheck(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.lua", "../../luabind/testdata/lang/*.lua", "../../examples/*/*.lua"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			if src, err := os.ReadFile(file); err == nil && len(src) < 4000 {
				f.Add(string(src))
			}
		}
	}
	few := rules.Options{Limits: luabind.Limits{Steps: 1000, Memory: 1 << 20}} // loading is fuzzed elsewhere
	f.Fuzz(func(t *testing.T, src string) {
		dir := t.TempDir()
		file := filepath.Join(dir, "r.lua")
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(src, "\n") + strings.Count(src, "\r") + 2
		for _, d := range Check([]string{file}, few).Findings {
			if d.Code == "" || d.Message == "" || d.Line < 0 || d.Line > lines || d.Col < 0 {
				t.Errorf("%#v", d)
			}
		}
	})
}
