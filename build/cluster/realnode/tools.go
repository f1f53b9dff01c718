package realnode

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// packages lists the Debian packages that the real node needs, the same as build/nodetest/packages.txt.
const packages = "containerd runc containernetworking-plugins"

// plugins lists the CNI plugins of the node's network, and pluginDirs the directories where distributions install them.
var (
	plugins    = []string{"bridge", "host-local", "loopback"}
	pluginDirs = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}
)

// tools holds the paths of the external programs that the node runs.
type tools struct {
	containerd, ctr string
	cniDir          string
	path            string // PATH of the runtime, which looks for its shim and for runc there
}

// Check returns an error if the real node cannot run here, with the command that helps. containerdDir is the directory
// of containerd's programs; "" means PATH. version is a prefix of containerd's version, as 1.6.
func Check(containerdDir, version string) error {
	if runtime.GOOS != "linux" {
		return errors.New("the real node needs Linux; leave --node out for the streaming one")
	}
	if os.Geteuid() != 0 {
		return errors.New("the real node needs root, for namespaces, mounts and control groups: run the same command as root (sudo -E)")
	}
	found, err := findTools(containerdDir)
	if err != nil {
		return err
	}
	output, err := exec.Command(found.containerd, "--version").Output()
	if err != nil {
		return fmt.Errorf("version of %s: %w", found.containerd, err)
	}
	// containerd github.com/containerd/containerd 1.6.20~ds1 ...
	if text := string(output); !strings.Contains(text, " "+version+".") && !strings.Contains(text, " v"+version+".") {
		return fmt.Errorf("%s is not version %s but: %s", found.containerd, version, strings.TrimSpace(text))
	}
	return nil
}

func findTools(containerdDir string) (tools, error) {
	t := tools{path: os.Getenv("PATH")}
	if containerdDir != "" {
		t.path = containerdDir + string(os.PathListSeparator) + t.path
	}
	var missing []string
	find := func(name string) string {
		for _, dir := range filepath.SplitList(t.path) {
			if path := filepath.Join(dir, name); isExecutable(path) {
				return path
			}
		}
		missing = append(missing, name)
		return ""
	}
	t.containerd, t.ctr = find("containerd"), find("ctr")
	find("containerd-shim-runc-v2")
	find("runc")
	for _, dir := range pluginDirs {
		if isExecutable(filepath.Join(dir, plugins[0])) {
			t.cniDir = dir
			break
		}
	}
	for _, plugin := range plugins {
		if !isExecutable(filepath.Join(t.cniDir, plugin)) {
			missing = append(missing, "the CNI plugin "+plugin)
		}
	}
	if len(missing) > 0 {
		return t, fmt.Errorf("the real node needs programs that are not installed: %s; on Debian: sudo apt-get update && "+
			"sudo apt-get install -y --no-install-recommends %s", strings.Join(missing, ", "), packages)
	}
	return t, nil
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
