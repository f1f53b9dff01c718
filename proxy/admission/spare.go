package admission

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// A Spare is a file that is kept open so that it can be closed to accept one more client. So the client gets an answer
// instead of waiting until another one leaves. If a dial takes the file descriptor first, clients wait until some file
// is closed. One goroutine owns a Spare.
type Spare struct{ file *os.File }

// fill opens the file if it is closed, and reports whether it is open.
func (s *Spare) fill() bool {
	if s.file == nil {
		s.file, _ = os.Open(os.DevNull) // nil without a descriptor for it
	}
	return s.file != nil
}

// Give closes the file, and reports whether there was one.
func (s *Spare) Give() bool {
	if s.file == nil {
		return false
	}
	_ = s.file.Close() // nothing was written to it
	s.file = nil
	return true
}

// isOutOfFiles reports whether this process or its machine has too many files open.
func isOutOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Accept accepts one connection from ln. If that takes the spare file, full is the error for the client.
func (s *Spare) Accept(ln net.Listener) (conn net.Conn, full, err error) {
	s.fill()
	conn, err = ln.Accept()
	if !isOutOfFiles(err) || !s.Give() {
		return conn, nil, err
	}
	full = err
	if conn, err = ln.Accept(); err == nil && s.fill() {
		full = nil // another client has left meanwhile
	}
	return conn, full, err
}
