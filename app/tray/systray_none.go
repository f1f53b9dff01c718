//go:build darwin && !cgo

package tray

// newToolkit returns nil: on macOS the tray library needs Objective-C.
func newToolkit(desktop, events, menuShown) (toolkit, error) {
	return nil, &NoDesktop{Missing: "tray library in this build, made without cgo"}
}
