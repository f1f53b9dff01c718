package gateway

import "fairlead/app/portholder"

// A LocalPortError is a failed listen on a fixed local port.
type LocalPortError struct {
	Err    error
	Target string // to which the port leads
}

func (e *LocalPortError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the listen.
func (e *LocalPortError) Unwrap() error { return e.Err }

// ForwardsTo returns the target of the port, for packages that explain errors.
func (e *LocalPortError) ForwardsTo() string { return e.Target }

// NewLocalPortError returns the error of a listen on the fixed local port of a target, with the program that has the port.
// Looking for that program reads about many processes.
func NewLocalPortError(err error, target string) error {
	return &LocalPortError{portholder.Explain(err), target}
}
