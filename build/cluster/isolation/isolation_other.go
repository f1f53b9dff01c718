//go:build !linux

package isolation

import (
	"errors"
	"time"
)

// Confined is a running program. It exists on Linux only.
type Confined struct{}

// Start returns errors.ErrUnsupported.
func Start(Config) (*Confined, error) { return nil, errors.ErrUnsupported }

// PID returns 0.
func (*Confined) PID() int { return 0 }

// Done returns nil.
func (*Confined) Done() <-chan struct{} { return nil }

// Err returns nil.
func (*Confined) Err() error { return nil }

// Stop does nothing.
func (*Confined) Stop(time.Duration) {}

// Init returns the exit status of a failure.
func Init([]string) int { return 2 }

// Janitor returns the exit status of a failure.
func Janitor([]string) int { return 2 }

// Parent reports that this process is not confined.
func Parent() (pid int, confined bool) { return 0, false }

// Cgroup returns "".
func Cgroup() string { return "" }

// MountMemory returns errors.ErrUnsupported.
func MountMemory(string) error { return errors.ErrUnsupported }
