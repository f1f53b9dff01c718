//go:build darwin && !cgo

package tray

// newToolkit has none to offer: on macOS the tray library is Objective-C.
func newToolkit(desktop, func(string)) (toolkit, error) {
	return nil, &NoDesktop{Missing: "tray library in this build, made without cgo"}
}
