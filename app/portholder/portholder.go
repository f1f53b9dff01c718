// Package portholder finds the program that listens on a port of this machine. That works on Linux, for programs of the
// same user.
package portholder

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// A Process is a running program.
type Process struct {
	Name string // from the system: it may be cut, and must be cleaned before it is shown
	PID  int
}

// A TakenError is a failed listen on a port that a known program has.
type TakenError struct {
	Err   error
	Taker Process
}

func (e *TakenError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the listen.
func (e *TakenError) Unwrap() error { return e.Err }

// Holder returns the program that has the port, for packages that explain errors.
func (e *TakenError) Holder() (program string, pid int) { return e.Taker.Name, e.Taker.PID }

// windowsAddressInUse is WSAEADDRINUSE, for which package syscall has no constant.
const windowsAddressInUse = syscall.Errno(10048)

// Explain returns err as a *TakenError if it is a failed listen on a port that a program has that can be found, and
// otherwise returns err. It may read about many processes.
func Explain(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "listen" || op.Addr == nil || !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, windowsAddressInUse) {
		return err
	}
	at, parseErr := netip.ParseAddrPort(op.Addr.String())
	if parseErr != nil {
		return err
	}
	if taker, ok := Find(at); ok {
		return &TakenError{Err: err, Taker: taker}
	}
	return err
}
