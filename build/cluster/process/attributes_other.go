//go:build !linux

package process

import "syscall"

// attributes returns those that keep a terminal's Ctrl-C from the children, which the launcher stops in order. Only
// Linux can kill a child when its parent dies, so elsewhere only an orderly stop leaves nothing behind.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
