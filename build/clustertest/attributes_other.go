//go:build !unix

package clustertest

import "syscall"

// attributes returns nil: clusters do not run on these systems yet.
func attributes() *syscall.SysProcAttr { return nil }
