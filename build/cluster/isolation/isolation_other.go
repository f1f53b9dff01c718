//go:build !linux

package isolation

import (
	"errors"
	"time"
)

// Confined is a running program, on Linux.
type Confined struct{}

// Start is unsupported.
func Start(Config) (*Confined, error) { return nil, errors.ErrUnsupported }

// PID returns 0.
func (*Confined) PID() int { return 0 }

// Done returns nil.
func (*Confined) Done() <-chan struct{} { return nil }

// Err returns nil.
func (*Confined) Err() error { return nil }

// Stop does nothing.
func (*Confined) Stop(time.Duration) {}

// Init returns a failure's exit status.
func Init([]string) int { return 2 }

// Janitor returns a failure's exit status.
func Janitor([]string) int { return 2 }

// Parent reports that this process is not confined.
func Parent() (pid int, confined bool) { return 0, false }

// Cgroup returns "".
func Cgroup() string { return "" }

// MountMemory is unsupported.
func MountMemory(string) error { return errors.ErrUnsupported }
