//go:build 386 || arm || mips || mipsle

package diag

// The sandbox and the store count in 64 bits, so a 32-bit build fails here, in one line: build for amd64 or
// arm64.
var _ = chertd_needs_a_64_bit_system
