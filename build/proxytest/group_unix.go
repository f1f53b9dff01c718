//go:build unix

package proxytest

import (
	"os/exec"
	"syscall"
)

// setGroup makes a command the leader of a process group, because some proxies fork.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup kills a command with its children.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
