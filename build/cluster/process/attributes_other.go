//go:build !linux

package process

import "syscall"

// attributes keep a terminal's Ctrl-C from the children, which the launcher stops in order. No other system can tie
// a child's life to its parent's, so there only an orderly stop leaves nothing behind.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
