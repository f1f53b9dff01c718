//go:build !linux

package desktop

import "context"

// MenuShown reports whether any menu is on the screen, of whatever program, and whether that can be known, which it
// cannot on this system.
func MenuShown(context.Context) (shown, known bool) { return false, false }
