//go:build !unix

package clustertest

import "syscall"

// attributes are those of any other process: there are no clusters on these systems yet.
func attributes() *syscall.SysProcAttr { return nil }
