//go:build unix

package clustertest

import "syscall"

// attributes returns those that keep a terminal's Ctrl-C from the cluster, which stops when its standard input is
// closed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
