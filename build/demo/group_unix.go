//go:build unix

package main

import "syscall"

// ownGroup returns attributes that keep a terminal's Ctrl-C from Fairlead, which the demo interrupts itself: a second
// interrupt would end it immediately.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
