// Package nodetest has the tests that need a real node: kubelet, containerd, runc and a CNI bridge, as root on Linux.
// They have the build tag node and are run by task test:node, each on both versions of containerd.
package nodetest
