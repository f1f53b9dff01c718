// Package portholder finds the program that listens on a port of this machine, where the system tells that: on Linux, of
// programs that belong to the user that runs this one.
package portholder

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
)

// A Process is a running program.
type Process struct {
	Name string // as the system has it: it may be cut, and whoever shows it has to clean it
	PID  int
}

// A TakenError is a listen that failed because a program that is known has the port.
type TakenError struct {
	Err   error
	Taker Process
}

func (e *TakenError) Error() string { return e.Err.Error() }

// Unwrap returns the listen's own error.
func (e *TakenError) Unwrap() error { return e.Err }

// Holder is the program that has the port, for those who explain errors.
func (e *TakenError) Holder() (program string, pid int) { return e.Taker.Name, e.Taker.PID }

// windowsAddressInUse is WSAEADDRINUSE, which package syscall has no word for.
const windowsAddressInUse = syscall.Errno(10048)

// Explain returns err as a *TakenError if it is that of a listen on a port that is taken, and the system tells by whom;
// otherwise it returns err. It may read what the system tells of many processes.
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
