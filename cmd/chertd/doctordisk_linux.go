package main

import "golang.org/x/sys/unix"

// fileSystems are the kinds of file systems on which a store needs attention, by their
// magic numbers (statfs(2)).
var fileSystems = map[uint32]diskKind{
	unix.NFS_SUPER_MAGIC:       {"nfs", diskNetwork},
	unix.SMB_SUPER_MAGIC:       {"smb", diskNetwork},
	unix.SMB2_SUPER_MAGIC:      {"smb2", diskNetwork},
	unix.CIFS_SUPER_MAGIC:      {"cifs", diskNetwork},
	unix.AFS_SUPER_MAGIC:       {"afs", diskNetwork},
	unix.AFS_FS_MAGIC:          {"afs", diskNetwork},
	unix.CODA_SUPER_MAGIC:      {"coda", diskNetwork},
	unix.NCP_SUPER_MAGIC:       {"ncp", diskNetwork},
	unix.V9FS_MAGIC:            {"9p", diskNetwork},
	unix.CEPH_SUPER_MAGIC:      {"ceph", diskNetwork},
	unix.TMPFS_MAGIC:           {"tmpfs", diskMemory},
	unix.RAMFS_MAGIC:           {"ramfs", diskMemory},
	unix.OVERLAYFS_SUPER_MAGIC: {"overlay", diskLayer},
}

// fileSystem returns the kind of a file system.
func fileSystem(magic uint32) diskKind { return fileSystems[magic] }
