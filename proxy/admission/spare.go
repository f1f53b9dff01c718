package admission

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// A Spare is a file that is kept open to be given up for a client that could not be accepted otherwise. So the client gets
// an answer, instead of waiting until another client leaves. Now and then a dial is faster and takes the file descriptor;
// then clients wait until some file is closed. One goroutine owns a Spare.
type Spare struct{ file *os.File }

// fill opens the file, if it is not, and reports whether it is open.
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
	_ = s.file.Close() // it was only open
	s.file = nil
	return true
}

// isOutOfFiles reports whether this process or its machine has too many files open.
func isOutOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// Accept accepts one connection from ln. If it takes the spare file for that, full is the error that the client is to be told.
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
