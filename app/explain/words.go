package explain

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// Windows returns Winsock's own numbers, which do not match syscall's portable constants there. No other system uses
// these numbers, so one list serves all.
const (
	wsaEACCES        = syscall.Errno(10013)
	wsaEMFILE        = syscall.Errno(10024)
	wsaEADDRINUSE    = syscall.Errno(10048)
	wsaEADDRNOTAVAIL = syscall.Errno(10049)
	wsaENETUNREACH   = syscall.Errno(10051)
	wsaECONNABORTED  = syscall.Errno(10053)
	wsaECONNRESET    = syscall.Errno(10054)
	wsaETIMEDOUT     = syscall.Errno(10060)
	wsaECONNREFUSED  = syscall.Errno(10061)
	wsaEHOSTUNREACH  = syscall.Errno(10065)
)

// Errors of net, os and syscall that mean the same to a user.
var (
	wordsRefused   = []error{syscall.ECONNREFUSED, wsaECONNREFUSED}
	wordsNoNetwork = []error{syscall.ENETUNREACH, syscall.ENETDOWN, wsaENETUNREACH}
	wordsNoHost    = []error{syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.EADDRNOTAVAIL, wsaEHOSTUNREACH, wsaEADDRNOTAVAIL}
	wordsCut       = []error{
		syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, wsaECONNRESET, wsaECONNABORTED,
		io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed,
	}
	wordsTooMany   = []error{syscall.EMFILE, syscall.ENFILE, wsaEMFILE}
	wordsTaken     = []error{syscall.EADDRINUSE, wsaEADDRINUSE}
	wordsForbidden = []error{fs.ErrPermission, wsaEACCES}
	wordsTimedOut  = []error{context.DeadlineExceeded, os.ErrDeadlineExceeded, syscall.ETIMEDOUT, wsaETIMEDOUT}
)

// isAny returns a function that reports whether an error is one of words.
func isAny(words ...error) func(error) bool {
	return func(err error) bool {
		for _, word := range words {
			if errors.Is(err, word) {
				return true
			}
		}
		return false
	}
}

func timedOut(err error) bool {
	if isAny(wordsTimedOut...)(err) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// wrapperOf returns the error in err's tree that wraps word itself, or nil if there is none. It uses any, because it
// compares the errors themselves and not what they wrap.
func wrapperOf(err, word error) error {
	switch x := any(err).(type) {
	case interface{ Unwrap() error }:
		next := x.Unwrap()
		if any(next) == any(word) {
			return err
		}
		return wrapperOf(next, word)
	case interface{ Unwrap() []error }:
		for _, next := range x.Unwrap() {
			if found := wrapperOf(next, word); found != nil {
				return found
			}
		}
	}
	return nil
}
