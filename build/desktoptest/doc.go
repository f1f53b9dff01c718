// Package desktoptest runs a real desktop for tests: an X server without a screen, a private session bus, a panel with
// a notification area, and a notification service. Tests use it as a user does (pointer, keyboard) or as a panel does
// (StatusNotifierItem and com.canonical.dbusmenu over D-Bus).
//
// The parts are real: the panel is xfce4-panel, the X server is Xvfb, the clipboard is X11's. The only exception is the
// notification recorder, which replaces a notification service when a test needs to read what was sent.
//
// It knows nothing about the program under test, and works on Linux only. Each desktop has its own directories and ends
// with its test: it neither reads nor writes files of the user who runs the tests, and two desktops do not see each
// other.
package desktoptest
