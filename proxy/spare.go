package proxy

import (
	"errors"
	"os"
	"syscall"
)

// A spareFile is kept open to be given up for a client that could not be accepted otherwise: so it is told why, where it
// would wait for as long as other clients stay. Now and then a dial is faster and takes what was given up; then clients
// wait until some file is closed. One goroutine owns it.
type spareFile struct{ file *os.File }

// fill opens the file, if it is not, and reports whether it is open.
func (s *spareFile) fill() bool {
	if s.file == nil {
		s.file, _ = os.Open(os.DevNull) // nil without a descriptor for it
	}
	return s.file != nil
}

// give closes the file, and reports whether there was one.
func (s *spareFile) give() bool {
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
