package process

import "syscall"

// attributes keep a terminal's Ctrl-C from the children, which the launcher stops in order, and tie their lives to it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
