package instance

import (
	"fmt"
	"os"
	"strings"
)

// listenerFiles returns the certificate files of the listeners.
func (p *Instance) listenerFiles() []string {
	var files []string
	for _, c := range p.Kubeconfig.Load().Contexts {
		if t := p.Settings.Effective(c.Name).TLS; t != nil {
			files = append(files, t.Cert, t.Key, t.ClientCA)
		}
	}
	return files
}

// fileStamps returns a text that changes when one of the files may have changed.
func fileStamps(files ...string) string {
	var b strings.Builder
	for _, file := range files {
		if info, err := os.Stat(file); err != nil {
			fmt.Fprintf(&b, "%q none ", file)
		} else {
			fmt.Fprintf(&b, "%q %d %d ", file, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
