package luabind

// Program is a compiled file. It is immutable and shared between VMs.
type Program struct {
	File string
}
