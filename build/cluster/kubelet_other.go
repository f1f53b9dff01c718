//go:build !linux

package main

import (
	"fmt"
	"os"
)

// runKubelet fails: the kubelet exists on Linux only.
func runKubelet() {
	fmt.Fprintln(os.Stderr, "cluster: the kubelet runs on Linux only")
	os.Exit(1)
}
