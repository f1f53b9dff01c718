package fault

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// A Lack is what this machine does not have, or does not allow, for a connection.
type Lack string

// What this machine may lack.
const (
	LackFiles      Lack = "files"      // the process has as many open files as it may
	LackAllFiles   Lack = "all files"  // all processes together have
	LackMemory     Lack = "memory"     // for the connection's buffers
	LackAddress    Lack = "address"    // no local address or port is free
	LackPermission Lack = "permission" // the system forbids the connection, for example because of a local firewall
)

// A Machine is a fault of the machine that this program runs on. It tells nothing about the other end.
type Machine struct {
	Lack Lack
	Err  error
}

func (e *Machine) Error() string {
	if e.Err == nil {
		return "this machine lacks " + string(e.Lack)
	}
	return "this machine: " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Machine) Unwrap() error { return e.Err }

// Windows has error numbers of its own, which the portable names do not match there. No other system uses these numbers.
const (
	wsaEACCES        = syscall.Errno(10013)
	wsaEMFILE        = syscall.Errno(10024)
	wsaEADDRNOTAVAIL = syscall.Errno(10049)
	wsaENOBUFS       = syscall.Errno(10055)
)

// OfMachine returns the fault of this machine that err comes from, or nil. A connection's error is one only if the
// system call that failed is known: the same numbers mean other things elsewhere.
func OfMachine(err error) *Machine {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*Machine](err); ok {
		return known
	}
	if call, ok := errors.AsType[*os.SyscallError](err); ok {
		if number, ok := errors.AsType[syscall.Errno](call.Err); ok {
			return machine(lackOf(call.Syscall, number), call) // what is around it may name a URL
		}
		return nil
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		if number, ok := errors.AsType[syscall.Errno](path.Err); ok {
			return machine(lackOf(path.Op, number), path)
		}
		return nil
	}
	// A lookup keeps only the text of its cause.
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		for _, number := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
			if strings.HasSuffix(dns.Err, number.Error()) {
				return machine(lackOf("socket", number), dns)
			}
		}
	}
	return nil
}

func machine(lack Lack, err error) *Machine {
	if lack == "" {
		return nil
	}
	return &Machine{Lack: lack, Err: err}
}

// lackOf returns what the machine lacks if a system call fails with number; empty if that is not the machine's fault.
func lackOf(call string, number syscall.Errno) Lack {
	connecting := call == "connect" || call == "connectex" || call == "socket"
	switch number {
	case syscall.EMFILE, wsaEMFILE:
		return LackFiles
	case syscall.ENFILE:
		return LackAllFiles
	case syscall.ENOBUFS, syscall.ENOMEM, wsaENOBUFS:
		return LackMemory
	case syscall.EADDRNOTAVAIL, wsaEADDRNOTAVAIL:
		if connecting {
			return LackAddress
		}
	case syscall.EPERM, syscall.EACCES, wsaEACCES:
		if connecting {
			return LackPermission
		}
	}
	return ""
}
