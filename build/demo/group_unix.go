//go:build unix

package main

import "syscall"

// ownGroup keeps a terminal's Ctrl-C from Fairlead, which gets one from the demo: the second would end it at once.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
