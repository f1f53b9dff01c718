//go:build windows || darwin

package tray

import "context"

// desktop is for systems that always have a place for tray icons.
type desktop struct{}

func openDesktop(context.Context) (desktop, error)   { return desktop{}, nil }
func (desktop) hasPanel(context.Context) bool        { return true }
func (desktop) room() int                            { return 0 }
func (desktop) watchRoom(context.Context, func(int)) {}
func (desktop) gone() <-chan struct{}                { return nil }
func (desktop) close()                               {}
