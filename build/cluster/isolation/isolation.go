// Package isolation runs a program, and all it starts, in namespaces of its own: processes, mounts, network, IPC and
// host name. The program sees the machine's files, but what a node writes outside its own directory goes to memory, and
// what it does to the network, to the mounts and to the kernel's settings is seen by nobody else. All of it is over when
// the program is, or when its parent is killed; what namespaces do not take along is removed by a janitor. It needs
// Linux and root.
package isolation

import "os"

// Names by which the executable has to call Init and Janitor.
const (
	InitName    = "cluster-init"
	JanitorName = "cluster-janitor"
)

// NodeAddress is the address that the loopback interface in the namespaces has besides 127.0.0.1: a kubelet takes no
// loopback address.
const NodeAddress = "10.250.1.1"

// Config says what to run. All fields but Remove are needed.
type Config struct {
	// Argv is how this executable is to be called, argv[0] included.
	Argv []string
	// Files are sockets that are handed to the program as descriptors 3 and up.
	Files []*os.File
	// Keep are directories that the program has to see even where a node writes.
	Keep []string
	// Remove, unless "", is a directory that is removed when all is over, however it ends.
	Remove string
}
