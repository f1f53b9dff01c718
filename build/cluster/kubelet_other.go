//go:build !linux

package main

import (
	"fmt"
	"os"
)

// runKubelet says that there is no kubelet but on Linux.
func runKubelet() {
	fmt.Fprintln(os.Stderr, "cluster: the kubelet runs on Linux only")
	os.Exit(1)
}
