package gateway

import "fairlead/app/portholder"

// A LocalPortError is a failed listen on a fixed local port.
type LocalPortError struct{ Err error }

func (e *LocalPortError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the listen.
func (e *LocalPortError) Unwrap() error { return e.Err }

// LocalPort marks the error for packages that explain errors.
func (e *LocalPortError) LocalPort() {}

// NewLocalPortError returns the error of a listen on a fixed local port, with the program that has the port. Looking for
// that program reads about many processes.
func NewLocalPortError(err error) error { return &LocalPortError{portholder.Explain(err)} }
