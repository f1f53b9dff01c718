package desktop

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// autostartFile returns the path of the file that starts Fairlead at login, as defined by the freedesktop.org Desktop
// Application Autostart Specification.
func autostartFile() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "autostart", "fairlead.desktop"), err
}

// iconFile returns the path of the program's icon in the user's icon theme, as defined by the freedesktop.org Icon Theme
// Specification.
func iconFile() (string, error) {
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "icons", "hicolor", "64x64", "apps", "fairlead.png"), nil
}

func autostart() (bool, error) {
	path, err := autostartFile()
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// A desktop on which the user disables it writes one of two keys.
	for line := range strings.Lines(string(text)) {
		switch strings.ReplaceAll(strings.TrimSpace(line), " ", "") {
		case "Hidden=true", "X-GNOME-Autostart-enabled=false":
			return false, nil
		}
	}
	return true, nil
}

func setAutostart(program string, icon []byte) error {
	path, err := autostartFile()
	if err != nil {
		return err
	}
	text := "[Desktop Entry]\nType=Application\nName=Fairlead\nComment=Proxies into Kubernetes clusters\nExec=" + execLine(program) +
		"\nTryExec=" + keyString(program) + "\nTerminal=false\nX-GNOME-Autostart-enabled=true\n"
	// The icon is optional: the program starts without it.
	if file, err := iconFile(); err == nil && writeWhole(file, string(icon)) == nil {
		text += "Icon=" + keyString(file) + "\n"
	}
	return writeWhole(path, text)
}

func unsetAutostart() error {
	path, err := autostartFile()
	if err != nil {
		return err
	}
	if icon, err := iconFile(); err == nil {
		_ = removeFile(icon)
	}
	return removeFile(path)
}

// execLine quotes a program's path for the key Exec of the Desktop Entry Specification: the argument in quotes, percent
// signs doubled, and all of it escaped as a string value.
func execLine(program string) string {
	quoted := strings.NewReplacer(`"`, `\"`, "`", "\\`", `$`, `\$`, `\`, `\\`, `%`, `%%`).Replace(program)
	return keyString(`"` + quoted + `"`)
}

// keyString escapes a value of a key of type string.
func keyString(value string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(value)
}
