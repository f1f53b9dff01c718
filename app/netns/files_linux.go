package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The files that say how names are looked up.
const (
	resolvFile   = "/etc/resolv.conf"
	nsswitchFile = "/etc/nsswitch.conf"
)

// resolvers are directories with sockets of programs that look up names outside.
var resolvers = []string{"/run/systemd/resolve", "/run/nscd", "/var/run/nscd"}

// scratch is a directory that a tmpfs covers while the files are made.
const scratch = "/tmp"

// replaceFiles replaces the files that say how names are looked up, for all processes in the helper's mount namespace.
func replaceFiles(c Config) error {
	// What is mounted outside appears inside as well, and not the other way round.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mounts: %w", err)
	}
	resolv, err := filepath.EvalSymlinks(resolvFile)
	if err != nil {
		return err
	}
	covered, err := coverResolvers()
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", scratch, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount on %s: %w", scratch, err)
	}
	if err := replace(resolv, resolvConf(c), covered); err != nil {
		return err
	}
	if err := replaceNSSwitch(); err != nil {
		return err
	}
	return os.NewSyscallError("umount", unix.Unmount(scratch, unix.MNT_DETACH))
}

// coverResolvers hides the sockets of programs that look up names outside, and returns which directories it has covered.
func coverResolvers() (covered []string, err error) {
	for _, dir := range resolvers {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil || len(covered) > 0 && covered[len(covered)-1] == real {
			continue
		}
		if err := unix.Mount("tmpfs", real, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return nil, fmt.Errorf("mount on %s: %w", real, err)
		}
		covered = append(covered, real)
	}
	return covered, nil
}

// replace mounts a file with text over another file. In a covered directory it creates the file.
func replace(file, text string, covered []string) error {
	for _, dir := range covered {
		if strings.HasPrefix(file, dir+"/") {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				return err
			}
			return os.WriteFile(file, []byte(text), 0o644)
		}
	}
	made := filepath.Join(scratch, filepath.Base(file))
	if err := os.WriteFile(made, []byte(text), 0o644); err != nil {
		return err
	}
	if err := unix.Mount(made, file, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount on %s: %w", file, err)
	}
	return nil
}

// replaceNSSwitch makes the C library look up names at the nameserver, and not by other programs.
func replaceNSSwitch() error {
	text, err := os.ReadFile(nsswitchFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	file, err := filepath.EvalSymlinks(nsswitchFile)
	if err != nil {
		return err
	}
	return replace(file, withHostsByDNS(string(text)), nil)
}

// withHostsByDNS returns an nsswitch.conf whose hosts are looked up in /etc/hosts and at the nameserver.
func withHostsByDNS(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if database, _, _ := strings.Cut(line, ":"); strings.TrimSpace(database) == "hosts" {
			line = "hosts: files dns\n"
		}
		out.WriteString(line)
	}
	return out.String()
}

// resolvConf returns the text of a resolv.conf.
func resolvConf(c Config) string {
	var out strings.Builder
	for _, a := range c.Nameservers {
		fmt.Fprintf(&out, "nameserver %s\n", a)
	}
	if len(c.Search) > 0 {
		fmt.Fprintf(&out, "search %s\n", strings.Join(c.Search, " "))
	}
	out.WriteString("options timeout:5 attempts:2\n")
	return out.String()
}
