package desktop

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// autostartFile returns the path by the freedesktop.org Desktop Application Autostart Specification.
func autostartFile() (string, error) {
	dir, err := os.UserConfigDir()
	return filepath.Join(dir, "autostart", "fairlead.desktop"), err
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
	// Users can disable the file on their desktop, which writes one of two keys.
	for line := range strings.Lines(string(text)) {
		switch strings.ReplaceAll(strings.TrimSpace(line), " ", "") {
		case "Hidden=true", "X-GNOME-Autostart-enabled=false":
			return false, nil
		}
	}
	return true, nil
}

func setAutostart(program string) error {
	path, err := autostartFile()
	if err != nil {
		return err
	}
	return writeWhole(path, "[Desktop Entry]\nType=Application\nName=Fairlead\nComment=Proxies into Kubernetes clusters\nExec="+execLine(program)+
		"\nTryExec="+keyString(program)+"\nTerminal=false\nX-GNOME-Autostart-enabled=true\n")
}

func unsetAutostart() error {
	path, err := autostartFile()
	if err != nil {
		return err
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
