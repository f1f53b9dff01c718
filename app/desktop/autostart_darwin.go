package desktop

import (
	"encoding/xml"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const agentLabel = "io.fairlead.fairlead"

// agentFile returns the path of Fairlead's agent, where launchd looks for the agents of a user.
func agentFile() (string, error) {
	home, err := os.UserHomeDir()
	return filepath.Join(home, "Library", "LaunchAgents", agentLabel+".plist"), err
}

func autostart() (bool, error) {
	path, err := agentFile()
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	return false, nil
}

func setAutostart(program string, _ []byte) error {
	path, err := agentFile()
	if err != nil {
		return err
	}
	var escaped strings.Builder
	if err := xml.EscapeText(&escaped, []byte(program)); err != nil {
		return err
	}
	return writeWhole(path, `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key><string>`+agentLabel+`</string>
<key>ProgramArguments</key><array><string>`+escaped.String()+`</string></array>
<key>RunAtLoad</key><true/>
</dict></plist>
`)
}

func unsetAutostart() error {
	path, err := agentFile()
	if err != nil {
		return err
	}
	return removeFile(path)
}
