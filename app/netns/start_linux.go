package netns

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Process is a program in namespaces of its own.
type Process struct {
	Device *os.File // what the program sends, and what it receives, one IP packet at a time; the caller closes it
	// Sockets is a netlink socket for questions about the sockets inside, see sock_diag(7); the caller closes it.
	Sockets *os.File
	IPv6    bool // the device has its address of IPv6
	// Hardware is set if the device carries frames of Ethernet in place of packets. It is the program's address.
	Hardware net.HardwareAddr

	helper  *exec.Cmd
	wire    wire
	network string // what /proc calls the network namespace
	empty   bool   // the helper has said that nothing is left in it
	pid     int
}

// Start makes the namespaces and the device. The program waits for Run. Close must follow.
func Start(c Config) (*Process, error) {
	p, err := start(c, false)
	if err != nil && isDenied(err) {
		p, err = start(c, true)
	}
	if err != nil {
		return nil, withCause(err)
	}
	return p, nil
}

// isDenied reports whether this process may not make namespaces without a user namespace.
func isDenied(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Step == StepNamespaces && errors.Is(err, syscall.EPERM)
}

// start is Start, with a user namespace or without one.
func start(c Config, users bool) (*Process, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, &Error{Step: StepHelper, Err: err}
	}
	theirs := os.NewFile(uintptr(fds[1]), "helper")
	defer func() { _ = theirs.Close() }()
	ours, err := newWire(os.NewFile(uintptr(fds[0]), "caller"))
	if err != nil {
		return nil, &Error{Step: StepHelper, Err: err}
	}
	p := &Process{wire: ours, helper: helper(c, theirs, users)}
	if err := p.helper.Start(); err != nil {
		_ = ours.conn.Close()
		return nil, &Error{Step: StepNamespaces, Err: err}
	}
	p.network = networkOf(p.helper.Process.Pid)
	if err := p.begin(c); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// helper returns the command that runs this program again as the helper.
func helper(c Config, socket *os.File, users bool) *exec.Cmd {
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{"fairlead", Word, c.Path}, c.Args...), Env: c.Env,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, ExtraFiles: []*os.File{socket},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS},
	}
	if users {
		a := cmd.SysProcAttr
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
		a.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_SYS_ADMIN}
	}
	return cmd
}

// begin tells the helper what to make, and takes the device.
func (p *Process) begin(c Config) error {
	c.Path, c.Args, c.Env = "", nil, nil // the helper has them
	if err := p.wire.send(message{Config: &c}); err != nil {
		return &Error{Step: StepHelper, Err: err}
	}
	m, files, err := p.next()
	if err != nil {
		return err
	}
	if len(files) != maxFiles {
		return &Error{Step: StepHelper, Err: errors.New("it handed over no device")}
	}
	p.Device, p.Sockets, p.IPv6, p.Hardware = files[0], files[1], m.IPv6, m.Hardware
	return nil
}

// next returns the next message that is not a failure.
func (p *Process) next() (message, []*os.File, error) {
	m, files, err := p.wire.receive()
	if errors.Is(err, io.EOF) {
		err = errors.New("it ended by itself")
	}
	if err != nil {
		return m, nil, &Error{Step: StepHelper, Err: err}
	}
	return m, files, m.err()
}

// Run starts the program.
func (p *Process) Run() error {
	if err := p.wire.send(message{Go: true}); err != nil {
		return &Error{Step: StepHelper, Err: err}
	}
	m, _, err := p.next()
	p.pid = m.PID
	return err
}

// Wait waits for the program's end and returns its status. By then everything that the program started has ended as
// well. The network stays until Close, so that what the program has sent last can be received.
func (p *Process) Wait() (syscall.WaitStatus, error) {
	m, _, err := p.next()
	p.empty = m.Ended
	return syscall.WaitStatus(m.Status), err
}

// Close ends the helper and everything that still runs in the namespaces.
func (p *Process) Close() {
	_ = p.wire.conn.Close() // the helper sees that as the end of the caller
	ended := make(chan struct{})
	go func() { _ = p.helper.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(closeTimeout):
		_ = p.helper.Process.Kill()
		<-ended
	}
	if !p.empty {
		killNetwork(p.network)
	}
}

// closeTimeout bounds how long the helper may take to end everything.
const closeTimeout = 5 * time.Second

// networkOf returns what /proc calls the network namespace of a process, or "".
func networkOf(pid int) string {
	name, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/net")
	if err != nil {
		return ""
	}
	return name
}

// killNetwork kills all processes in a network namespace. It is for a helper that was killed before it had done so.
func killNetwork(network string) {
	if own := networkOf(os.Getpid()); network == "" || network == own {
		return
	}
	for range 100 { // a process may start others meanwhile
		found := false
		links, _ := filepath.Glob("/proc/[0-9]*/ns/net") // the pattern is well-formed
		for _, link := range links {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
			if pid > 0 && networkOf(pid) == network && syscall.Kill(pid, syscall.SIGKILL) == nil {
				found = true
			}
		}
		if !found {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// withCause adds to an error what stands in the way.
func withCause(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	e.Cause = causeOf(e.Step, e.Err, readSetting)
	return err
}

// readSetting returns the text of a file in /proc/sys, or "".
func readSetting(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return string(text)
}

// causeOf returns what prevents a step, or "" if that is not known.
func causeOf(step Step, err error, read func(string) string) Cause {
	denied := errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
	switch {
	case step == StepDevice && errors.Is(err, syscall.ENOENT), step == StepDevice && errors.Is(err, syscall.ENXIO), step == StepDevice && errors.Is(err, syscall.ENODEV):
		return NoDevice
	case step == StepDevice && errors.Is(err, syscall.EACCES):
		return Device
	case step == StepNamespaces && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EUSERS)):
		return Limit
	case !denied:
		return ""
	case isSet(read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"), 1):
		return AppArmor
	case isSet(read("/proc/sys/kernel/unprivileged_userns_clone"), 0):
		return Sysctl
	}
	return Container
}

// isSet reports whether the text of a setting is that number.
func isSet(text string, number int) bool { return text == fmt.Sprintf("%d\n", number) }
