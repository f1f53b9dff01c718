// Package namespace runs a program in its own network namespace, where it may create devices and its listeners are not
// visible from outside: directly as root, otherwise through a user namespace in which the user is root. It configures
// nothing inside. Linux only.
package namespace

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Start starts the command that make returns, with new namespaces. It calls make again for a second attempt, since a
// command cannot be started twice. The error says which right is missing. The child is killed when the thread that
// called Start ends: call it from a goroutine that stays locked to its thread.
func Start(make func() *exec.Cmd) (*exec.Cmd, error) {
	var plain error
	if os.Geteuid() == 0 {
		cmd := make()
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		err := cmd.Start()
		if err == nil {
			return cmd, nil
		}
		if !errors.Is(err, syscall.EPERM) {
			return nil, err
		}
		plain = fmt.Errorf("a network namespace as root: %w (it takes CAP_SYS_ADMIN; in a container, --privileged)", err)
	}
	cmd := make()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(plain, fmt.Errorf("a network namespace by a user namespace: %w "+
			"(user namespaces are off or not for this user: run it as root, or see sysctl user.max_user_namespaces, "+
			"kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)", err))
	}
	return cmd, nil
}
