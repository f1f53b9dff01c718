package tray

import (
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"fyne.io/systray"
	"golang.org/x/sys/windows"

	"fairlead/assets"
)

// taskbar is the library on Windows. Its menu runs a loop of its own in the thread of Run while it is open, and
// removing the items that it shows leaves it on the screen for good.
type taskbar struct {
	library
	thread uint32
	loaded map[string]string // the files that the icons were loaded from
}

func newToolkit(_ desktop, on events, _ menuShown) (toolkit, error) {
	return newPainted(&taskbar{}, on.clicked), nil
}

func (t *taskbar) Run(ready func()) {
	t.thread = windows.GetCurrentThreadId() // the library has locked the goroutine to this thread
	systray.Run(ready, nil)
}

func (t *taskbar) Held() bool { return t.owner() != 0 }

// owner returns the window whose menu is open, or 0.
func (t *taskbar) owner() windows.HWND {
	info := windows.GUIThreadInfo{}
	info.Size = uint32(unsafe.Sizeof(info))
	if err := windows.GetGUIThreadInfo(t.thread, &info); err != nil {
		return 0
	}
	return info.MenuOwner
}

var postMessage = windows.NewLazySystemDLL("user32.dll").NewProc("PostMessageW")

func (t *taskbar) Release() {
	const cancelMode = 0x1f // WM_CANCELMODE
	for begun := time.Now(); time.Since(begun) < time.Second; time.Sleep(10 * time.Millisecond) {
		owner := t.owner()
		if owner == 0 {
			return
		}
		_, _, _ = postMessage.Call(uintptr(owner), cancelMode, 0, 0) // it fails only if the thread has ended
	}
}

// Icon makes the library load each icon once from a file, which is then removed. The library would leave its own files
// behind.
func (t *taskbar) Icon(name string) {
	if file, known := t.loaded[name]; known {
		_ = systray.SetIconFromFilePath(file) // the library has loaded it, so this is only a name
		return
	}
	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return // the old icon will do
	}
	defer func() { _ = os.Remove(dir) }()
	file := filepath.Join(dir, name+".ico")
	defer func() { _ = os.Remove(file) }()
	if os.WriteFile(file, assets.Icon(name), 0o600) != nil || systray.SetIconFromFilePath(file) != nil {
		return
	}
	if t.loaded == nil {
		t.loaded = map[string]string{}
	}
	t.loaded[name] = file
}

func (t *taskbar) Tooltip(text string) { systray.SetTooltip(text) }
