package filewatch

import "syscall"

// remote has the file systems, by their number in statfs(2), on which other machines change files without an event on
// this one.
var remote = map[int64]bool{
	0x6969:     true, // NFS
	0x517b:     true, // SMB
	0xff534d42: true, // CIFS
	0xfe534d42: true, // SMB2
	0x01021997: true, // 9P: Windows' drives in WSL, folders shared with a virtual machine
	0x65735546: true, // FUSE: sshfs and its like
	0x5346414f: true, // AFS
	0x00c36400: true, // Ceph
	0x786f4256: true, // VirtualBox's shared folders
}

func isRemote(folder string) bool {
	var s syscall.Statfs_t
	return syscall.Statfs(folder, &s) == nil && remote[int64(s.Type)&0xffffffff]
}
