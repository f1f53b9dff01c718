//go:build !linux

package netns

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// A Process is a program in namespaces of its own. There are none on this system.
type Process struct {
	Device, Sockets *os.File
	IPv6            bool
	Hardware        net.HardwareAddr
}

// Start returns an *Error with Unsupported.
func Start(Config) (*Process, error) {
	return nil, &Error{Step: StepNamespaces, Cause: Unsupported, Err: errors.ErrUnsupported}
}

// Inner is not called, because nothing starts the helper.
func Inner() error { return errors.ErrUnsupported }

// Run returns errors.ErrUnsupported.
func (p *Process) Run() error { return errors.ErrUnsupported }

// Wait returns errors.ErrUnsupported.
func (p *Process) Wait() (status syscall.WaitStatus, err error) { return status, errors.ErrUnsupported }

// Close does nothing.
func (p *Process) Close() {}

// PassSignals does nothing.
func (p *Process) PassSignals() (stop func()) { return func() {} }
