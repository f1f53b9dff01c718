package process

import "syscall"

// attributes returns those that keep a terminal's Ctrl-C from the children, which the launcher stops in order, and that
// kill them when it dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
