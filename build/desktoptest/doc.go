// Package desktoptest is a real desktop for tests: an X server without a screen, a private session bus, a panel with a
// notification area, and a notification service, driven as a person would drive it (pointer, keyboard) or as a panel does
// (StatusNotifierItem and com.canonical.dbusmenu over D-Bus).
//
// It is not a fake: the panel is xfce4-panel, the X server is Xvfb, the clipboard is X11's. The one exception is the
// notification recorder, which stands in for a notification service when a test wants to read what was sent.
//
// It knows nothing of the program under test, and is for Linux only. Each desktop lives in directories of its own and ends
// with its test: no file of the person who runs the tests is read or written, and two desktops do not see each other.
package desktoptest
