package desktop

import (
	"os"
	"runtime"
	"slices"
	"strings"
)

// The variables that a graphical program needs, in upper case: names, and prefixes of names. All others are withheld:
// they contain credentials of clouds, of Vault and the like, and forward proxies with their passwords.
var (
	windowNames = []string{
		"HOME", "USER", "LOGNAME", "SHELL", "PATH", "PWD", "TMPDIR", "TEMP", "TMP", "LANG", "LANGUAGE", "TZ", "HOSTNAME",
		"DISPLAY", "XAUTHORITY", "XMODIFIERS", "SESSION_MANAGER", "DESKTOP_SESSION", "DESKTOP_STARTUP_ID", "GDMSESSION",
		"DBUS_SESSION_BUS_ADDRESS", "GNOME_DESKTOP_SESSION_ID", "GTK_MODULES", "GTK_THEME", "GTK_IM_MODULE", "QT_IM_MODULE", "SDL_IM_MODULE",
		"LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "BROWSER", "__CF_USER_TEXT_ENCODING",
	}
	windowBeginnings = []string{
		"LC_", "XDG_", "WAYLAND_", "XCURSOR_", "GDK_", "QT_", "KDE_", "MATE_", "MOZ_", "CHROME_", "LIBVA_", "LIBGL_", "VDPAU_", "MESA_", "DRI_",
		"__GL", "__NV", "PULSE_", "PIPEWIRE_", "FLATPAK_", "NIX_LD",
	}
	windowsNames = []string{
		"ALLUSERSPROFILE", "APPDATA", "COMPUTERNAME", "COMSPEC", "DRIVERDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "NUMBER_OF_PROCESSORS",
		"OS", "PATHEXT", "PUBLIC", "SESSIONNAME", "SYSTEMDRIVE", "SYSTEMROOT", "USERDOMAIN", "USERNAME", "USERPROFILE", "WINDIR",
	}
	windowsBeginnings = []string{"COMMONPROGRAM", "PROCESSOR_", "PROGRAM"}
)

// windowEnvironment returns the part of the environment for graphical programs.
func windowEnvironment() []string {
	names, beginnings := windowNames, windowBeginnings
	if runtime.GOOS == "windows" {
		names, beginnings = slices.Concat(names, windowsNames), slices.Concat(beginnings, windowsBeginnings)
	}
	return slices.DeleteFunc(os.Environ(), func(setting string) bool {
		name, _, _ := strings.Cut(setting, "=")
		name = strings.ToUpper(name)
		return !slices.Contains(names, name) &&
			!slices.ContainsFunc(beginnings, func(begin string) bool { return strings.HasPrefix(name, begin) })
	})
}
