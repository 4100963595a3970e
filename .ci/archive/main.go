// Command archive packs a folder into a .tar.gz or .zip that depends on nothing but the names and
// contents of its files: they are sorted, have one time, no owner, and one of two modes.
//
//	go run ./.ci/archive -time 1767614400 OUT.tar.gz FOLDER
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	seconds := flag.Int64("time", 0, "time of all files, in seconds since 1970")
	flag.Parse()
	if flag.NArg() != 2 || *seconds < 315532800 { // zip knows no time before 1980
		fmt.Fprintln(os.Stderr, "usage: archive -time SECONDS OUT.tar.gz|OUT.zip FOLDER")
		os.Exit(2)
	}
	if err := pack(flag.Arg(0), flag.Arg(1), time.Unix(*seconds, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "archive:", err)
		os.Exit(1)
	}
}

// entry is a file or a folder to pack.
type entry struct {
	name string // in the archive; that of a folder ends in a slash
	path string
	mode fs.FileMode
	size int64
}

// pack writes the archive out of a folder, whose last element all names begin with.
func pack(out, folder string, at time.Time) (err error) {
	all, err := entries(folder)
	if err != nil {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	switch {
	case strings.HasSuffix(out, ".tar.gz"):
		return packTar(f, all, at)
	case strings.HasSuffix(out, ".zip"):
		return packZip(f, all, at)
	}
	return fmt.Errorf("%s: expected a name that ends in .tar.gz or .zip", out)
}

// entries lists a folder, sorted by name. It refuses what is neither a file nor a folder.
func entries(folder string) (all []entry, err error) {
	folder = filepath.Clean(folder)
	return all, filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(folder, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{name: path.Join(filepath.Base(folder), filepath.ToSlash(below)), path: name, mode: 0o644, size: info.Size()}
		switch {
		case d.IsDir():
			e.name, e.mode, e.size = e.name+"/", 0o755, 0
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is neither a file nor a folder", name)
		case info.Mode()&0o100 != 0:
			e.mode = 0o755
		}
		all = append(all, e)
		return nil
	})
}

func packTar(w io.Writer, all []entry, at time.Time) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression) // its header has neither name nor time
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	for _, e := range all {
		h := &tar.Header{Name: e.name, Mode: int64(e.mode), Size: e.size, ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if err := e.copyTo(t); err != nil {
			return err
		}
	}
	return errors.Join(t.Close(), z.Close())
}

func packZip(w io.Writer, all []entry, at time.Time) error {
	z := zip.NewWriter(w)
	for _, e := range all {
		h := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: at}
		h.SetMode(e.mode)
		if strings.HasSuffix(e.name, "/") {
			h.Method = zip.Store
			h.SetMode(e.mode | fs.ModeDir)
		}
		f, err := z.CreateHeader(h)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		if err := e.copyTo(f); err != nil {
			return err
		}
	}
	return z.Close()
}

// copyTo writes the content of a file.
func (e *entry) copyTo(w io.Writer) error {
	if strings.HasSuffix(e.name, "/") {
		return nil
	}
	f, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.Copy(w, f)
	if err == nil && n != e.size {
		err = fmt.Errorf("%s: it changed while it was read", e.path)
	}
	return err
}
