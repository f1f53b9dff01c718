package netns

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketFD is the helper's end of the socket.
const socketFD = 3

// Inner is the helper: it sets up the namespaces that it was started in, starts the program, and returns when nothing of
// it is left.
func Inner() error {
	// The program inherits the settings of the thread that starts it, and is killed when that thread ends.
	runtime.LockOSThread()
	syscall.CloseOnExec(socketFD)
	w, err := newWire(os.NewFile(socketFD, "caller"))
	if err != nil {
		return err
	}
	if len(os.Args) < 4 {
		return errors.New("no program")
	}
	m, _, err := w.receive()
	if err != nil {
		return err
	}
	if m.Config == nil {
		return errors.New("no configuration")
	}
	path, args := os.Args[2], os.Args[3:]
	if err := prepare(w, *m.Config); err != nil {
		return err
	}
	if m, _, err := w.receive(); err != nil || !m.Go {
		return nil // the caller is gone, or gave up after a failure
	}
	catch(make(chan os.Signal, 1)) // nothing reads them: the caller sends them to the program
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return w.send(failure(StepProgram, err))
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for { // the caller sends nothing more, so an error is its end
			if _, _, err := w.receive(); err != nil {
				killChildren()
				return
			}
		}
	}()
	_ = w.send(message{PID: pid}) // fails only if the caller is gone, which the reader above sees
	status := reap(pid)
	if hasChildren() {
		killChildren()
		reap(0)
	}
	_ = w.send(message{Ended: true, Status: uint32(status)})
	<-gone
	return nil
}

// prepare sets up the namespaces and hands over the device. What fails is reported to the caller.
func prepare(w wire, c Config) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return w.send(failure(StepHelper, err))
	}
	device, err := openDevice()
	var hardware net.HardwareAddr
	if err != nil && isClosed(err) {
		var pairErr error
		if device, hardware, pairErr = openPair(c.MTU); pairErr == nil {
			err = nil
		}
	}
	if err != nil {
		return w.send(failure(StepDevice, err))
	}
	defer func() { _ = device.Close() }()
	ipv6, err := configureNetwork(c)
	if err != nil {
		return w.send(failure(StepNetwork, err))
	}
	if err := replaceFiles(c); err != nil {
		return w.send(failure(StepFiles, err))
	}
	if err := dropRights(); err != nil {
		return w.send(failure(StepHelper, err))
	}
	diagnosis, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return w.send(failure(StepNetwork, err))
	}
	sockets := os.NewFile(uintptr(diagnosis), "sock_diag")
	defer func() { _ = sockets.Close() }()
	return w.send(message{IPv6: ipv6, Hardware: hardware}, device, sockets)
}

// dropRights takes from the program what the helper was given in a namespace for users, so that it has what it would have
// outside. A program of root's keeps root's rights.
func dropRights() error {
	if os.Geteuid() == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&head, &make([]unix.CapUserData, 2)[0]); err != nil {
		return err
	}
	// Set-user-ID programs cannot get another user's rights here. With this setting they can tell why.
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// reap waits for children until the one with that PID has ended, and returns its status. If pid is 0, it waits for all.
func reap(pid int) (status syscall.WaitStatus) {
	for {
		ended, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil: // there are none
			return status
		case ended == pid:
			return status
		}
	}
}

// hasChildren reports whether this process has children, dead or alive.
func hasChildren() bool {
	_, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
	return !errors.Is(err, syscall.ECHILD)
}

// killChildren kills all descendants of this process, which becomes the parent of orphans among them.
func killChildren() {
	for range 1000 {
		found := descendants(os.Getpid())
		if len(found) == 0 {
			return
		}
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL) // fails if it has ended
		}
		time.Sleep(time.Millisecond) // they may have started others
	}
}

// descendants returns the living processes that descend from one.
func descendants(of int) (found []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	parents := map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		// proc(5): PID (NAME) STATE PPID. The name may contain anything.
		fields := strings.Fields(string(text[max(0, strings.LastIndexByte(string(text), ')')+1):]))
		if len(fields) > 1 && fields[0] != "Z" && fields[0] != "X" {
			parents[pid], _ = strconv.Atoi(fields[1])
		}
	}
	for pid := range parents {
		for at, steps := parents[pid], 0; at > 1 && steps < len(parents); at, steps = parents[at], steps+1 {
			if at == of {
				found = append(found, pid)
				break
			}
		}
	}
	return found
}
