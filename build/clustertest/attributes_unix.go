//go:build unix

package clustertest

import "syscall"

// attributes keep a terminal's Ctrl-C from the cluster, which is stopped by its lifeline instead.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
