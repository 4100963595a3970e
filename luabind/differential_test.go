package luabind

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

var (
	lua51         = flag.Bool("lua5.1", false, "compare new programs with lua5.1, which must be installed")
	programs      = flag.Int("programs", 2000, "how many programs -lua5.1 compares")
	seed          = flag.Uint64("seed", 0, "of the first program that -lua5.1 compares; 0: a random one")
	recordAnswers = flag.Bool("record", false, "record the answers of lua5.1 to the programs of the corpus again")
)

// corpusFile holds what lua5.1 wrote for the programs of the seeds from 1, and
// the hash of each program: run with -record after a change of the generator.
const corpusFile = "testdata/differential/answers.json.gz"

type recorded struct {
	Hash   string `json:"hash"`
	Answer string `json:"answer"`
}

const corpusSize = 400

// TestDifferential runs programs made at random and compares what they do with
// what lua5.1 has done: recorded answers always, and with -lua5.1 those of new
// programs. One that differs is made smaller and printed.
func TestDifferential(t *testing.T) {
	t.Parallel()
	if *recordAnswers {
		recordCorpus(t)
	}
	for i, want := range corpus(t) {
		source := generate(uint64(i + 1))
		if hashOf(source) != want.Hash {
			t.Fatalf("the generator makes another program of seed %d than was recorded: run go test ./luabind -run Differential -record", i+1)
		}
		if got := ours(source); got != want.Answer {
			t.Fatalf("seed %d:\n%s\n%s", i+1, source, firstDifference(got, want.Answer))
		}
	}
	if !*lua51 {
		return
	}
	if *seed == 0 {
		*seed = 1_000_000 + rand.Uint64N(1<<40)
	}
	t.Logf("-seed %d -programs %d", *seed, *programs)
	differ := 0
	for at := 0; at < *programs; at += 500 {
		var sources []string
		for i := at; i < min(at+500, *programs); i++ {
			sources = append(sources, generate(*seed+uint64(i)))
		}
		for i, want := range real51(t, sources) {
			if strings.HasPrefix(want, "syntax") {
				t.Errorf("seed %d is not Lua: %s\n%s", *seed+uint64(at+i), want, sources[i])
			}
			if ours(sources[i]) == want {
				continue
			}
			if differ++; differ <= 20 {
				small := shrink(t, sources[i])
				t.Errorf("seed %d:\n%s\n%s", *seed+uint64(at+i), small, firstDifference(ours(small), real51(t, []string{small})[0]))
			}
		}
	}
	t.Logf("%d of %d programs differ", differ, *programs)
}

// The programs are worth something if plain gopher-lua fails them: of every
// hundred it gets many wrong.
func TestDifferentialFindsFaultsOfGopherLua(t *testing.T) {
	t.Parallel()
	differ := 0
	for i, want := range corpus(t)[:100] {
		if plainGopherLua(generate(uint64(i+1))) != want.Answer {
			differ++
		}
	}
	if differ < 60 {
		t.Errorf("plain gopher-lua gets only %d of 100 programs wrong", differ)
	}
}

func hashOf(source string) string {
	sum := sha256.Sum256([]byte(source))
	return hex.EncodeToString(sum[:6])
}

func corpus(t *testing.T) []recorded {
	t.Helper()
	f, err := os.Open(corpusFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var list []recorded
	if err := json.NewDecoder(z).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if len(list) < corpusSize {
		t.Fatalf("%d programs are recorded, want %d", len(list), corpusSize)
	}
	return list
}

func recordCorpus(t *testing.T) {
	t.Helper()
	var sources []string
	for i := range corpusSize {
		sources = append(sources, generate(uint64(i+1)))
	}
	var list []recorded
	for i, answer := range real51(t, sources) {
		list = append(list, recorded{hashOf(sources[i]), answer})
	}
	f, err := os.Create(corpusFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, _ := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err := json.NewEncoder(z).Encode(list); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		x, y := "nothing", "nothing"
		if i < len(g) {
			x = g[i]
		}
		if i < len(w) {
			y = w[i]
		}
		if x != y {
			return fmt.Sprintf("got:    %s\nlua5.1: %s", x, y)
		}
	}
	return "no difference"
}

// shrink leaves lines out for as long as the rest still differs.
func shrink(t *testing.T, source string) string {
	var lines []string
	for _, l := range strings.Split(source, "\n") {
		if strings.Contains(l, "if tired()") { // ends recursion: it stays with its function
			lines[len(lines)-1] += "\n" + l
		} else {
			lines = append(lines, l)
		}
	}
	for size := len(lines) / 2; size >= 1; {
		removed := false
		for at := 0; at+size <= len(lines); {
			try := append(append([]string{}, lines[:at]...), lines[at+size:]...)
			got := ours(strings.Join(try, "\n"))
			if strings.HasPrefix(got, "syntax") || strings.Contains(got, "broken") {
				at++
				continue
			}
			want := real51(t, []string{strings.Join(try, "\n")})[0]
			if want == got || strings.HasPrefix(want, "syntax") {
				at++
				continue
			}
			lines, removed = try, true
		}
		if size == 1 && !removed {
			break
		}
		size = max(size*2/3, 1)
	}
	return strings.Join(lines, "\n")
}

// plainGopherLua runs a program as gopher-lua does without our help.
func plainGopherLua(source string) (answer string) {
	L := lua.NewState()
	defer L.Close()
	var out []string
	defer func() {
		if r := recover(); r != nil {
			answer = fmt.Sprint("panic: ", r)
		}
	}()
	observe(func(name string, fn lua.LGFunction) { L.SetGlobal(name, L.NewFunction(fn)) }, &out)
	steps := &stepLimit{left: 200_000}
	L.SetContext(steps)
	fn, err := L.Load(strings.NewReader(source), "p.lua")
	if err != nil {
		return "syntax: " + err.Error()
	}
	L.Push(fn)
	if err := L.PCall(0, 0, nil); err != nil {
		return strings.Join(append(out, "failed "+problem(errorValue(err))), "\n")
	}
	return strings.Join(append(out, "end"), "\n")
}

// stepLimit is a context that is done after so many instructions.
type stepLimit struct {
	context.Context
	left int
}

func (s *stepLimit) Done() <-chan struct{} {
	if s.left--; s.left < 0 {
		return tripped
	}
	return nil
}

func (s *stepLimit) Err() error { return context.DeadlineExceeded }

// ours runs a program in the sandbox and gives what it wrote, in the words of
// testdata/differential/driver.lua.
func ours(source string) string {
	p, err := Compile("p.lua", []byte(source))
	if err != nil {
		return "syntax: " + err.Error()
	}
	vm := newVM(Config{Files: []*Program{p}, Limits: Limits{Steps: 10_000_000, Memory: 1 << 30, Wall: time.Minute}})
	vm.meter.reset(vm.limits)
	var out []string
	observe(func(name string, fn lua.LGFunction) { vm.setGlobal(name, goFunction(fn)) }, &out)
	if err := vm.runFile(p); err != nil {
		if vm.broken != "" {
			out = append(out, "broken: "+vm.broken)
		}
		out = append(out, "failed "+problem(errorValue(err)))
	} else {
		out = append(out, "end")
	}
	return strings.Join(out, "\n")
}

// observe defines the functions that programs have beside Lua's own.
func observe(set func(string, lua.LGFunction), out *[]string) {
	calls := 0
	set("emit", func(L *lua.LState) int {
		var parts []string
		for i := 1; i <= L.GetTop(); i++ {
			parts = append(parts, shown(L.Get(i)))
		}
		*out = append(*out, strings.Join(parts, " "))
		return 0
	})
	set("problem", func(L *lua.LState) int {
		L.Push(lua.LString(problem(L.Get(1))))
		return 1
	})
	set("tired", func(L *lua.LState) int {
		calls++
		if lua.LVAsBool(L.Get(1)) {
			calls = 0
		}
		L.Push(lua.LBool(calls > 12))
		return 1
	})
}

func shown(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LNumber:
		if v == 0 {
			return "0"
		}
		return formatG(float64(v), 14)
	case lua.LString:
		var b strings.Builder
		for i := range len(v) {
			if c := v[i]; c < 32 || c > 126 {
				fmt.Fprintf(&b, "\\%d", c)
			} else {
				b.WriteByte(c)
			}
		}
		return "'" + b.String() + "'"
	case *lua.LTable, *lua.LFunction:
		return v.Type().String()
	}
	return v.String()
}

var placeOf = regexp.MustCompile(`^(p\.lua:\d+:)(.*)$`)

func problem(v lua.LValue) string {
	s, ok := v.(lua.LString)
	if !ok {
		return shown(v)
	}
	place, rest := "", string(s)
	if m := placeOf.FindStringSubmatch(rest); m != nil {
		place, rest = m[1], m[2]
	}
	if _, number := parseNumber(rest); number || strings.Contains(rest, "!") {
		return shown(v)
	}
	if place == "" {
		return "somewhere"
	}
	return place
}

// real51 runs programs under lua5.1.
func real51(t testing.TB, programs []string) []string {
	cmd := exec.Command("lua5.1", "testdata/differential/driver.lua")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for _, p := range programs {
			fmt.Fprintf(in, "%d\n%s", len(p), p)
		}
		in.Close()
	}()
	answers := make([]string, len(programs))
	r := bufio.NewReader(out)
	for i := range answers {
		var n int
		if _, err := fmt.Fscanf(r, "%d\n", &n); err != nil {
			t.Fatalf("program %d: %v\n%s", i, err, programs[i])
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			t.Fatal(err)
		}
		answers[i] = string(b)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return answers
}
