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

// taskbar is the library on Windows. Its menu runs a loop of its own while it is open, in the thread of Run, and taking away what it
// shows leaves it on the screen for good.
type taskbar struct {
	library
	thread uint32
	loaded map[string]string // the files that icons were loaded from
}

func newToolkit(_ desktop, clicked func(id string)) (toolkit, error) {
	return newPainted(&taskbar{}, clicked), nil
}

func (t *taskbar) Run(ready func()) {
	t.thread = windows.GetCurrentThreadId() // the library has locked the goroutine to it
	systray.Run(ready, nil)
}

func (t *taskbar) Held() bool { return t.owner() != 0 }

// owner is the window whose menu is open, or 0.
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
		_, _, _ = postMessage.Call(uintptr(owner), cancelMode, 0, 0) // it says no more than that the thread has ended
	}
}

// Icon has the library load each icon once from a file, which is removed at once: what it loads by itself stays behind.
func (t *taskbar) Icon(name string) {
	if file, known := t.loaded[name]; known {
		_ = systray.SetIconFromFilePath(file) // by now that is no more than a name
		return
	}
	dir, err := os.MkdirTemp("", "fairlead-")
	if err != nil {
		return // the icon before says nearly as much
	}
	defer os.Remove(dir)
	file := filepath.Join(dir, name+".ico")
	defer os.Remove(file)
	if os.WriteFile(file, assets.Icon(name), 0o600) != nil || systray.SetIconFromFilePath(file) != nil {
		return
	}
	if t.loaded == nil {
		t.loaded = map[string]string{}
	}
	t.loaded[name] = file
}

func (t *taskbar) Tooltip(text string) { systray.SetTooltip(text) }
