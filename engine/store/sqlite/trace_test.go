//go:build !386 && !arm

package sqlite

import (
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Trace has what was done to the files of a store, in order: by SQLite, whose calls of the
// system pass through a VFS of the test, and by the syncer. From it the files are made again
// as a loss of power may leave them.
type Trace struct {
	path string
	// Deaf has SQLite's own syncs do nothing.
	Deaf bool

	mu   sync.Mutex
	base map[string][]byte // by the file's suffix: what is on disk before
	ops  []op
}

// op is one thing that was done.
type op struct {
	kind    opKind
	suffix  string // of the file: "", "-wal"
	at      int64  // of a write; of a truncation the size
	data    []byte
	through int // of a sync: it covers the ops before this one, which had ended when it began
	mark    string
}

type opKind int

const (
	opWrite opKind = iota
	opTruncate
	opSync
	opDelete
	opSyncFolder
	opMark
)

// NewTrace traces the store at path, whose files have a content that is on disk.
func NewTrace(path string, base map[string][]byte) *Trace {
	t := &Trace{path: path, base: base}
	tracing.start(t)
	return t
}

// Stop ends the tracing. The store must be closed.
func (t *Trace) Stop() { tracing.stop(t) }

// Mark adds a mark to the trace, such as that a call has returned.
func (t *Trace) Mark(text string) { t.add(op{kind: opMark, mark: text}) }

// Sync is an Options.sync.
func (t *Trace) Sync(f *os.File) error {
	t.add(op{kind: opSync, suffix: strings.TrimPrefix(f.Name(), t.path), through: t.Len()})
	return nil
}

// SyncFolder notes that the names of the files are on disk.
func (t *Trace) SyncFolder() { t.add(op{kind: opSyncFolder}) }

// Len is how many ops there are so far: the number of moments at which the power may go.
func (t *Trace) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ops)
}

func (t *Trace) add(o op) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ops = append(t.ops, o)
}

// Marks returns the marks before a moment.
func (t *Trace) Marks(moment int) (marks []string) {
	for _, o := range t.ops[:moment] {
		if o.kind == opMark {
			marks = append(marks, o.mark)
		}
	}
	return marks
}

// sector is what a disk writes whole or not at all.
const sector = 512

// Crash returns the files, by their suffixes, as they may be if the power goes at a moment:
// with everything that was synced and, of what was not, whatever random chooses: whole
// writes or single sectors, in any order.
func (t *Trace) Crash(moment int, random *rand.Rand) map[string][]byte {
	keeps := [...]float64{0, 0.1, 0.5, 0.9, 1}[random.IntN(5)] // the share of what was not synced that stays
	stays := func() bool { return random.Float64() < keeps }
	torn := random.IntN(2) == 0
	files := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		list := t.inodes(suffix, moment)
		f := list[random.IntN(len(list))]
		if !f.there {
			continue
		}
		for i, o := range f.ops {
			durable := i < f.synced
			switch {
			case o.kind == opTruncate && (durable || stays()):
				f.truncate(o.at)
			case o.kind == opWrite && !durable && torn:
				for n := 0; n < len(o.data); {
					end := min(len(o.data), n+sector-int((o.at+int64(n))%sector))
					if stays() {
						f.write(o.at+int64(n), o.data[n:end])
					}
					n = end
				}
			case o.kind == opWrite && (durable || stays()):
				f.write(o.at, o.data)
			}
		}
		files[suffix] = f.content
	}
	return files
}

// inodes returns the files to which a name may lead after a loss of power at a moment: all
// that had it since the folder was synced.
func (t *Trace) inodes(suffix string, moment int) []*inode {
	content, there := t.base[suffix]
	last := &inode{content: append([]byte(nil), content...), there: there}
	list := []*inode{last}
	var places []int // of the ops of the last one
	for i, o := range t.ops[:moment] {
		switch {
		case o.kind == opSyncFolder:
			list = list[len(list)-1:]
		case o.suffix != suffix:
		case o.kind == opDelete:
			last, places = &inode{}, nil
			list = append(list, last)
		case o.kind == opSync:
			for last.synced < len(places) && places[last.synced] < o.through {
				last.synced++
			}
		case o.kind == opWrite || o.kind == opTruncate:
			last.ops, places, last.there = append(last.ops, o), append(places, i), true
		}
	}
	return list
}

// inode is a file without its name.
type inode struct {
	content []byte
	there   bool // it is a file, and not that there is none
	ops     []op
	synced  int // ops that are on disk
}

func (f *inode) write(at int64, data []byte) {
	if grow := at + int64(len(data)) - int64(len(f.content)); grow > 0 {
		f.content = append(f.content, make([]byte, grow)...) // a hole reads as zeros
	}
	copy(f.content[at:], data)
}

func (f *inode) truncate(size int64) {
	if grow := size - int64(len(f.content)); grow > 0 {
		f.content = append(f.content, make([]byte, grow)...)
	}
	f.content = f.content[:size]
}

// tracing is the VFS: that of the system, but that the files of traced stores report what is
// done to them.
var tracing tracer

type tracer struct {
	mu     sync.Mutex
	once   sync.Once
	traces []*Trace
	files  map[uintptr]tracedFile // open ones, by SQLite's pointer
	system uintptr                // the VFS of the system
	// methods are those of traced files, by the system's.
	methods map[uintptr]uintptr
}

type tracedFile struct {
	trace  *Trace
	suffix string
	real   uintptr // its methods
}

// pointer returns an address of SQLite's as a pointer.
func pointer[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// cloneC returns the address of a copy of what is at an address, in SQLite's memory: it keeps
// the address.
func cloneC[T any](tls *libc.TLS, address uintptr) uintptr {
	var size T
	to := libc.Xmalloc(tls, libc.Tsize_t(unsafe.Sizeof(size)))
	*pointer[T](to) = *pointer[T](address)
	return to
}

// function returns what C calls a function pointer, and call the function of one.
func function[F any](f F) uintptr   { return *(*uintptr)(unsafe.Pointer(&f)) }
func call[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&struct{ f uintptr }{address})) }

type (
	openFunc   = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	deleteFunc = func(tls *libc.TLS, vfs, name uintptr, syncDir int32) int32
	closeFunc  = func(tls *libc.TLS, file uintptr) int32
	writeFunc  = func(tls *libc.TLS, file, data uintptr, n int32, at int64) int32
	sizeFunc   = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc   = func(tls *libc.TLS, file uintptr, flags int32) int32
)

func (v *tracer) start(t *Trace) {
	v.once.Do(func() {
		tls := libc.NewTLS()
		defer tls.Close()
		sqlite3.Xsqlite3_initialize(tls)
		v.files, v.methods = map[uintptr]tracedFile{}, map[uintptr]uintptr{}
		v.system = sqlite3.Xsqlite3_vfs_find(tls, 0)
		own := cloneC[sqlite3.Tsqlite3_vfs](tls, v.system)
		name, err := libc.CString("traced")
		if err != nil {
			panic(err)
		}
		p := pointer[sqlite3.Tsqlite3_vfs](own)
		p.FzName, p.FpNext = name, 0
		p.FxOpen, p.FxDelete = function[openFunc](tracedOpen), function[deleteFunc](tracedDelete)
		if rc := sqlite3.Xsqlite3_vfs_register(tls, own, 1); rc != sqlite3.SQLITE_OK {
			panic(rc)
		}
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	v.traces = append(v.traces, t)
}

func (v *tracer) stop(t *Trace) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.traces {
		if v.traces[i] == t {
			v.traces = append(v.traces[:i], v.traces[i+1:]...)
			return
		}
	}
}

// of returns the trace of a file; nil: none.
func (v *tracer) of(name uintptr) (t *Trace, suffix string) {
	if name == 0 {
		return nil, ""
	}
	path := libc.GoString(name)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, t := range v.traces {
		if path == t.path || path == t.path+"-wal" {
			return t, strings.TrimPrefix(path, t.path)
		}
	}
	return nil, ""
}

func (v *tracer) file(file uintptr) (tracedFile, *sqlite3.Tsqlite3_io_methods) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := v.files[file]
	return f, pointer[sqlite3.Tsqlite3_io_methods](f.real)
}

func tracedOpen(tls *libc.TLS, _, name, file uintptr, flags int32, out uintptr) int32 {
	v := &tracing
	rc := call[openFunc](pointer[sqlite3.Tsqlite3_vfs](v.system).FxOpen)(tls, v.system, name, file, flags, out)
	t, suffix := v.of(name)
	if rc != sqlite3.SQLITE_OK || t == nil {
		return rc
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	methods := &pointer[sqlite3.Tsqlite3_file](file).FpMethods
	own := v.methods[*methods]
	if own == 0 {
		own = cloneC[sqlite3.Tsqlite3_io_methods](tls, *methods)
		p := pointer[sqlite3.Tsqlite3_io_methods](own)
		p.FxClose, p.FxWrite = function[closeFunc](tracedClose), function[writeFunc](tracedWrite)
		p.FxTruncate, p.FxSync = function[sizeFunc](tracedTruncate), function[syncFunc](tracedSync)
		v.methods[*methods] = own
	}
	v.files[file] = tracedFile{t, suffix, *methods}
	*methods = own
	return rc
}

func tracedClose(tls *libc.TLS, file uintptr) int32 {
	_, real := tracing.file(file)
	tracing.mu.Lock()
	delete(tracing.files, file)
	tracing.mu.Unlock()
	return call[closeFunc](real.FxClose)(tls, file)
}

func tracedWrite(tls *libc.TLS, file, data uintptr, n int32, at int64) int32 {
	f, real := tracing.file(file)
	rc := call[writeFunc](real.FxWrite)(tls, file, data, n, at)
	if rc == sqlite3.SQLITE_OK {
		bytes := unsafe.Slice(pointer[byte](data), int(n))
		f.trace.add(op{kind: opWrite, suffix: f.suffix, at: at, data: append([]byte(nil), bytes...)})
	}
	return rc
}

func tracedTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	f, real := tracing.file(file)
	rc := call[sizeFunc](real.FxTruncate)(tls, file, size)
	if rc == sqlite3.SQLITE_OK {
		f.trace.add(op{kind: opTruncate, suffix: f.suffix, at: size})
	}
	return rc
}

// tracedSync syncs nothing: the trace is the disk.
func tracedSync(_ *libc.TLS, file uintptr, _ int32) int32 {
	f, _ := tracing.file(file)
	if !f.trace.Deaf {
		f.trace.add(op{kind: opSync, suffix: f.suffix, through: f.trace.Len()})
	}
	return sqlite3.SQLITE_OK
}

func tracedDelete(tls *libc.TLS, _, name uintptr, syncDir int32) int32 {
	v := &tracing
	rc := call[deleteFunc](pointer[sqlite3.Tsqlite3_vfs](v.system).FxDelete)(tls, v.system, name, syncDir)
	if t, suffix := v.of(name); rc == sqlite3.SQLITE_OK && t != nil {
		t.add(op{kind: opDelete, suffix: suffix})
	}
	return rc
}
