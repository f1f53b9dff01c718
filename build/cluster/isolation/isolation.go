// Package isolation runs a program and its children in their own process, mount, network, IPC and UTS namespaces. The
// program sees the machine's files, but what a node writes outside its own directory goes to memory, and its changes to
// the network, the mounts and the kernel's settings are not visible outside. Everything ends with the program, or when
// its parent is killed; a janitor process removes what the namespaces do not. The package needs Linux and root.
package isolation

import "os"

// Values of argv[0] for which the executable must call Init and Janitor.
const (
	InitName    = "cluster-init"
	JanitorName = "cluster-janitor"
)

// NodeAddress is the address of the loopback interface in the namespaces, in addition to 127.0.0.1: a kubelet accepts
// no loopback address.
const NodeAddress = "10.250.1.1"

// Config describes what to run. All fields except Remove are required.
type Config struct {
	// Argv is the command line of this executable, including argv[0].
	Argv []string
	// Files are sockets that the program inherits as descriptors 3 and up.
	Files []*os.File
	// Keep lists directories that stay visible to the program even below those that are hidden.
	Keep []string
	// Remove, unless "", is a directory that is removed when everything has ended, however it ended.
	Remove string
}
