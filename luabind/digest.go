package luabind

import (
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/fnv"
	"io"

	lua "github.com/yuin/gopher-lua"
)

// digest returns a hash of the instructions and constants of a function and of the
// functions in it. Comments, blanks and line numbers do not change it.
func digest(p *lua.FunctionProto) string {
	if p == nil {
		return ""
	}
	h := fnv.New128a()
	hashProto(h, p)
	return hex.EncodeToString(h.Sum(nil))
}

func hashProto(h hash.Hash, p *lua.FunctionProto) {
	var word [4]byte
	put := func(n int) {
		binary.LittleEndian.PutUint32(word[:], uint32(n))
		h.Write(word[:])
	}
	put(int(p.NumParameters))
	put(int(p.IsVarArg))
	put(len(p.Code))
	for _, inst := range p.Code {
		put(int(inst))
	}
	put(len(p.Constants))
	for _, c := range p.Constants {
		put(int(c.Type()))
		text := c.String()
		put(len(text))
		io.WriteString(h, text)
	}
	put(len(p.FunctionPrototypes))
	for _, sub := range p.FunctionPrototypes {
		hashProto(h, sub)
	}
}

// Digest returns a hash of the compiled code. Programs that differ only in comments
// and blanks have the same digest.
func (p *Program) Digest() string { return digest(p.proto) }
