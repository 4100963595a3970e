package system

import "golang.org/x/sys/unix"

// DiskOf returns the file system of a folder.
func DiskOf(dir string) (Disk, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Disk{}, err
	}
	return Disk{Free: int64(st.Bavail) * int64(st.Bsize), Kind: uint32(st.Type)}, nil
}
