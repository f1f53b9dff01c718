package table

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableColour makes a console understand escape codes, and reports whether it does.
func enableColour(file *os.File) bool {
	console := windows.Handle(file.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
