//go:build !linux

package desktop

import (
	"context"
	"errors"
)

// HasTerminal reports whether OpenTerminal can open a terminal window.
func HasTerminal() bool { return false }

// OpenTerminal returns an error: on this system no terminal window is opened.
func OpenTerminal(context.Context, ...string) error {
	return errors.New("on this system Fairlead opens no terminal window")
}
